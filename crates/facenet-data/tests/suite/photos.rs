//! The formats that photos come in, besides JPEG, PNG and PNM.

use std::path::Path;

use facenet_data::{BoundedDecoder, Error, ImageFormat, MAX_PHOTO_BYTES, Photo, decode_photo};
use image::codecs::bmp::BmpEncoder;
use image::codecs::gif::GifEncoder;
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, Frame, ImageEncoder, RgbaImage};
use ndarray::{Array3, s};
use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::formats::{Jpeg, PLAIN, assert_close, chunk, decode, rgb_png, waves, with_chunks, with_segment};

const LOSSY_WEBP: &[u8] = include_bytes!("../data/lossy.webp");
const LOSSY_WEBP_WITH_ALPHA: &[u8] = include_bytes!("../data/lossy_alpha.webp");
/// [`LOSSY_WEBP_WITH_ALPHA`], then [`LOSSY_WEBP`].
const ANIMATED_WEBP: &[u8] = include_bytes!("../data/animated.webp");

fn encoded(
    image: &Array3<u8>,
    color: ExtendedColorType,
    encode: impl FnOnce(&mut Vec<u8>, &[u8], u32, u32, ExtendedColorType) -> image::ImageResult<()>,
) -> Vec<u8> {
    let (height, width, _) = image.dim();
    let mut bytes = Vec::new();
    encode(&mut bytes, image.as_slice().unwrap(), width as u32, height as u32, color).unwrap();
    bytes
}

fn webp(image: &Array3<u8>, color: ExtendedColorType) -> Vec<u8> {
    encoded(image, color, |bytes, pixels, width, height, color| {
        WebPEncoder::new_lossless(bytes).write_image(pixels, width, height, color)
    })
}

fn bmp(image: &Array3<u8>, color: ExtendedColorType) -> Vec<u8> {
    encoded(image, color, |bytes, pixels, width, height, color| {
        BmpEncoder::new(bytes).write_image(pixels, width, height, color)
    })
}

fn tiff(image: &Array3<u8>, color: ExtendedColorType) -> Vec<u8> {
    encoded(image, color, |bytes, pixels, width, height, color| {
        TiffEncoder::new(std::io::Cursor::new(bytes)).write_image(pixels, width, height, color)
    })
}

/// A GIF of these frames, each of at most 256 colors.
fn gif(frames: &[Array3<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for frame in frames {
        let (height, width, _) = frame.dim();
        let pixels = frame.as_slice().unwrap().to_vec();
        encoder.encode_frame(Frame::new(RgbaImage::from_raw(width as u32, height as u32, pixels).unwrap())).unwrap();
    }
    drop(encoder);
    bytes
}

/// Few colors, so that a GIF has them all.
fn tiles(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(row, column, channel)| {
        [[200, 30, 90], [15, 120, 250], [0, 0, 0], [250, 240, 10]][(row / 2 + column / 3) % 4][channel]
    })
}

fn with_alpha(image: &Array3<u8>, alpha: impl Fn(usize, usize) -> u8) -> Array3<u8> {
    let (height, width, _) = image.dim();
    Array3::from_shape_fn((height, width, 4), |(row, column, channel)| match channel {
        3 => alpha(row, column),
        _ => image[[row, column, channel]],
    })
}

