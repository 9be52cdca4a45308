//! Decoding valid, damaged and malicious images.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::{Error, MAX_SIDE, decode_image, decode_photo, read_image};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, RgbImage};
use ndarray::{Array3, s};
use proptest::prelude::*;

/// Smooth colors with some texture, so that a JPEG has nonzero coefficients everywhere.
fn image(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(row, column, channel)| {
        (40 + 3 * row + 5 * column + 50 * channel + (row * 7 + column * 13) % 23) as u8
    })
}

fn jpeg(image: &Array3<u8>) -> Vec<u8> {
    let (height, width, _) = image.dim();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .write_image(image.as_slice().unwrap(), width as u32, height as u32, ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

fn png(pixels: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(pixels, width, height, color).unwrap();
    bytes
}

fn pnm(header: &str, samples: &[u8]) -> Vec<u8> {
    [header.as_bytes(), samples].concat()
}

fn decode(bytes: &[u8]) -> Result<Array3<u8>, Error> {
    decode_image(bytes, Path::new("some/face.jpg"))
}

fn assert_names(error: &Error, path: &Path) {
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert!(message.starts_with(char::is_lowercase) || message.starts_with(&path.display().to_string()), "{message}");
}

#[test]
fn the_format_is_detected_from_the_content() {
    let expected = image(7, 5);
    let samples = expected.as_slice().unwrap();
    assert_eq!(decode(&png(samples, 5, 7, ExtendedColorType::Rgb8)).unwrap(), expected);
    assert_eq!(decode(&pnm("P6\n# a comment\n5 7\n255\n", samples)).unwrap(), expected);

    let decoded = decode(&jpeg(&image(40, 24))).unwrap();
    assert_eq!(decoded.dim(), (40, 24, 3));
    let difference = decoded.iter().zip(&image(40, 24)).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
    assert!(difference < 6 * decoded.len() as u64, "mean difference {}", difference as f64 / decoded.len() as f64);
}

#[test]
fn everything_becomes_eight_bit_rgb() {
    let gray = [0_u8, 17, 200, 255, 3, 90];
    let expected = Array3::from_shape_fn((2, 3, 3), |(row, column, _)| gray[row * 3 + column]);
    assert_eq!(decode(&pnm("P5 3 2 255 ", &gray)).unwrap(), expected);
    assert_eq!(decode(b"P2 3 2 255 0 17 200 255 3 90").unwrap(), expected);
    assert_eq!(decode(&png(&gray, 3, 2, ExtendedColorType::L8)).unwrap(), expected);

    let with_alpha: Vec<u8> = gray.iter().flat_map(|&level| [level, level, level, 255]).collect();
    assert_eq!(decode(&png(&with_alpha, 3, 2, ExtendedColorType::Rgba8)).unwrap(), expected);
    let sixteen: Vec<u8> = gray.iter().flat_map(|&level| (u16::from(level) * 257).to_ne_bytes()).collect();
    assert_eq!(decode(&png(&sixteen, 3, 2, ExtendedColorType::L16)).unwrap(), expected);
    // A maximum value of 15 is scaled to 255; a set bit of a bitmap is black.
    assert_eq!(decode(b"P2 2 1 15 15 5").unwrap().into_raw_vec_and_offset().0, [255, 255, 255, 85, 85, 85]);
    assert_eq!(decode(b"P4 2 1 \x40").unwrap().into_raw_vec_and_offset().0, [255, 255, 255, 0, 0, 0]);

    let mut bytes = Vec::new();
    let photo = DynamicImage::ImageRgb8(RgbImage::from_fn(16, 16, |x, _| image::Rgb([x as u8 * 9; 3]))).into_luma8();
    JpegEncoder::new(&mut bytes).write_image(&photo, 16, 16, ExtendedColorType::L8).unwrap();
    let decoded = decode(&bytes).unwrap();
    assert!(decoded.lanes(ndarray::Axis(2)).into_iter().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
}

/// A JPEG with an APP1 segment that contains only the orientation (EXIF 2.3, section 4.6.4: tag
/// 0x112, SHORT).
fn oriented(jpeg: &[u8], orientation: u8, little_endian: bool) -> Vec<u8> {
    let mut tiff = if little_endian { b"II*\0\x08\0\0\0".to_vec() } else { b"MM\0*\0\0\0\x08".to_vec() };
    let (two, four) = match little_endian {
        true => (u16::to_le_bytes as fn(u16) -> [u8; 2], u32::to_le_bytes as fn(u32) -> [u8; 4]),
        false => (u16::to_be_bytes as fn(u16) -> [u8; 2], u32::to_be_bytes as fn(u32) -> [u8; 4]),
    };
    for short in [1, 0x112, 3] {
        tiff.extend(two(short));
    }
    tiff.extend(four(1));
    tiff.extend(two(orientation.into()));
    tiff.extend([0; 6]);
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend((2 + 6 + tiff.len() as u16).to_be_bytes());
    bytes.extend(b"Exif\0\0");
    bytes.extend(tiff);
    bytes.extend(&jpeg[2..]);
    bytes
}

#[test]
fn exif_orientation_is_applied() {
    let stored = jpeg(&image(16, 24));
    let plain = decode(&stored).unwrap();
    for orientation in 0..=9 {
        // The sides that row 0 and column 0 of the stored pixels are on: EXIF 2.3, table of tag
        // 0x112.
        let expected = match orientation {
            2 => plain.slice(s![.., ..;-1, ..]).to_owned(),
            3 => plain.slice(s![..;-1, ..;-1, ..]).to_owned(),
            4 => plain.slice(s![..;-1, .., ..]).to_owned(),
            5 => plain.view().permuted_axes([1, 0, 2]).to_owned(),
            6 => plain.slice(s![..;-1, .., ..]).permuted_axes([1, 0, 2]).to_owned(),
            7 => plain.slice(s![..;-1, ..;-1, ..]).permuted_axes([1, 0, 2]).to_owned(),
            8 => plain.slice(s![.., ..;-1, ..]).permuted_axes([1, 0, 2]).to_owned(),
            _ => plain.clone(),
        };
        for little_endian in [true, false] {
            let decoded = decode(&oriented(&stored, orientation, little_endian)).unwrap();
            assert!(decoded == expected, "orientation {orientation}");
        }
    }
}

#[test]
fn a_truncated_jpeg_is_an_error_at_every_cut() {
    for (name, whole) in [("plain", jpeg(&image(64, 48))), ("with EXIF", oriented(&jpeg(&image(64, 48)), 6, true))] {
        decode(&whole).unwrap();
        let expected = decode(&whole).unwrap();
        // Only the end marker is missing from the last two.
        for cut in 2..whole.len() {
            match decode(&whole[..cut]) {
                Err(Error::Truncated { .. }) if cut < whole.len() - 2 => {}
                Ok(decoded) if cut >= whole.len() - 2 => assert!(decoded == expected, "{name} cut at {cut}"),
                other => panic!("{name} cut at {cut} of {}: {other:?}", whole.len()),
            }
        }
        // The second half of the file was never written.
        let mut zeros = whole.clone();
        zeros[whole.len() / 2..].fill(0);
        assert!(matches!(decode(&zeros), Err(Error::Truncated { .. })));
        // Data after the end-of-image marker is ignored.
        decode(&[&whole[..], b"trailing"].concat()).unwrap();
    }
}

#[test]
fn a_truncated_png_is_an_error_at_every_cut() {
    let image = image(9, 11);
    let whole = png(image.as_slice().unwrap(), 11, 9, ExtendedColorType::Rgb8);
    decode(&whole).unwrap();
    for cut in 2..whole.len() {
        assert!(matches!(decode(&whole[..cut]), Err(Error::Truncated { .. })), "cut at {cut} of {}", whole.len());
    }
}

#[test]
fn a_truncated_pnm_is_an_error_at_every_cut() {
    let samples = [7; 40 * 30];
    for whole in [pnm("P5\n40 30\n255\n", &samples), pnm("P6 20 20 255 ", &samples), pnm("P4 80 120 ", &samples)] {
        decode(&whole).unwrap();
        for cut in 3..whole.len() {
            assert!(matches!(decode(&whole[..cut]), Err(Error::Truncated { .. })), "cut at {cut} of {}", whole.len());
        }
        for cut in 1..3 {
            assert!(decode(&whole[..cut]).is_err());
        }
    }
}

#[test]
fn a_header_that_declares_too_many_pixels_allocates_nothing() {
    let mut huge = png(&[0; 12], 2, 2, ExtendedColorType::Rgb8);
    huge[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    huge[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let checksum = crc32(&huge[12..29]);
    huge[29..33].copy_from_slice(&checksum.to_be_bytes());

    let mut photo = jpeg(&image(16, 16));
    let frame = photo.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    photo[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);

    for bytes in [&huge[..], &photo, b"P5 60000 60000 255 \0", b"P6\n60000 60000\n255\n"] {
        for result in [decode(bytes).map(drop), decode_photo(bytes, Path::new("some/face.jpg")).map(drop)] {
            match result {
                Err(Error::TooLarge { width: 60_000, height: 60_000, .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let over_side = format!("P5 {} 1 255 ", MAX_SIDE + 1);
    assert!(matches!(decode(over_side.as_bytes()), Err(Error::TooLarge { .. })));
    assert!(matches!(decode(b"P5 4294967295 4294967295 255 "), Err(Error::TooLarge { .. })));
}

/// The checksum of PNG chunks (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

#[test]
fn damaged_files_are_errors() {
    let mut flipped = png(image(9, 11).as_slice().unwrap(), 11, 9, ExtendedColorType::Rgb8);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    assert!(matches!(decode(&flipped), Err(Error::Decode { .. })));
    assert!(matches!(decode(b"P5 3 2 0 abcdef"), Err(Error::Decode { .. })));
    assert!(matches!(decode(b"P5 0 2 255 "), Err(Error::EmptyImage { .. } | Error::Decode { .. })));
    assert!(matches!(decode(b"\xff\xd8\xff\xd9 and nothing else"), Err(Error::Decode { .. })));
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let fails = |path: &Path| -> Error {
        let error = read_image(path).unwrap_err();
        assert_names(&error, path);
        error
    };
    let text = write("text.jpg", b"This is not an image at all.\n");
    assert!(matches!(fails(&text), Error::UnknownFormat { .. }));
    assert!(matches!(fails(&write("empty.png", b"")), Error::EmptyImage { .. }));
    let whole = jpeg(&image(16, 16));
    assert!(matches!(fails(&write("cut.jpg", &whole[..whole.len() / 2])), Error::Truncated { .. }));
    assert!(matches!(fails(&write("large.pgm", b"P5 60000 60000 255 ")), Error::TooLarge { .. }));
    assert!(matches!(fails(&folder.path().join("absent.jpg")), Error::Io { .. }));
    assert!(matches!(fails(folder.path()), Error::Io { .. }));
    // A JPEG with another format's extension is read as a JPEG.
    read_image(&write("really_a_jpeg.pgm", &whole)).unwrap();
}

#[test]
fn a_file_over_the_size_limit_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.jpg");
    fs::File::create(&path).unwrap().set_len(facenet_data::MAX_FILE_BYTES + 1).unwrap();
    let error = read_image(&path).unwrap_err();
    assert!(matches!(error, Error::FileTooLong { .. }));
    assert_names(&error, &path);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_images_never_panic(
        kind in 0..3_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let source = image(24, 16);
        let mut bytes = match kind {
            0 => jpeg(&source),
            1 => png(source.as_slice().unwrap(), 16, 24, ExtendedColorType::Rgb8),
            _ => pnm("P6 16 24 255 ", source.as_slice().unwrap()),
        };
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = decode(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(kind in 0..4_usize, tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let magic: &[u8] = [&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n", b"P5 ", b""][kind];
        let _ = decode(&[magic, &tail].concat());
    }
}
