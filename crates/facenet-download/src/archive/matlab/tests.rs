use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;

const DOUBLE: u32 = 6;
const UINT8_CLASS: u32 = 9;

/// Writes files the way MATLAB does.
#[derive(Clone, Copy)]
struct Writer {
    big: bool,
}

const LITTLE: Writer = Writer { big: false };
const BIG: Writer = Writer { big: true };

impl Writer {
    fn word(self, word: u32) -> [u8; 4] {
        if self.big { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|&word| self.word(word)).collect()
    }

    fn element(self, kind: u32, bytes: &[u8]) -> Vec<u8> {
        let mut element = [self.word(kind), self.word(bytes.len() as u32)].concat();
        element.extend(bytes);
        if kind != COMPRESSED {
            element.resize(element.len().next_multiple_of(8), 0);
        }
        element
    }

    /// At most four bytes, stored in the tag itself.
    fn small(self, kind: u32, bytes: &[u8]) -> Vec<u8> {
        let mut element = self.word((bytes.len() as u32) << 16 | kind).to_vec();
        element.extend(bytes);
        element.resize(8, 0);
        element
    }

    fn matrix(self, name: &str, class: u32, sides: &[u32], values: &[u8]) -> Vec<u8> {
        let parts = [
            self.element(6, &self.words(&[class, 0])),
            self.element(5, &self.words(sides)),
            if name.len() <= 4 { self.small(1, name.as_bytes()) } else { self.element(1, name.as_bytes()) },
            values.to_vec(),
        ];
        self.element(MATRIX, &parts.concat())
    }

    fn file(self, elements: &[Vec<u8>]) -> Vec<u8> {
        let mut file = b"MATLAB 5.0 MAT-file, written by a test".to_vec();
        file.resize(124, b' ');
        file.extend(if self.big { *b"\x01\x00MI" } else { *b"\x00\x01IM" });
        file.extend(elements.concat());
        file
    }

    fn compressed(self, element: &[u8]) -> Vec<u8> {
        self.element(COMPRESSED, &zlib(element))
    }

    /// A 2 x 3 matrix with the elements 1 to 6.
    fn six(self) -> Vec<u8> {
        self.matrix("faces", DOUBLE, &[2, 3], &self.element(2, &[1, 2, 3, 4, 5, 6]))
    }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn six() -> Matrix {
    Matrix { rows: 2, columns: 3, values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] }
}

#[track_caller]
fn refused(bytes: &[u8], message: &str) {
    let error = read_matrix(bytes, "faces").unwrap_err().to_string();
    assert!(error.contains(message), "{error:?}, expected {message:?}");
}

#[test]
fn a_matrix_is_found_among_others() {
    for writer in [LITTLE, BIG] {
        let others = [
            writer.matrix("p", DOUBLE, &[1, 1], &writer.small(2, &[7])),
            writer.matrix("text", 4, &[1, 3], &writer.element(16, b"abc")),
            // A cell array is a matrix of matrices.
            writer.matrix("cells", 1, &[1, 1], &writer.matrix("", DOUBLE, &[1, 1], &writer.small(2, &[7]))),
            writer.element(2, &[1, 2, 3]),
        ];
        let plain = [&others[..], &[writer.six()]].concat();
        assert_eq!(read_matrix(&writer.file(&plain), "faces").unwrap(), six());
        let compressed: Vec<Vec<u8>> = plain.iter().map(|element| writer.compressed(element)).collect();
        assert_eq!(read_matrix(&writer.file(&compressed), "faces").unwrap(), six());
        assert_eq!(read_matrix(&writer.file(&plain), "p").unwrap().values, [7.0]);
        refused(&writer.file(&others), "no matrix is named `faces`");
    }
}

#[test]
fn every_data_type_is_read() {
    let bytes = |writer: Writer, little: &[u8]| {
        let mut bytes = little.to_vec();
        if writer.big {
            bytes.reverse();
        }
        bytes
    };
    for writer in [LITTLE, BIG] {
        for (kind, little, value) in [
            (1, (-5_i8).to_le_bytes().to_vec(), -5.0),
            (2, vec![200], 200.0),
            (3, (-500_i16).to_le_bytes().to_vec(), -500.0),
            (4, 60_000_u16.to_le_bytes().to_vec(), 60_000.0),
            (5, (-70_000_i32).to_le_bytes().to_vec(), -70_000.0),
            (6, 4_000_000_000_u32.to_le_bytes().to_vec(), 4e9),
            (7, 0.25_f32.to_le_bytes().to_vec(), 0.25),
            (9, (-0.1_f64).to_le_bytes().to_vec(), -0.1),
            (12, (-(1_i64 << 40)).to_le_bytes().to_vec(), -1_099_511_627_776.0),
            (13, (1_u64 << 63).to_le_bytes().to_vec(), 9_223_372_036_854_775_808.0),
        ] {
            let stored = bytes(writer, &little);
            let matrix = writer.matrix("faces", UINT8_CLASS, &[1, 1], &writer.element(kind, &stored));
            assert_eq!(read_matrix(&writer.file(&[matrix]), "faces").unwrap().values, [value], "type {kind}");
        }
    }
}

