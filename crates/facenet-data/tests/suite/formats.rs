//! Formats that cameras and programs write: decoded to the right colors or refused; and malicious
//! files.

use std::path::Path;
use std::time::{Duration, Instant};

use facenet_data::{Error, decode_image};
use jpeg_encoder::{ColorType, SamplingFactor};
use ndarray::{Array3, s};
use ndarray_rand::rand::{Rng, SeedableRng};
use png::BitDepth;
use rand_chacha::ChaCha8Rng;

pub(crate) fn decode(bytes: &[u8]) -> Result<Array3<u8>, Error> {
    decode_image(bytes, Path::new("some/face.jpg"))
}

/// Low-frequency waves, different in each channel, with levels from 30 to 220.
pub(crate) fn waves(height: usize, width: usize, channels: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, channels), |(row, column, channel)| {
        let angle = 0.11 * row as f64 * (1 + channel) as f64 + 0.07 * column as f64 + channel as f64;
        (125.0 + 95.0 * angle.sin()) as u8
    })
}

pub(crate) struct Jpeg {
    pub(crate) progressive: bool,
    pub(crate) sampling: SamplingFactor,
    pub(crate) color: ColorType,
}

pub(crate) const PLAIN: Jpeg = Jpeg { progressive: false, sampling: SamplingFactor::R_4_4_4, color: ColorType::Rgb };

impl Jpeg {
    pub(crate) fn encode(self, image: &Array3<u8>) -> Vec<u8> {
        let (height, width, _) = image.dim();
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
        encoder.set_progressive(self.progressive);
        encoder.set_sampling_factor(self.sampling);
        encoder.encode(image.as_slice().unwrap(), width as u16, height as u16, self.color).unwrap();
        bytes
    }
}

#[track_caller]
pub(crate) fn assert_close(decoded: &Array3<u8>, expected: &Array3<u8>, name: &str) {
    assert_eq!(decoded.dim(), expected.dim(), "{name}");
    let sum: u64 = decoded.iter().zip(expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = sum as f64 / expected.len() as f64;
    assert!(mean < 6.0, "{name}: {mean} levels off on average");
}

/// Removes the application segment of this number from a JPEG.
fn without_application(jpeg: &[u8], number: u8) -> Vec<u8> {
    let marker = [0xff, 0xe0 + number];
    let at = jpeg.windows(2).position(|two| two == marker).unwrap();
    let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
    [&jpeg[..at], &jpeg[at + 2 + length..]].concat()
}

/// Inserts a segment after a JPEG's start-of-image marker.
pub(crate) fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}

#[test]
fn cmyk_becomes_rgb() {
    for [height, width] in [[40, 24], [17, 9], [8, 31]] {
        let cmyk = waves(height, width, 4);
        let expected = Array3::from_shape_fn((height, width, 3), |(row, column, channel)| {
            let complement = |channel| 255 - u32::from(cmyk[[row, column, channel]]);
            (complement(channel) * complement(3) / 255) as u8
        });
        for color in [ColorType::Cmyk, ColorType::CmykAsYcck] {
            for (progressive, sampling) in [
                (false, SamplingFactor::R_4_4_4),
                (true, SamplingFactor::R_4_4_4),
                (false, SamplingFactor::R_4_2_2),
                (true, SamplingFactor::R_4_2_2),
            ] {
                let name = format!("{color:?} of {height} x {width}, progressive: {progressive}, {sampling:?}");
                let bytes = Jpeg { progressive, color, sampling }.encode(&cmyk);
                assert_close(&decode(&bytes).unwrap(), &expected, &name);
                let unmarked = without_application(&bytes, 14);
                assert!(matches!(decode(&unmarked), Err(Error::UnknownColorSpace { .. })), "{name}");
            }
        }
    }
}