#[test]
fn lossless_formats_decode_exactly() {
    let image = tiles(13, 22);
    let opaque = with_alpha(&image, |_, _| 255);
    let gray = waves(13, 22, 1);
    let levels = gray.broadcast((13, 22, 3)).unwrap().to_owned();
    let (rgb, rgba, luma) = (ExtendedColorType::Rgb8, ExtendedColorType::Rgba8, ExtendedColorType::L8);
    for (name, bytes, expected) in [
        ("WebP", webp(&image, rgb), &image),
        ("WebP, opaque alpha", webp(&opaque, rgba), &image),
        ("BMP", bmp(&image, rgb), &image),
        ("BMP, gray", bmp(&gray, luma), &levels),
        ("BMP, opaque alpha", bmp(&opaque, rgba), &image),
        ("TIFF", tiff(&image, rgb), &image),
        ("TIFF, opaque alpha", tiff(&opaque, rgba), &image),
        ("TIFF, gray", tiff(&gray, luma), &levels),
        ("GIF", gif(&[opaque.clone(), with_alpha(&waves(13, 22, 3), |_, _| 255)]), &image),
    ] {
        assert_eq!(decode(&bytes).unwrap(), expected, "{name}");
        let photo = decode_photo(&bytes, Path::new("some/photo")).unwrap();
        assert_eq!(photo, Photo { pixels: expected.clone(), size: [13, 22] }, "{name}");
    }
    let sixteen: Vec<u8> = image.iter().flat_map(|&level| (u16::from(level) * 257).to_ne_bytes()).collect();
    let mut bytes = Vec::new();
    TiffEncoder::new(std::io::Cursor::new(&mut bytes)).write_image(&sixteen, 22, 13, ExtendedColorType::Rgb16).unwrap();
    assert_eq!(decode(&bytes).unwrap(), image, "TIFF, 16 bits");
}

#[test]
fn lossy_webp_decodes() {
    let image = waves(37, 45, 3);
    assert_close(&decode(LOSSY_WEBP).unwrap(), &image, "lossy");
    let mut cut_out = image.clone();
    cut_out.slice_mut(s![.., 30.., ..]).fill(255);
    let transparent = decode(LOSSY_WEBP_WITH_ALPHA).unwrap();
    assert_close(&transparent, &cut_out, "lossy, transparent");
    assert_close(&decode(ANIMATED_WEBP).unwrap(), &transparent, "the first frame");
}

#[test]
fn transparent_images_lie_over_white() {
    let image = tiles(9, 12);
    let alpha = |row: usize, column: usize| [0, 255, 51][(row + column) % 3];
    let transparent = with_alpha(&image, alpha);
    let expected = Array3::from_shape_fn((9, 12, 3), |(row, column, channel)| {
        let level = f64::from(image[[row, column, channel]]);
        (255.0 + (level - 255.0) * f64::from(alpha(row, column)) / 255.0).round() as u8
    });
    let rgba = ExtendedColorType::Rgba8;
    let png = encoded(&transparent, rgba, |bytes, pixels, width, height, color| {
        image::codecs::png::PngEncoder::new(bytes).write_image(pixels, width, height, color)
    });
    let pam =
        [b"P7\nWIDTH 12\nHEIGHT 9\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n", transparent.as_slice().unwrap()];
    for (name, bytes) in [
        ("PNG", png),
        ("PAM", pam.concat()),
        ("WebP", webp(&transparent, rgba)),
        ("TIFF", tiff(&transparent, rgba)),
        ("BMP", bmp(&transparent, rgba)),
    ] {
        assert_eq!(decode(&bytes).unwrap(), expected, "{name}");
    }
    // A GIF is transparent or not.
    let alpha = |_: usize, column: usize| if column < 6 { 0 } else { 255 };
    let mut expected = image.clone();
    expected.slice_mut(s![.., ..6, ..]).fill(255);
    assert_eq!(decode(&gif(&[with_alpha(&image, alpha)])).unwrap(), expected, "GIF");
}

/// An uncompressed TIFF of 8-bit RGB with these entries in addition: tag, type and value.
fn tiff_with(image: &Array3<u8>, extra: &[(u16, u16, u32)]) -> Vec<u8> {
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    let (height, width, _) = image.dim();
    let mut entries: Vec<(u16, u16, u32, u32)> = vec![
        (256, LONG, 1, width as u32),
        (257, LONG, 1, height as u32),
        (258, SHORT, 1, 8),
        (259, SHORT, 1, 1),
        (262, SHORT, 1, 2),
        (273, LONG, 1, 0),
        (277, SHORT, 1, 3),
        (278, LONG, 1, height as u32),
        (279, LONG, 1, image.len() as u32),
    ];
    entries.extend(extra.iter().map(|&(tag, kind, value)| (tag, kind, 1, value)));
    entries.sort_unstable();
    // Three equal numbers of bits, then the pixels, after the directory.
    let bits = 8 + 2 + 12 * entries.len() as u32 + 4;
    let mut bytes = [&b"II*\0\x08\0\0\0"[..], &(entries.len() as u16).to_le_bytes()].concat();
    for (tag, kind, count, value) in entries {
        let (count, value) = match tag {
            258 => (3, bits),
            273 => (count, bits + 6),
            _ => (count, value),
        };
        bytes.extend(tag.to_le_bytes().into_iter().chain(kind.to_le_bytes()));
        bytes.extend(count.to_le_bytes().into_iter().chain(value.to_le_bytes()));
    }
    bytes.extend([0; 4]);
    bytes.extend([8, 0, 8, 0, 8, 0]);
    bytes.extend(image.iter());
    bytes
}

