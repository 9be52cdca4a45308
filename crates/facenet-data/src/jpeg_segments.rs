//! The segments of a JPEG file (ITU T.81, annex B).

/// Start of scan.
const SCAN: u8 = 0xda;
/// End of image.
const END: u8 = 0xd9;
/// Application segment 14, which Adobe's programs use for the kind of colours.
const APP14: u8 = 0xee;

/// Walks from marker to marker: the code of each and what its segment holds. It ends behind the end-of-image marker, or
/// where the file breaks off.
#[derive(Clone)]
pub(crate) struct JpegSegments<'a> {
    rest: &'a [u8],
}

impl<'a> JpegSegments<'a> {
    /// Starts behind the start-of-image marker.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.get(2..).unwrap_or_default() }
    }

    /// Whether the segments lead to the end-of-image marker. Decoders fill what is missing with grey and say nothing.
    pub(crate) fn is_complete(&self) -> bool {
        self.clone().any(|(marker, _)| marker == END)
    }

    /// The number of scans: times that a decoder goes through the whole picture.
    pub(crate) fn scans(&self) -> usize {
        self.clone().filter(|(marker, _)| *marker == SCAN).count()
    }

    /// Whether it is known what the components mean. One is grey, three are colours. Four are inks and need Adobe's marker:
    /// with it 255 is no ink, without it some programs mean that and others the opposite.
    pub(crate) fn has_known_colors(&self) -> bool {
        let (mut adobe, mut components) = (false, None);
        for (marker, content) in self.clone().take_while(|(marker, _)| *marker != SCAN) {
            match marker {
                APP14 => adobe |= content.starts_with(b"Adobe"),
                // Tables of Huffman codes, an extension, tables of arithmetic coding: all others there are frames.
                0xc4 | 0xc8 | 0xcc => {}
                0xc0..=0xcf => components = content.get(5).copied(),
                _ => {}
            }
        }
        match components {
            // Without a frame, the decoder complains.
            None | Some(1 | 3) => true,
            Some(4) => adobe,
            Some(_) => false,
        }
    }
}

impl<'a> Iterator for JpegSegments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Whatever stands before a marker is entropy-coded data or stuffing; FF 00 is a data byte and FF FF a filler.
            let at = self.rest.iter().position(|&byte| byte == 0xff)?;
            let marker = *self.rest.get(at + 1)?;
            match marker {
                0xff => self.rest = &self.rest[at + 1..],
                END => {
                    self.rest = &[];
                    return Some((marker, &[]));
                }
                0x00 | 0x01 | 0xd0..=0xd8 => self.rest = &self.rest[at + 2..],
                _ => {
                    let &[high, low] = self.rest.get(at + 2..at + 4)? else { return None };
                    let length = usize::from(u16::from_be_bytes([high, low])).max(2);
                    let after = self.rest.get(at + 2 + length..)?;
                    let content = &self.rest[at + 4..at + 2 + length];
                    self.rest = after;
                    return Some((marker, content));
                }
            }
        }
    }
}