#[test]
fn jpeg_variants_decode() {
    for [height, width] in [[40, 24], [17, 9], [33, 70]] {
        let image = waves(height, width, 3);
        for progressive in [false, true] {
            for sampling in [SamplingFactor::R_4_4_4, SamplingFactor::R_4_2_2, SamplingFactor::R_4_2_0] {
                // Colours of half the resolution: of an image whose colors are all the same.
                let gray = waves(height, width, 1);
                let tinted = Array3::from_shape_fn((height, width, 3), |(row, column, channel)| {
                    gray[[row, column, 0]].saturating_add([0, 20, 30][channel])
                });
                let name = format!("{height} x {width}, progressive: {progressive}, {sampling:?}");
                let bytes = Jpeg { progressive, sampling, ..PLAIN }.encode(&tinted);
                assert_close(&decode(&bytes).unwrap(), &tinted, &name);

                let bytes = Jpeg { progressive, sampling, color: ColorType::Luma }.encode(&gray);
                let levels = gray.broadcast((height, width, 3)).unwrap().to_owned();
                assert_close(&decode(&bytes).unwrap(), &levels, &format!("gray, {name}"));
            }
            let bytes = Jpeg { progressive, ..PLAIN }.encode(&image);
            assert_close(&decode(&bytes).unwrap(), &image, "colors");
        }
    }
}

#[test]
fn unsupported_jpeg_variants_are_errors() {
    let plain = PLAIN.encode(&waves(24, 16, 3));
    let frame = plain.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    let changed = |at: usize, value: &[u8]| {
        let mut bytes = plain.clone();
        bytes[frame + at..frame + at + value.len()].copy_from_slice(value);
        bytes
    };
    for (name, bytes) in [
        ("lossless", changed(1, &[0xc3])),
        ("hierarchical", changed(1, &[0xc5])),
        ("arithmetic coding", changed(1, &[0xc9])),
        ("12 bits", changed(4, &[12])),
        // The height would follow in a DNL segment after the first scan.
        ("no height", changed(5, &[0, 0])),
        ("no width", changed(7, &[0, 0])),
    ] {
        let error = decode(&bytes).expect_err(name);
        assert!(error.to_string().contains("some/face.jpg"), "{name}: {error}");
        assert!(matches!(error, Error::Decode { .. } | Error::EmptyImage { .. }), "{name}: {error}");
    }
}

#[test]
fn component_identifiers_determine_the_color_space() {
    let ordinary = PLAIN.encode(&waves(24, 16, 3));
    let frame = |bytes: &[u8]| bytes.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    let mut bytes = without_application(&ordinary, 0);
    assert_eq!(decode(&bytes).unwrap(), decode(&ordinary).unwrap(), "YCbCr is the default");
    let (at, scan) = (frame(&bytes), bytes.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap());
    for (component, name) in b"RGB".iter().enumerate() {
        bytes[at + 10 + 3 * component] = *name;
        bytes[scan + 5 + 2 * component] = *name;
    }
    // The YCbCr samples are now read as RGB.
    let mut relabelled = waves(24, 16, 3);
    for mut pixel in relabelled.lanes_mut(ndarray::Axis(2)) {
        let (y, cb, cr) = jpeg_encoder::rgb_to_ycbcr(pixel[0], pixel[1], pixel[2]);
        pixel.assign(&ndarray::arr1(&[y, cb, cr]));
    }
    assert_close(&decode(&bytes).unwrap(), &relabelled, "plain RGB");
    let mut two = ordinary.clone();
    two[frame(&ordinary) + 9] = 2;
    assert!(matches!(decode(&two), Err(Error::UnknownColorSpace { .. })));
}

#[test]
fn too_many_scans_are_an_error() {
    let bytes = Jpeg { progressive: true, ..PLAIN }.encode(&waves(24, 16, 3));
    decode(&bytes).unwrap();
    let scan = bytes.windows(2).rposition(|marker| marker == [0xff, 0xda]).unwrap();
    let (before, last) = bytes[..bytes.len() - 2].split_at(scan);
    let bomb = [before, &last.repeat(10_000), &[0xff, 0xd9]].concat();
    assert!(matches!(decode(&bomb), Err(Error::TooManyScans { scans: 10_000.., limit: 100, .. })));
}

pub(crate) fn png(
    width: usize,
    height: usize,
    samples: &[u8],
    setup: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    setup(&mut encoder);
    encoder.write_header().unwrap().write_image_data(samples).unwrap();
    bytes
}