#[test]
fn other_files_are_refused() {
    refused(b"", "shorter than its header");
    refused(&[0; 127], "shorter than its header");
    refused(&[b' '; 200], "no byte order");
    let mut file = LITTLE.file(&[LITTLE.six()]);
    file[124] = 2;
    refused(&file, "version 0x0102");
    // Bytes swapped, but not in the header.
    let mut file = BIG.file(&[BIG.six()]);
    file[124..128].copy_from_slice(b"\x00\x01IM");
    refused(&file, "");
    refused(&LITTLE.file(&[]), "no matrix is named `faces`");
}

#[test]
fn truncated_files_are_refused() {
    for writer in [LITTLE, BIG] {
        let plain = writer.file(&[writer.six()]);
        let compressed = writer.file(&[writer.compressed(&writer.six())]);
        for file in [plain, compressed] {
            // The two bytes of padding at the end are not needed.
            for length in 0..file.len() {
                let result = read_matrix(&file[..length], "faces");
                assert!(result.is_err() || (length + 2 >= file.len() && result.unwrap() == six()), "{length}");
            }
        }
    }
}

#[test]
fn absurd_dimensions_are_refused() {
    let values = LITTLE.element(2, &[1, 2, 3, 4, 5, 6]);
    for (sides, message) in [
        (&[2, 2][..], "6 bytes instead of 4 elements"),
        (&[2, 4], "6 bytes instead of 8 elements"),
        (&[0, 3], "6 bytes instead of 0 elements"),
        (&[i32::MAX as u32, i32::MAX as u32], "more than 4194304"),
        (&[4_194_305, 1], "more than 4194304"),
        (&[u32::MAX, 3], "a negative dimension"),
        (&[3, 1 << 31], "a negative dimension"),
        (&[1, 2, 3], "not two dimensions"),
        (&[6], "not two dimensions"),
        (&[], "not two dimensions"),
    ] {
        refused(&LITTLE.file(&[LITTLE.matrix("faces", DOUBLE, sides, &values)]), message);
    }
}

#[test]
fn other_arrays_are_refused() {
    let values = LITTLE.element(2, &[1]);
    for class in [0, 1, 2, 3, 4, 5, 16, 255] {
        let matrix = LITTLE.matrix("faces", class, &[1, 1], &values);
        refused(&LITTLE.file(&[matrix]), &format!("class {class} is not numeric"));
    }
    refused(&LITTLE.file(&[LITTLE.matrix("faces", 0x800 | DOUBLE, &[1, 1], &values)]), "complex");
    for kind in [0, 8, 14, 16, 99] {
        let matrix = LITTLE.matrix("faces", DOUBLE, &[1, 1], &LITTLE.element(kind, &[1; 8]));
        refused(&LITTLE.file(&[matrix]), &format!("type {kind} is not numeric"));
    }
    refused(
        &LITTLE.file(&[LITTLE.matrix("faces", DOUBLE, &[1, 1], &LITTLE.element(9, &[0; 7]))]),
        "7 bytes instead of 1 elements",
    );
    refused(&LITTLE.file(&[LITTLE.matrix("faces", DOUBLE, &[1, 1], &[])]), "truncated");
    refused(&LITTLE.file(&[LITTLE.element(MATRIX, &[])]), "truncated");
    refused(&LITTLE.file(&[LITTLE.word(5 << 16 | 2).repeat(2)]), "a small data element of 5 bytes");
    let mut long = LITTLE.file(&[LITTLE.six()]);
    long[132..136].fill(0xff);
    refused(&long, "truncated");
}

#[test]
fn decompression_is_limited() {
    // 65 MiB of zeros in 300 kB, and smaller ones that are too much together.
    let bomb = LITTLE.element(COMPRESSED, &zlib(&vec![0; 65 << 20]));
    refused(&LITTLE.file(&[bomb]), "when unpacked");
    let smaller = LITTLE.element(COMPRESSED, &zlib(&vec![0; 20 << 20]));
    refused(&LITTLE.file(&[smaller.clone(), smaller.clone(), smaller.clone(), smaller]), "when unpacked");
    refused(&LITTLE.file(&[LITTLE.element(COMPRESSED, b"no zlib")]), "damaged compressed data");
    // A compressed element within a compressed element is skipped.
    let nested = LITTLE.compressed(&LITTLE.compressed(&LITTLE.six()));
    refused(&LITTLE.file(&[nested]), "no matrix is named");
}

proptest! {
    #[test]
    fn altered_files_do_not_panic(
        big in any::<bool>(),
        compressed in any::<bool>(),
        length in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(0xff)]), 1..6),
    ) {
        let writer = Writer { big };
        let mut element = writer.six();
        let alter = |bytes: &mut [u8]| {
            for (at, value) in &changes {
                bytes[at.index(bytes.len())] = *value;
            }
        };
        // Altered before compression, since the checksum would catch it afterwards.
        if compressed {
            alter(&mut element);
            element = writer.compressed(&element);
        } else {
            alter(&mut element);
        }
        let mut file = writer.file(&[writer.matrix("p", DOUBLE, &[1, 1], &writer.small(2, &[7])), element]);
        let _ = read_matrix(&file, "faces");
        file.truncate(128 + length.index(file.len() - 128));
        let _ = read_matrix(&file, "faces");
    }
}
