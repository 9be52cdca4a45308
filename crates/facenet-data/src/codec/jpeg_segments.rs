//! The segments of a JPEG file (ITU T.81, annex B).

use image::metadata::Orientation;

/// Define Huffman tables.
pub(crate) const HUFFMAN_TABLES: u8 = 0xc4;
/// Start of image.
const START: u8 = 0xd8;
/// End of image.
pub(crate) const END: u8 = 0xd9;
/// Start of scan.
pub(crate) const SCAN: u8 = 0xda;
/// Define quantization tables.
pub(crate) const QUANTIZATION_TABLES: u8 = 0xdb;
/// Define restart interval.
pub(crate) const RESTART_INTERVAL: u8 = 0xdd;
/// Application segment 1, which contains EXIF.
const APP1: u8 = 0xe1;
/// Application segment 14, in which Adobe's programs state the color transform.
const APP14: u8 = 0xee;

/// Whether a marker starts a frame. DHT, JPG and DAC lie between those that do.
pub(crate) fn starts_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, HUFFMAN_TABLES | 0xc8 | 0xcc)
}

/// How the components of a JPEG become red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColorSpace {
    /// One component.
    Gray,
    /// Three components.
    YCbCr,
    /// Three components, by Adobe's marker or because they are called R, G and B.
    Rgb,
    /// Four components with Adobe's marker; 255 means no ink.
    Cmyk,
    /// [`ColorSpace::Cmyk`] whose first three components are converted as in YCbCr.
    Ycck,
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an end-of-image marker.
    Marker,
    /// Without one. Decoders silently fill what is missing with gray.
    CutOff,
}

/// Iterates over the marker segments: marker code and payload. Ends after the end-of-image marker,
/// before a second start-of-image marker that follows a scan, or where the file is cut off.
#[derive(Clone)]
pub(crate) struct JpegSegments<'a> {
    bytes: &'a [u8],
    position: usize,
    in_scan: bool,
}

impl<'a> JpegSegments<'a> {
    /// Starts after the start-of-image marker.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 2, in_scan: false }
    }

    /// Where the next marker is looked for.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Continues at a position in the file, after the entropy-coded data of a scan.
    pub(crate) fn continue_at(&mut self, position: usize) {
        self.position = position;
    }

    /// The number of scans, and whether the end-of-image marker follows them.
    pub(crate) fn scan_count(&self) -> (usize, Ending) {
        let mut scans = 0;
        for (marker, _) in self.clone() {
            match marker {
                END => return (scans, Ending::Marker),
                SCAN => scans += 1,
                _ => {}
            }
        }
        (scans, Ending::CutOff)
    }

    /// Whether Huffman tables are defined. The frames of Motion JPEG omit the standard ones.
    pub(crate) fn has_huffman_tables(&self) -> bool {
        self.clone().any(|(marker, _)| marker == HUFFMAN_TABLES)
    }

    /// The segments before the first scan.
    fn header(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        self.clone().take_while(|(marker, _)| *marker != SCAN)
    }

    /// Width and height in the frame header.
    pub(crate) fn size(&self) -> Option<[u32; 2]> {
        self.header().find_map(|(marker, payload)| match payload {
            &[_, h1, h0, w1, w0, ..] if starts_frame(marker) => {
                Some([[w1, w0], [h1, h0]].map(|side| u16::from_be_bytes(side).into()))
            }
            _ => None,
        })
    }

    /// The color space; `None` if it is not known. One component is grayscale, three are YCbCr or
    /// RGB. Four are CMYK or YCCK and need Adobe's marker: with it 255 means no ink; without it
    /// programs disagree. A missing frame header, which decoders report, counts as YCbCr.
    pub(crate) fn color_space(&self) -> Option<ColorSpace> {
        let (mut transform, mut frame) = (None, None);
        for (marker, payload) in self.header() {
            if marker == APP14 && payload.starts_with(b"Adobe") {
                transform = Some(payload.get(11).copied().unwrap_or_default());
            } else if starts_frame(marker) {
                frame = Some(payload);
            }
        }
        let Some((components, specifications)) = frame.and_then(|frame| frame.get(5..)?.split_first()) else {
            return Some(ColorSpace::YCbCr);
        };
        let names = || specifications.iter().step_by(3).take(3);
        match (components, transform) {
            (1, _) => Some(ColorSpace::Gray),
            (3, Some(0)) => Some(ColorSpace::Rgb),
            (3, _) if names().eq(b"RGB") => Some(ColorSpace::Rgb),
            (3, _) => Some(ColorSpace::YCbCr),
            (4, Some(2)) => Some(ColorSpace::Ycck),
            (4, Some(_)) => Some(ColorSpace::Cmyk),
            _ => None,
        }
    }

    /// The EXIF orientation. The last EXIF segment counts; what is not valid is ignored.
    pub(crate) fn orientation(&self) -> Orientation {
        let exif = self.header().filter(|(marker, _)| *marker == APP1);
        let exif = exif.filter_map(|(_, payload)| payload.strip_prefix(b"Exif\0\0")).last();
        exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
    }
}

impl<'a> Iterator for JpegSegments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Bytes before a marker are entropy-coded data or stuffing; FF 00 is a data byte, FF FF
            // a fill byte.
            let rest = self.bytes.get(self.position..)?;
            let at = self.position + rest.iter().position(|&byte| byte == 0xff)?;
            let marker = *self.bytes.get(at + 1)?;
            match marker {
                0xff => self.position = at + 1,
                END => {
                    self.position = self.bytes.len();
                    return Some((marker, &[]));
                }
                START if self.in_scan => {
                    self.position = self.bytes.len();
                    return None;
                }
                0x00 | 0x01 | 0xd0..=0xd8 => self.position = at + 2,
                _ => {
                    let &[high, low] = self.bytes.get(at + 2..at + 4)? else { return None };
                    let end = at + 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
                    let payload = self.bytes.get(at + 4..end)?;
                    self.position = end;
                    self.in_scan |= marker == SCAN;
                    return Some((marker, payload));
                }
            }
        }
    }
}