#[test]
fn sixteen_bit_samples_keep_their_upper_byte() {
    let image = waves(7, 5, 3);
    let (height, width, _) = image.dim();
    // Big-endian samples; both bytes are equal.
    let wide =
        |samples: &mut dyn Iterator<Item = u8>| -> Vec<u8> { samples.flat_map(|level| [level, level]).collect() };
    let rgb = wide(&mut image.iter().copied());
    let with_alpha =
        image.lanes(ndarray::Axis(2)).into_iter().flat_map(|p| [p[0], p[1], p[2], 255]).collect::<Vec<_>>();
    let rgba = wide(&mut with_alpha.into_iter());
    for (color, samples) in [(png::ColorType::Rgb, &rgb), (png::ColorType::Rgba, &rgba)] {
        let bytes = png(width, height, samples, |png| {
            png.set_color(color);
            png.set_depth(BitDepth::Sixteen);
        });
        assert_eq!(decode(&bytes).unwrap(), image, "{color:?}");
    }
    assert_eq!(decode(&[b"P6 5 7 65535 ".to_vec(), rgb].concat()).unwrap(), image);

    let gray = waves(7, 5, 1);
    let expected = gray.broadcast((7, 5, 3)).unwrap();
    let levels = wide(&mut gray.iter().copied());
    let with_alpha = wide(&mut gray.iter().flat_map(|&level| [level, 255]));
    for (color, samples) in [(png::ColorType::Grayscale, &levels), (png::ColorType::GrayscaleAlpha, &with_alpha)] {
        let bytes = png(width, height, samples, |png| {
            png.set_color(color);
            png.set_depth(BitDepth::Sixteen);
        });
        assert_eq!(decode(&bytes).unwrap(), expected, "{color:?}");
    }
    assert_eq!(decode(&[b"P5 5 7 65535 ".to_vec(), levels].concat()).unwrap(), expected);
}

#[test]
fn palettes_and_low_bit_depths_decode() {
    let palette = [[10, 20, 30], [200, 100, 50], [0, 0, 255], [7, 7, 7]];
    let expected = |indices: [usize; 4]| Array3::from_shape_fn((1, 4, 3), |(_, column, c)| palette[indices[column]][c]);
    for transparent in [false, true] {
        let bytes = png(4, 1, &[0b00_01_10_11], |png| {
            png.set_color(png::ColorType::Indexed);
            png.set_depth(BitDepth::Two);
            png.set_palette(palette.concat());
            if transparent {
                png.set_trns(&[0, 255, 102][..]);
            }
        });
        let mut expected = expected([0, 1, 2, 3]);
        if transparent {
            expected.slice_mut(s![0, 0, ..]).fill(255);
            // Two fifths of blue over white.
            expected.slice_mut(s![0, 2, ..]).assign(&ndarray::arr1(&[153, 153, 255]));
        }
        assert_eq!(decode(&bytes).unwrap(), expected, "transparent: {transparent}");
    }
    for (depth, samples, levels) in [
        (BitDepth::One, &[0b0110_0000][..], [0, 255, 255, 0]),
        (BitDepth::Two, &[0b00_01_10_11], [0, 85, 170, 255]),
        (BitDepth::Four, &[0x0f, 0x5a], [0, 255, 85, 170]),
    ] {
        let bytes = png(4, 1, samples, |png| {
            png.set_color(png::ColorType::Grayscale);
            png.set_depth(depth);
        });
        let expected = Array3::from_shape_fn((1, 4, 3), |(_, column, _)| levels[column]);
        assert_eq!(decode(&bytes).unwrap(), expected, "{depth:?}");
    }
}

/// The checksum of PNG chunks (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

pub(crate) fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [&kind[..], content].concat();
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[..], &named, &crc32(&named).to_be_bytes()].concat()
}