/// EXIF with an orientation (EXIF 2.3, 4.6.4).
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat()
}

/// A WebP file with EXIF: the header of RFC 9649, 2.7, the image, EXIF.
fn webp_with_exif(webp: &[u8], [height, width]: [u32; 2], exif: &[u8]) -> Vec<u8> {
    let [width, height] = [width, height].map(|side| (side - 1).to_le_bytes());
    let header = [&[0x08, 0, 0, 0], &width[..3], &height[..3]].concat();
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let padding = &[0][..content.len() % 2];
        [kind, &(content.len() as u32).to_le_bytes()[..], content, padding].concat()
    };
    let content = [b"WEBP".to_vec(), chunk(b"VP8X", &header), webp[12..].to_vec(), chunk(b"EXIF", exif)].concat();
    chunk(b"RIFF", &content)
}

#[test]
fn the_orientation_of_each_format_is_applied() {
    let image = tiles(40, 70);
    let lossless = webp(&image, ExtendedColorType::Rgb8);
    let jpeg = PLAIN.encode(&waves(40, 70, 3));
    let plain_jpeg = decode(&jpeg).unwrap();
    for orientation in 1..=8 {
        // As in the test of JPEGs: rows and columns are reversed, then exchanged.
        let turned = |image: &Array3<u8>| {
            let rows = if matches!(orientation, 3 | 4 | 6 | 7) { -1 } else { 1 };
            let columns = if matches!(orientation, 2 | 3 | 7 | 8) { -1 } else { 1 };
            let mut view = image.slice(s![..;rows, ..;columns, ..]);
            if orientation >= 5 {
                view.swap_axes(0, 1);
            }
            view.as_standard_layout().to_owned()
        };
        let exif = exif(orientation);
        for (name, bytes, expected) in [
            ("PNG", with_chunks(&rgb_png(&image), &chunk(b"eXIf", &exif)), turned(&image)),
            ("WebP", webp_with_exif(&lossless, [40, 70], &exif), turned(&image)),
            ("TIFF", tiff_with(&image, &[(0x112, 3, orientation.into())]), turned(&image)),
            ("JPEG", with_segment(&jpeg, 0xe1, &[b"Exif\0\0", &exif[..]].concat()), turned(&plain_jpeg)),
        ] {
            assert!(decode(&bytes).unwrap() == expected, "{name}, orientation {orientation}");
        }
    }
}

