//! What JPEG files may lack that decoders need: the standard Huffman tables, the end marker.

use std::borrow::Cow;

use crate::codec::jpeg_scans::{Coefficients, Frame, JpegError, Process, Scans};
use crate::codec::jpeg_segments::{END, Ending, HUFFMAN_TABLES, JpegSegments};

/// The file with an end marker after the last block, and with the standard Huffman tables if it has
/// none. [`JpegError::Truncated`] if there is no end marker because blocks are missing.
pub(crate) fn repaired(bytes: &[u8], ending: Ending) -> Result<Cow<'_, [u8]>, JpegError> {
    let segments = JpegSegments::new(bytes);
    let lacks_tables = match Frame::of(&segments) {
        _ if segments.has_huffman_tables() => false,
        // The standard tables are those for sequential coding.
        Ok(Frame { process: Process::Sequential, .. }) => true,
        Ok(Frame { process: Process::Progressive, .. }) => {
            return Err(match ending {
                Ending::Marker => JpegError::Damaged("there are no Huffman tables"),
                Ending::CutOff => JpegError::Truncated,
            });
        }
        // The decoder reports what it does not support.
        Err(_) => false,
    };
    if ending == Ending::Marker && !lacks_tables {
        return Ok(Cow::Borrowed(bytes));
    }
    let (start, rest) = bytes.split_at_checked(2).ok_or(JpegError::Truncated)?;
    let tables = if lacks_tables { standard_huffman_tables() } else { Vec::new() };
    let mut whole = [start, &tables, rest].concat();
    if ending == Ending::CutOff {
        let frame = Frame::of(&JpegSegments::new(&whole))?;
        // Nothing can be said of damaged data: what is complete before it counts.
        let (scans, _) = Scans::read(&whole, frame, |_, _| [0, 0]);
        whole.truncate(scans.complete_at.ok_or(JpegError::Truncated)?);
        whole.extend([0xff, END]);
    }
    Ok(Cow::Owned(whole))
}

/// The bytes that [`repaired`] allocates at most.
pub(crate) fn repair_bytes(bytes: &[u8], frame: &Frame) -> u64 {
    let bitmaps = frame.components.iter().map(|component| Coefficients::byte_count(frame, component, [0, 0]));
    bytes.len() as u64 + 512 + bitmaps.sum::<u64>()
}

/// A segment with the four tables of T.81, tables K.3 to K.6.
fn standard_huffman_tables() -> Vec<u8> {
    // Codes of each length, then symbols: runs of zeros and sizes.
    const LUMA_DC: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    const CHROMA_DC: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
    const LUMA_AC: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
    const CHROMA_AC: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119];
    const SIZES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    // The symbols of the short codes; those of 16 bits follow in ascending order.
    const LUMA_SHORT: [u8; 37] = [
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
        0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
        0x82,
    ];
    const CHROMA_SHORT: [u8; 43] = [
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
        0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
        0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1,
    ];
    // All runs of 0 to 15 with sizes of 1 to 10, the end of a block and the run of 16 zeros.
    let ac_symbols = |short: &[u8]| {
        let long = (0..=u8::MAX).filter(|symbol| (1..=10).contains(&(symbol & 15)) && !short.contains(symbol));
        short.iter().copied().chain(long).collect::<Vec<_>>()
    };
    let (luma_ac, chroma_ac) = (ac_symbols(&LUMA_SHORT), ac_symbols(&CHROMA_SHORT));
    let tables = [
        (0x00, LUMA_DC, &SIZES[..]),
        (0x10, LUMA_AC, &luma_ac),
        (0x01, CHROMA_DC, &SIZES),
        (0x11, CHROMA_AC, &chroma_ac),
    ];
    let mut content = Vec::new();
    for (destination, counts, symbols) in tables {
        content.push(destination);
        content.extend(counts);
        content.extend(symbols);
    }
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xff, HUFFMAN_TABLES], &length[..], &content].concat()
}