/// A zlib stream (RFC 1950) of one stored block.
fn stored(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let (low, high) = content.iter().fold((1_u32, 0_u32), |(low, high), &byte| {
        let low = (low + u32::from(byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    let checksum = (high << 16 | low).to_be_bytes();
    [&[0x78, 0x01, 0x01], &length.to_le_bytes()[..], &(!length).to_le_bytes(), content, &checksum].concat()
}

/// Inserts chunks after a PNG's header.
pub(crate) fn with_chunks(png: &[u8], chunks: &[u8]) -> Vec<u8> {
    // The signature, then the header with its length, type and checksum.
    let (header, rest) = png.split_at(8 + 25);
    [header, chunks, rest].concat()
}

pub(crate) fn rgb_png(image: &Array3<u8>) -> Vec<u8> {
    let (height, width, _) = image.dim();
    png(width, height, image.as_slice().unwrap(), |png| png.set_color(png::ColorType::Rgb))
}

#[test]
fn interlaced_png_decodes() {
    let image = waves(11, 13, 3);
    let (height, width, _) = image.dim();
    // Adam7 (PNG specification, 8.2): left, top, and the steps between columns and rows.
    let passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    let mut filtered = Vec::new();
    for (left, top, columns, rows) in passes {
        for row in (top..height).step_by(rows) {
            filtered.push(0);
            (left..width).step_by(columns).for_each(|column| filtered.extend(image.slice(s![row, column, ..])));
        }
    }
    let header = [&(width as u32).to_be_bytes()[..], &(height as u32).to_be_bytes(), &[8, 2, 0, 0, 1]].concat();
    let bytes = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &stored(&filtered)),
        chunk(b"IEND", b""),
    ];
    assert_eq!(decode(&bytes.concat()).unwrap(), image);
}

/// An animated PNG of three images, the first of which may be outside the animation.
fn animation(frames: [&Array3<u8>; 3], separate_default: bool) -> Vec<u8> {
    let (height, width, _) = frames[0].dim();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(if separate_default { 2 } else { 3 }, 0).unwrap();
    encoder.set_sep_def_img(separate_default).unwrap();
    let mut writer = encoder.write_header().unwrap();
    frames.iter().for_each(|frame| writer.write_image_data(frame.as_slice().unwrap()).unwrap());
    writer.finish().unwrap();
    bytes
}

#[test]
fn the_default_image_of_an_animated_png_is_decoded() {
    let [first, second, third] = [3, 90, 200].map(|level| waves(9, 12, 3).mapv(|value| value.wrapping_add(level)));
    for separate_default in [false, true] {
        let bytes = animation([&first, &second, &third], separate_default);
        assert!(bytes.windows(4).any(|kind| kind == b"acTL"));
        assert_eq!(decode(&bytes).unwrap(), first, "separate default image: {separate_default}");
    }
}

/// A TIFF header and one directory: its offset, declared number of entries, and entries of tag,
/// type, count and value.
fn tiff(offset: u32, declared: u16, entries: &[(u16, u16, u32, u16)]) -> Vec<u8> {
    let mut tiff = [&b"MM\0*"[..], &offset.to_be_bytes(), &declared.to_be_bytes()].concat();
    for (tag, kind, count, value) in entries {
        tiff.extend(tag.to_be_bytes().into_iter().chain(kind.to_be_bytes()));
        tiff.extend(count.to_be_bytes().into_iter().chain(value.to_be_bytes()).chain([0, 0]));
    }
    tiff
}

const ORIENTATION: u16 = 0x112;
const SHORT: u16 = 3;

#[test]
fn malicious_exif_is_harmless() {
    let stored = PLAIN.encode(&waves(24, 16, 3));
    let plain = decode(&stored).unwrap();
    let turned = plain.slice(s![..;-1, ..;-1, ..]).to_owned();
    let upside_down = (ORIENTATION, SHORT, 1, 3);
    let start = Instant::now();
    for (name, tiff, expected) in [
        ("upside down", tiff(8, 1, &[upside_down]), &turned),
        ("a directory that contains itself", tiff(0, 1, &[upside_down]), &plain),
        ("a directory after the end", tiff(u32::MAX, 1, &[upside_down]), &plain),
        ("more entries than there are", tiff(8, u16::MAX, &[(1, 2, u32::MAX, 7)]), &plain),
        ("a count of four thousand million", tiff(8, 1, &[(ORIENTATION, SHORT, u32::MAX, 3)]), &plain),
        ("an orientation of 999", tiff(8, 1, &[(ORIENTATION, SHORT, 1, 999)]), &plain),
        ("the first of many orientations", tiff(8, 5000, &[upside_down; 5000]), &turned),
        ("other entries before", tiff(8, 5000, &[&[(1, 2, 3, 4); 4999][..], &[upside_down]].concat()), &turned),
        ("nothing", Vec::new(), &plain),
        ("half a header", b"MM\0".to_vec(), &plain),
    ] {
        let bytes = with_segment(&stored, 0xe1, &[b"Exif\0\0", &tiff[..]].concat());
        assert_eq!(decode(&bytes).unwrap(), expected, "{name}");
        let in_png = with_chunks(&rgb_png(&plain), &chunk(b"eXIf", &tiff));
        assert_eq!(decode(&in_png).unwrap(), expected, "{name}, in a PNG");
    }
    // 30 MB of segments before the image.
    let garbage = [&b"Exif\0\0"[..], &[0xff; 60_000]].concat();
    let segment = &with_segment(&[0xff, 0xd8], 0xe1, &garbage)[2..];
    let many = [&stored[..2], &segment.repeat(500), &stored[2..]].concat();
    assert_eq!(decode(&many).unwrap(), plain, "500 segments");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn decompression_bombs_in_texts_and_profiles_are_bounded() {
    let image = waves(9, 12, 3);
    let (height, width, _) = image.dim();
    let start = Instant::now();
    let bomb = "\0".repeat(200 << 20);
    let one = png(width, height, image.as_slice().unwrap(), |png| {
        png.set_color(png::ColorType::Rgb);
        png.add_ztxt_chunk("Comment".to_owned(), bomb.clone()).unwrap();
    });
    assert!(one.len() < 2 << 20, "{} bytes", one.len());
    let text = one.windows(4).position(|kind| kind == b"zTXt").unwrap();
    let length = u32::from_be_bytes(one[text - 4..text].try_into().unwrap()) as usize;
    let content = &one[text + 4..text + 4 + length];
    // The data after the keyword's terminator and the method.
    let packed = &content[b"Comment\0\0".len()..];
    let plain = rgb_png(&image);
    for (name, chunk) in [
        ("zTXt", chunk(b"zTXt", content)),
        ("twenty zTXt", chunk(b"zTXt", content).repeat(20)),
        ("iTXt", chunk(b"iTXt", &[b"Comment\0\x01\0\0\0", packed].concat())),
        ("iCCP", chunk(b"iCCP", &[b"profile\0\0", packed].concat())),
    ] {
        match decode(&with_chunks(&plain, &chunk)) {
            Ok(decoded) => assert_eq!(decoded, image, "{name}"),
            Err(error) => assert!(matches!(error, Error::Decode { .. }), "{name}: {error}"),
        }
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn decoding_damaged_files_terminates_quickly() {
    let image = waves(24, 20, 3);
    let cmyk = waves(24, 20, 4);
    let samples = image.as_slice().unwrap();
    let files = [
        PLAIN.encode(&image),
        Jpeg { sampling: SamplingFactor::R_4_2_0, ..PLAIN }.encode(&image),
        Jpeg { progressive: true, ..PLAIN }.encode(&image),
        Jpeg { color: ColorType::Cmyk, ..PLAIN }.encode(&cmyk),
        Jpeg { color: ColorType::CmykAsYcck, progressive: true, ..PLAIN }.encode(&cmyk),
        with_segment(
            &PLAIN.encode(&image),
            0xe1,
            &[b"Exif\0\0", &tiff(8, 1, &[(ORIENTATION, SHORT, 1, 6)])[..]].concat(),
        ),
        rgb_png(&image),
        animation([&image; 3], true),
        png(20, 6, &[0b0101_1010; 30], |png| {
            png.set_color(png::ColorType::Indexed);
            png.set_depth(BitDepth::Two);
            png.set_palette(&[1; 12][..]);
        }),
        [b"P6 20 24 255 ", samples].concat(),
        [b"P5 30 24 65535 ", samples].concat(),
        [b"P7\nWIDTH 20\nHEIGHT 24\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n", samples].concat(),
        b"P3 2 2 255 1 2 3 4 5 6 7 8 9 10 11 12\n".to_vec(),
    ];
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    for (kind, whole) in files.iter().enumerate() {
        decode(whole).unwrap_or_else(|error| panic!("{kind}: {error}"));
        for case in 0..150 {
            let mut bytes = whole.clone();
            // Half of the cases damage the headers.
            let end = if case % 2 == 0 { bytes.len() } else { bytes.len().min(120) };
            for _ in 0..generator.gen_range(1..6) {
                let at = generator.gen_range(0..end);
                match generator.gen_range(0..4) {
                    0 => bytes[at] ^= 1 << generator.gen_range(0..8),
                    1 => bytes[at] = [0, 0x7f, 0xff][generator.gen_range(0..3)],
                    2 => bytes[at] = generator.r#gen(),
                    _ => drop(bytes.splice(at..at, whole[..at.min(40)].iter().copied())),
                }
            }
            if case % 5 == 0 {
                bytes.truncate(generator.gen_range(0..bytes.len()));
            }
            let start = Instant::now();
            let _ = decode(&bytes);
            assert!(start.elapsed() < Duration::from_secs(5), "file {kind}, case {case}: {:?}", start.elapsed());
        }
    }
}
