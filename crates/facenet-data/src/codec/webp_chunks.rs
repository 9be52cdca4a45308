//! The chunks of a WebP file: checks before its decoder, which trusts the sizes in them.

use std::iter;

/// Why a WebP file is not given to the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebPError {
    Truncated,
    Damaged(&'static str),
}

/// The RIFF file within these bytes, if all its chunks are there and its images have the size that
/// the header declares.
pub(crate) fn checked_webp(bytes: &[u8]) -> Result<&[u8], WebPError> {
    let size = bytes.get(4..8).and_then(|size| size.first_chunk()).ok_or(WebPError::Truncated)?;
    let end = (u32::from_le_bytes(*size) as usize).checked_add(8).ok_or(WebPError::Truncated)?;
    let file = bytes.get(..end).ok_or(WebPError::Truncated)?;
    let mut canvas = None;
    let mut frames = 0;
    for chunk in chunks(file.get(12..).ok_or(WebPError::Damaged("there are no chunks"))?) {
        let (kind, content) = chunk?;
        match (kind, content) {
            (b"VP8X", &[_, _, _, _, ref sides @ ..]) => canvas = Some(frame_size(sides)?),
            (b"ANMF", &[_, _, _, _, _, _, ref frame @ ..]) => {
                frames += 1;
                // Only the first frame is decoded.
                if frames == 1 {
                    let size = frame_size(frame)?;
                    let within = canvas.is_some_and(|canvas| size[0] <= canvas[0] && size[1] <= canvas[1]);
                    if !within {
                        return Err(WebPError::Damaged("a frame is larger than the image"));
                    }
                    for chunk in chunks(frame.get(10..).unwrap_or_default()) {
                        let (kind, content) = chunk?;
                        check_image_size(kind, content, Some(size))?;
                    }
                }
            }
            _ => check_image_size(kind, content, canvas)?,
        }
    }
    Ok(file)
}

/// Four characters and the content of each chunk (RFC 9649, 2.3).
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = Result<(&[u8; 4], &[u8]), WebPError>> {
    iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let mut next = || {
            let (kind, rest) = bytes.split_first_chunk::<4>()?;
            let (size, rest) = rest.split_first_chunk()?;
            let (content, rest) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
            // A byte of padding follows an odd size; the last one may be missing.
            bytes = rest.get(content.len() % 2..).unwrap_or_default();
            Some((kind, content))
        };
        let chunk = next();
        if chunk.is_none() {
            bytes = &[];
        }
        Some(chunk.ok_or(WebPError::Truncated))
    })
}

/// Width and height, minus one in 24 bits each.
fn frame_size(bytes: &[u8]) -> Result<[u32; 2], WebPError> {
    match *bytes {
        [w0, w1, w2, h0, h1, h2, ..] => Ok([[w0, w1, w2, 0], [h0, h1, h2, 0]].map(|side| u32::from_le_bytes(side) + 1)),
        _ => Err(WebPError::Damaged("a header is too short")),
    }
}

/// Checks that an image has the declared size, if one is declared.
fn check_image_size(kind: &[u8; 4], content: &[u8], declared: Option<[u32; 2]>) -> Result<(), WebPError> {
    let size = match (kind, content) {
        // RFC 6386, 9.1.
        (b"VP8 ", &[_, _, _, _, _, _, w0, w1, h0, h1, ..]) => {
            [[w0, w1], [h0, h1]].map(|side| u32::from(u16::from_le_bytes(side) & 0x3fff))
        }
        // RFC 9649, 3.4.
        (b"VP8L", &[_, b0, b1, b2, b3, ..]) => {
            let bits = u32::from_le_bytes([b0, b1, b2, b3]);
            [bits, bits >> 14].map(|side| (side & 0x3fff) + 1)
        }
        (b"VP8 " | b"VP8L", _) => return Err(WebPError::Damaged("an image is too short")),
        _ => return Ok(()),
    };
    match declared {
        Some(declared) if declared != size => Err(WebPError::Damaged("an image does not have the declared size")),
        _ => Ok(()),
    }
}