#[test]
fn formats_that_are_not_read_are_named() {
    let image = tiles(8, 12);
    let plain = tiff_with(&image, &[(254, 4, 0)]);
    assert_eq!(decode(&plain).unwrap(), image);
    let cr2 = [b"II*\0\x10\0\0\0CR\x02\0", &plain[8..]].concat();
    for (name, bytes, format, word) in [
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(), ImageFormat::Heic, "HEIC"),
        ("AVIF", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif".to_vec(), ImageFormat::Avif, "AVIF"),
        ("JPEG XL", b"\xff\x0a\x10".to_vec(), ImageFormat::JpegXl, "JPEG XL"),
        ("CR3", b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom".to_vec(), ImageFormat::CameraRaw, "camera raw"),
        ("CR2", cr2, ImageFormat::CameraRaw, "camera raw"),
        ("a reduced image first", tiff_with(&image, &[(254, 4, 1)]), ImageFormat::CameraRaw, "camera raw"),
        ("DNG", tiff_with(&image, &[(254, 4, 0), (50_706, 1, 0x401)]), ImageFormat::CameraRaw, "camera raw"),
    ] {
        let error = decode(&bytes).unwrap_err();
        assert!(error.to_string().contains(word), "{name}: {error}");
        assert!(error.to_string().contains("some/face.jpg"), "{name}: {error}");
        assert!(matches!(error, Error::UnsupportedFormat { format: found, .. } if found == format), "{name}: {error}");
    }
}

/// A file of each format.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let image = tiles(13, 22);
    let opaque = with_alpha(&image, |_, _| 255);
    let (rgb, rgba) = (ExtendedColorType::Rgb8, ExtendedColorType::Rgba8);
    vec![
        ("WebP", webp(&image, rgb)),
        ("WebP, EXIF", webp_with_exif(&webp(&image, rgb), [13, 22], &exif(6))),
        ("WebP, lossy", LOSSY_WEBP.to_vec()),
        ("WebP, lossy, transparent", LOSSY_WEBP_WITH_ALPHA.to_vec()),
        ("WebP, animated", ANIMATED_WEBP.to_vec()),
        ("BMP", bmp(&image, rgb)),
        ("BMP, alpha", bmp(&opaque, rgba)),
        ("TIFF", tiff_with(&image, &[])),
        ("TIFF by an encoder", tiff(&image, rgb)),
        ("GIF", gif(&[opaque.clone(), opaque])),
    ]
}

#[test]
fn truncated_files_are_errors_or_have_all_pixels() {
    for (name, whole) in files() {
        let expected = decode(&whole).unwrap();
        for cut in 2..whole.len() {
            match decode(&whole[..cut]) {
                Ok(decoded) => assert!(decoded == expected, "{name} cut at {cut} of {}", whole.len()),
                // The signature of WebP is longer than the others.
                Err(Error::UnknownFormat { .. }) if cut < 18 => {}
                Err(error) => {
                    assert!(
                        matches!(error, Error::Truncated { .. }),
                        "{name} cut at {cut} of {}: {error}",
                        whole.len()
                    );
                }
            }
        }
        assert!(decode(&whole[..whole.len() / 2]).is_err(), "{name}");
    }
}

#[test]
fn declared_sizes_are_checked_before_anything_is_allocated() {
    let image = tiles(13, 22);
    let changed = |bytes: &[u8], changes: &[(usize, &[u8])]| {
        let mut bytes = bytes.to_vec();
        changes.iter().for_each(|(at, value)| bytes[*at..at + value.len()].copy_from_slice(value));
        bytes
    };
    let rgb = ExtendedColorType::Rgb8;
    let gif = gif(&[with_alpha(&image, |_, _| 255)]);
    let tiff = tiff_with(&image, &[]);
    let bmp = bmp(&image, rgb);
    let webp = webp_with_exif(&webp(&image, rgb), [13, 22], &exif(1));
    for (name, bytes) in
        [("GIF", changed(&gif, &[(6, &[0xff; 4])])), ("BMP", changed(&bmp, &[(18, &[0, 0x80, 0, 0, 0, 0x80, 0, 0])]))]
    {
        let error = decode(&bytes).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{name}: {error}");
    }
    let animated = ANIMATED_WEBP.windows(4).position(|kind| kind == b"ANMF").unwrap();
    let lossy = ANIMATED_WEBP.windows(4).position(|kind| kind == b"VP8 ").unwrap();
    let value =
        |tag: u16| 10 + 12 * [256, 257, 258, 259, 262, 273, 277, 278, 279].iter().position(|t| *t == tag).unwrap();
    for (name, bytes) in [
        // Sizes that do not match those of the strip, or of the image within.
        ("TIFF", changed(&tiff, &[(18, &[0, 0x80, 0, 0]), (30, &[0, 0x80, 0, 0])])),
        ("WebP", changed(&webp, &[(24, &[0xff, 0x7f, 0, 0xff, 0x7f, 0])])),
        // The frame of a GIF is larger than its canvas, which is small.
        ("GIF frame", {
            let frame = gif.iter().rposition(|&byte| byte == 0x2c).unwrap();
            changed(&gif, &[(frame + 5, &[0xff; 4])])
        }),
        ("WebP within a WebP", changed(ANIMATED_WEBP, &[(lossy + 14, &[0xff, 0x3f, 0xff, 0x3f])])),
        ("WebP frame", changed(ANIMATED_WEBP, &[(animated + 14, &[0xff, 0x7f, 0, 0xff, 0x7f, 0])])),
        ("TIFF, JPEG within", changed(&tiff, &[(value(259) + 8, &[7, 0])])),
        ("TIFF, strips", changed(&tiff, &[(value(273) + 4, &[0xff; 4])])),
        ("TIFF, wide tiles", tiff_with(&image, &[(322, 4, u32::MAX), (323, 4, 16)])),
        ("TIFF, a directory beyond the end", changed(&tiff, &[(4, &[0xff; 4])])),
        ("TIFF, a directory in the header", changed(&tiff, &[(4, &[0; 4])])),
    ] {
        let error = decode(&bytes).expect_err(name);
        assert!(matches!(error, Error::Decode { .. } | Error::Truncated { .. }), "{name}: {error}");
    }
}

