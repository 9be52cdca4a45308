//! JPEGs that lack their end marker or their tables, and those that lack more.

use std::path::Path;

use facenet_data::{Error, decode_photo};
use jpeg_encoder::{ColorType, SamplingFactor};
use ndarray::{Array3, s};

use crate::formats::{Jpeg, PLAIN, decode, waves, with_segment};

/// JPEGs of each kind, with the standard Huffman tables unless they are progressive.
fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let (height, width) = (41, 53);
    let image = waves(height, width, 3);
    let mut with_restarts = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut with_restarts, 90);
    encoder.set_restart_interval(3);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder.encode(image.as_slice().unwrap(), width as u16, height as u16, ColorType::Rgb).unwrap();
    let half = SamplingFactor::R_4_2_0;
    vec![
        ("baseline", PLAIN.encode(&image)),
        ("4:2:0", Jpeg { sampling: half, ..PLAIN }.encode(&image)),
        ("progressive", Jpeg { progressive: true, ..PLAIN }.encode(&image)),
        ("progressive 4:2:0", Jpeg { progressive: true, sampling: half, ..PLAIN }.encode(&image)),
        ("gray", Jpeg { color: ColorType::Luma, ..PLAIN }.encode(&waves(height, width, 1))),
        (
            "progressive gray",
            Jpeg { color: ColorType::Luma, progressive: true, ..PLAIN }.encode(&waves(height, width, 1)),
        ),
        ("CMYK", Jpeg { color: ColorType::Cmyk, ..PLAIN }.encode(&waves(height, width, 4))),
        ("restart markers", with_restarts),
        ("successive approximation with restart markers", include_bytes!("../data/progressive_restarts.jpg").to_vec()),
        ("successive approximation", include_bytes!("../data/progressive.jpg").to_vec()),
    ]
}

#[test]
fn a_jpeg_is_read_exactly_if_all_blocks_are_there() {
    for (name, whole) in kinds() {
        let expected = decode(&whole).unwrap();
        assert_eq!(&whole[whole.len() - 2..], [0xff, 0xd9]);
        for cut in whole.len().saturating_sub(1024).max(2)..whole.len() {
            match decode(&whole[..cut]) {
                // The last byte before the end marker contains bits of the last block.
                Ok(decoded) if cut >= whole.len() - 2 => assert!(decoded == expected, "{name} cut at {cut}"),
                Err(Error::Truncated { .. }) if cut < whole.len() - 2 => {}
                other => panic!("{name} cut at {cut} of {}: {:?}", whole.len(), other.map(|image| image.dim())),
            }
        }
    }
}

#[test]
fn what_follows_the_last_block_is_ignored() {
    for (name, whole) in kinds() {
        let expected = decode(&whole).unwrap();
        let (blocks, end) = whole.split_at(whole.len() - 2);
        for (what, tail) in [
            ("garbage after the end", [end, b"\x07garbage\xff\xff\0\xff\xc4"].concat()),
            ("a second image", [end, &whole].concat()),
            ("garbage", b"garbage \xff\x00 more".to_vec()),
            ("zeros", vec![0; 4096]),
            ("fill bytes", [&[0xff; 9][..], &end[1..]].concat()),
            ("a lone FF", vec![0xff]),
            ("a second image in place of the end", whole.clone()),
        ] {
            let decoded = decode(&[blocks, &tail].concat()).unwrap_or_else(|error| panic!("{name}, {what}: {error}"));
            assert!(decoded == expected, "{name}, {what}");
        }
    }
}

#[test]
fn missing_rows_are_never_filled() {
    for (name, whole) in kinds() {
        let half = &whole[..whole.len() - 40];
        for (what, tail) in [
            ("nothing", Vec::new()),
            ("zeros", vec![0; 4096]),
            ("erased memory", vec![0xff; 4096]),
            ("another image", whole.clone()),
        ] {
            match decode(&[half, &tail].concat()) {
                Err(Error::Truncated { .. }) => {}
                // A segment that is cut off extends into the other image.
                Err(Error::Decode { .. }) if what == "another image" => {}
                other => panic!("{name}, {what}: {:?}", other.map(|image| image.dim())),
            }
        }
    }
    // The end marker of a thumbnail is not that of the image.
    let image = PLAIN.encode(&waves(41, 53, 3));
    let thumbnail = [b"Exif\0\0", &PLAIN.encode(&waves(8, 8, 3))[..]].concat();
    let with_thumbnail = with_segment(&image, 0xe1, &thumbnail);
    assert_eq!(decode(&with_thumbnail).unwrap(), decode(&image).unwrap());
    assert!(matches!(decode(&with_thumbnail[..with_thumbnail.len() - 40]), Err(Error::Truncated { .. })));
}

