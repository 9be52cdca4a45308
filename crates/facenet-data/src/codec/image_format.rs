//! Recognizing image formats by their content.

use std::fmt;

/// A format of image files, recognized by the first bytes of a file and never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageFormat {
    /// JPEG, also within a JPEG multi-picture file (`.mpo`).
    Jpeg,
    /// PNG.
    Png,
    /// Netpbm: PBM, PGM, PPM, PAM.
    Pnm,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
    /// BMP.
    Bmp,
    /// TIFF, and the camera raw formats built on it.
    Tiff,
    /// HEIC, the format of iPhone photos.
    Heic,
    /// AVIF.
    Avif,
    /// JPEG XL.
    JpegXl,
    /// JPEG 2000.
    Jpeg2000,
    /// A camera raw format that is not a TIFF file: Canon CR3, Fujifilm RAF, Olympus ORF, Panasonic RW2.
    CameraRaw,
    /// Photoshop document.
    Photoshop,
}

/// Number of bytes at the beginning of a file by which its format is recognized.
pub const SIGNATURE_LENGTH: usize = 64;

impl ImageFormat {
    /// The format of a file that begins with these bytes, the first [`SIGNATURE_LENGTH`] of it or more;
    /// `None` if it is not an image. A file that ends within its signature has the format that it begins.
    #[must_use]
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        const SIGNATURES: [(&[u8], ImageFormat); 16] = [
            (&[0xff, 0xd8, 0xff], ImageFormat::Jpeg),
            (b"\x89PNG\r\n\x1a\n", ImageFormat::Png),
            (b"GIF87a", ImageFormat::Gif),
            (b"GIF89a", ImageFormat::Gif),
            (b"II*\0", ImageFormat::Tiff),
            (b"MM\0*", ImageFormat::Tiff),
            (b"II+\0\x08\0\0\0", ImageFormat::Tiff),
            (b"MM\0+\0\x08\0\0", ImageFormat::Tiff),
            (&[0xff, 0x0a], ImageFormat::JpegXl),
            (b"\0\0\0\x0cJXL \r\n\x87\n", ImageFormat::JpegXl),
            (b"\0\0\0\x0cjP  \r\n\x87\n", ImageFormat::Jpeg2000),
            (&[0xff, 0x4f, 0xff, 0x51], ImageFormat::Jpeg2000),
            (b"FUJIFILMCCD-RAW", ImageFormat::CameraRaw),
            (b"IIRO", ImageFormat::CameraRaw),
            (b"IIU\0", ImageFormat::CameraRaw),
            (b"8BPS", ImageFormat::Photoshop),
        ];
        // Signatures of less than three bytes would make every short file an image.
        let begins = |signature: &[u8]| {
            bytes.starts_with(signature)
                || (bytes.len() >= 2 && bytes.len() < signature.len() && signature.starts_with(bytes))
        };
        if let Some((_, format)) = SIGNATURES.iter().find(|(signature, _)| begins(signature)) {
            return Some(*format);
        }
        match bytes {
            [b'P', b'1'..=b'7', byte, ..] if byte.is_ascii_whitespace() || *byte == b'#' => Some(Self::Pnm),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            // The size of the file, two reserved fields, then the offset of the pixels and the size of the header.
            [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, 12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0, ..] => {
                Some(Self::Bmp)
            }
            [_, _, _, length, b'f', b't', b'y', b'p', brands @ ..] => {
                let brands = &brands[..brands.len().min((*length as usize).saturating_sub(8))];
                // The major brand, four bytes of version, the compatible brands.
                let mut brands = brands.chunks_exact(4).enumerate().filter(|(index, _)| *index != 1);
                brands.find_map(|(_, brand)| match brand {
                    b"avif" | b"avis" => Some(Self::Avif),
                    b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some(Self::Heic),
                    b"crx " => Some(Self::CameraRaw),
                    _ => None,
                })
            }
            _ => None,
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Pnm => "PNM",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
            Self::JpegXl => "JPEG XL",
            Self::Jpeg2000 => "JPEG 2000",
            Self::CameraRaw => "camera raw",
            Self::Photoshop => "Photoshop",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognized_by_content() {
        let iso = |brands: &str| [&[0, 0, 0, 8 + brands.len() as u8], b"ftyp".as_slice(), brands.as_bytes()].concat();
        let bmp = [b"BM\x9a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".as_slice(), &[0; 36]].concat();
        for (bytes, format) in [
            (b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), Some(ImageFormat::Jpeg)),
            (b"\xff\xd8".to_vec(), Some(ImageFormat::Jpeg)),
            (b"\x89PNG".to_vec(), Some(ImageFormat::Png)),
            (b"GIF89a\x01\0".to_vec(), Some(ImageFormat::Gif)),
            (b"P6\n1 1".to_vec(), Some(ImageFormat::Pnm)),
            (b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(), Some(ImageFormat::WebP)),
            (b"RIFF\x10\0\0\0WAVEfmt ".to_vec(), None),
            (bmp, Some(ImageFormat::Bmp)),
            (b"BMW is a maker of cars and motorcycles".to_vec(), None),
            (b"MM\0*\0\0\0\x08".to_vec(), Some(ImageFormat::Tiff)),
            (iso("heic\0\0\0\0mif1heic"), Some(ImageFormat::Heic)),
            (iso("mif1\0\0\0\0mif1avif"), Some(ImageFormat::Avif)),
            (iso("isom\0\0\0\0isomavc1mp41"), None),
            (iso("crx \0\0\0\x01crx isom"), Some(ImageFormat::CameraRaw)),
            (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), Some(ImageFormat::JpegXl)),
            (b"%PDF-1.7".to_vec(), None),
            (b"\x89".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(ImageFormat::detect(&bytes), format, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
}
