//! The segments of a JPEG file (ITU T.81, annex B).

/// Start of scan.
const SCAN: u8 = 0xda;
/// End of image.
const END: u8 = 0xd9;
/// Application segment 14, in which Adobe's programs state the color transform.
const APP14: u8 = 0xee;

/// Iterates over the marker segments: marker code and payload. Ends after the end-of-image marker
/// or where the file is cut off.
#[derive(Clone)]
pub(crate) struct JpegSegments<'a> {
    rest: &'a [u8],
}

impl<'a> JpegSegments<'a> {
    /// Starts after the start-of-image marker.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.get(2..).unwrap_or_default() }
    }

    /// Whether the segments reach the end-of-image marker. Decoders silently fill missing data with
    /// gray.
    pub(crate) fn is_complete(&self) -> bool {
        self.clone().any(|(marker, _)| marker == END)
    }

    /// The number of scans, i.e. of passes that a decoder makes over the whole image.
    pub(crate) fn scan_count(&self) -> usize {
        self.clone().filter(|(marker, _)| *marker == SCAN).count()
    }

    /// Whether the color space is known. One component is grayscale, three are YCbCr or RGB. Four
    /// are CMYK or YCCK and need Adobe's marker: with it 255 means no ink; without it programs
    /// disagree.
    pub(crate) fn has_known_color_space(&self) -> bool {
        let (mut adobe, mut components) = (false, None);
        for (marker, payload) in self.clone().take_while(|(marker, _)| *marker != SCAN) {
            match marker {
                APP14 => adobe |= payload.starts_with(b"Adobe"),
                // DHT, JPG and DAC: the other markers in C0..CF start a frame.
                0xc4 | 0xc8 | 0xcc => {}
                0xc0..=0xcf => components = payload.get(5).copied(),
                _ => {}
            }
        }
        match components {
            // The decoder reports a missing frame.
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
            // Bytes before a marker are entropy-coded data or stuffing; FF 00 is a data byte, FF FF
            // a fill byte.
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
                    let payload = &self.rest[at + 4..at + 2 + length];
                    self.rest = after;
                    return Some((marker, payload));
                }
            }
        }
    }
}