#[test]
fn the_first_image_of_a_multi_picture_file_is_read() {
    let (first, second) = (waves(24, 16, 3), waves(8, 16, 3));
    let [first, second] = [&first, &second].map(|image| PLAIN.encode(image));
    // The index of CIPA DC-007 is an application segment.
    let marked = with_segment(&first, 0xe2, b"MPF\0MM\0*\0\0\0\x08\0\0");
    assert_eq!(decode(&[&marked[..], &second].concat()).unwrap(), decode(&first).unwrap());
}

/// The file without its Huffman tables, as frames of Motion JPEG are stored.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    while let Some(at) = bytes.windows(2).position(|marker| marker == [0xff, 0xc4]) {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        bytes.drain(at..at + 2 + length);
    }
    bytes
}

#[test]
fn the_standard_huffman_tables_are_supplied() {
    for (name, whole) in kinds() {
        let bare = without_tables(&whole);
        if name.starts_with("progressive") || name.starts_with("successive") {
            // There are no standard tables for these.
            assert!(matches!(decode(&bare), Err(Error::Decode { .. })), "{name}");
            continue;
        }
        let expected = decode(&whole).unwrap();
        assert!(bare.len() < whole.len());
        assert!(decode(&bare).unwrap() == expected, "{name}");
        assert!(decode(&bare[..bare.len() - 2]).unwrap() == expected, "{name} without end marker");
        assert!(matches!(decode(&bare[..bare.len() - 3]), Err(Error::Truncated { .. })), "{name} cut off");
    }
}

/// Gray squares of 8 pixels, all of the same level: 6 bits each in the standard tables.
fn flat_jpeg(width: u16, height: u16) -> Vec<u8> {
    let small = Jpeg { color: ColorType::Luma, ..PLAIN }.encode(&Array3::from_elem((8, 8, 1), 128));
    let frame = small.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    let scan = small.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
    let mut bytes = small[..scan + 10].to_vec();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8);
    // A difference of 0 (00), then the end of the block (1010), four times.
    bytes.extend([0b0010_1000, 0b1010_0010, 0b1000_1010].repeat(blocks.div_ceil(4)));
    bytes.extend([0xff, 0xd9]);
    bytes
}

#[test]
fn large_jpegs_are_decoded_at_a_reduced_scale() {
    let path = Path::new("some/photo.jpg");
    let bytes = flat_jpeg(12_000, 9_000);
    let photo = decode_photo(&bytes, path).unwrap();
    assert_eq!((photo.size, photo.pixels.dim()), ([9_000, 12_000], (4_500, 6_000, 3)));
    assert!(photo.pixels.slice(s![..;97, ..;97, ..]).iter().all(|&level| level == 128));
    assert!(matches!(decode(&bytes), Err(Error::TooLarge { .. })));

    let turned = with_segment(
        &flat_jpeg(20_000, 12_500),
        0xe1,
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0",
    );
    let photo = decode_photo(&turned, path).unwrap();
    assert_eq!((photo.size, photo.pixels.dim()), ([20_000, 12_500], (5_000, 3_125, 3)));
    assert!(matches!(decode_photo(&flat_jpeg(50_001, 5_000), path), Err(Error::TooLarge { .. })));
}

#[test]
fn large_jpegs_may_lack_their_end_marker_but_no_rows() {
    let path = Path::new("some/photo.jpg");
    let bytes = flat_jpeg(30_000, 1_500);
    let photo = decode_photo(&bytes, path).unwrap();
    assert_eq!((photo.size, photo.pixels.dim()), ([1_500, 30_000], (750, 15_000, 3)));
    assert_eq!(decode_photo(&bytes[..bytes.len() - 2], path).unwrap(), photo);
    assert!(matches!(decode_photo(&bytes[..bytes.len() - 10], path), Err(Error::Truncated { .. })));
}

#[test]
fn panoramas_are_read() {
    let panorama = decode(&flat_jpeg(60_000, 100)).unwrap();
    assert_eq!(panorama.dim(), (100, 60_000, 3));
}