#[test]
fn a_tiff_of_many_strips_is_read() {
    // A strip for each row.
    let image = tiles(5000, 2);
    let mut bytes = tiff_with(&image, &[]);
    let strips = bytes.len() as u32;
    bytes.extend((0..5000_u32).flat_map(|row| (8 + 2 + 12 * 9 + 4 + 6 + row * 6).to_le_bytes()));
    bytes.extend((0..5000).flat_map(|_| 6_u32.to_le_bytes()));
    for (entry, offset) in [(5, strips), (8, strips + 4 * 5000)] {
        bytes[10 + 12 * entry + 4..][..4].copy_from_slice(&5000_u32.to_le_bytes());
        bytes[10 + 12 * entry + 8..][..4].copy_from_slice(&offset.to_le_bytes());
    }
    bytes[10 + 12 * 7 + 8..][..4].copy_from_slice(&1_u32.to_le_bytes());
    assert_eq!(decode(&bytes).unwrap(), image);
    // The next directory is the same one.
    bytes[10 + 12 * 9..][..4].copy_from_slice(&8_u32.to_le_bytes());
    assert!(matches!(decode(&bytes), Err(Error::Decode { .. })));
}

#[test]
fn damaged_files_are_errors_or_images() {
    let mut generator = ChaCha8Rng::seed_from_u64(7);
    for (name, whole) in files() {
        decode(&whole).unwrap_or_else(|error| panic!("{name}: {error}"));
        for case in 0..200 {
            let mut bytes = whole.clone();
            let end = if case % 2 == 0 { bytes.len() } else { bytes.len().min(100) };
            for _ in 0..generator.gen_range(1..5) {
                let at = generator.gen_range(0..end);
                bytes[at] = if case % 3 == 0 { 0xff } else { generator.r#gen() };
            }
            let _ = decode(&bytes);
        }
    }
}

#[test]
fn photos_are_decoded_within_the_memory_limit() {
    let path = Path::new("some/photo.jpg");
    let bytes = Jpeg { progressive: true, ..PLAIN }.encode(&waves(40, 24, 3));
    let photo = decode_photo(&bytes, path).unwrap();
    assert_eq!(BoundedDecoder::new(1 << 20).decode_photo(&bytes, path, Photo::clone).unwrap(), photo);
    let error = BoundedDecoder::new(40 * 24 * 3).decode_photo(&bytes, path, |_| ()).unwrap_err();
    assert!(matches!(error, Error::ImageOverMemory { available: 2880, .. }), "{error}");
    // 90 million pixels of 16-bit RGBA take 722 MB as stored, and the conversion more.
    let header = [&9500_u32.to_be_bytes()[..], &9500_u32.to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    let png = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", b""), chunk(b"IEND", b"")];
    let error = decode_photo(&png.concat(), path).unwrap_err();
    assert!(matches!(error, Error::ImageOverMemory { available: MAX_PHOTO_BYTES, .. }), "{error}");
}
