//! Files of `torch.save`: real ones value by value, and hostile ones.
//!
//! `tests/pytorch_files/write.py` wrote the real ones with PyTorch.

use std::time::{Duration, Instant};

use facenet_network::{Error, ForeignFile, ForeignTensors, UnsupportedFormat};

const ZIP: &[u8] = include_bytes!("../pytorch_files/zip.pt");
const LEGACY: &[u8] = include_bytes!("../pytorch_files/legacy.pt");
const CHECKPOINT: &[u8] = include_bytes!("../pytorch_files/checkpoint.pt");

/// All tensors of a file.
fn read(bytes: &[u8]) -> Result<ForeignTensors, Error> {
    ForeignFile::from_pytorch(bytes)?.tensors(".")
}

fn assert_tensor(file: &ForeignTensors, name: &str, shape: &[usize], values: &[f32]) {
    let tensor = &file.tensors[name];
    assert_eq!((&*tensor.shape, &*tensor.values), (shape, values), "{name}");
}

fn assert_network(file: &ForeignTensors) {
    let weights = [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75];
    assert_tensor(file, "conv.weight", &[2, 3, 1, 2], &weights);
    assert_tensor(file, "bn.weight", &[2], &[1.5, -0.5]);
    assert_tensor(file, "bn.bias", &[2], &[0.125, 2.0]);
    assert_tensor(file, "bn.running_mean", &[2], &[-3.0, 0.75]);
    assert_tensor(file, "bn.running_var", &[2], &[4.0, 0.0625]);
    assert_eq!(file.non_float["bn.num_batches_tracked"], "int64");
}

#[test]
fn both_formats_are_read() {
    for bytes in [ZIP, LEGACY] {
        let file = read(bytes).unwrap();
        assert_network(&file);
        assert_tensor(&file, "half", &[5], &[1.0, -2.5, 2_f32.powi(-24), 65504.0, f32::INFINITY]);
        assert_tensor(&file, "bfloat16", &[3], &[1.0, -2.5, 2_f32.powi(100)]);
        assert_tensor(&file, "double", &[3], &[0.0, 0.25, 0.5]);
        assert_tensor(&file, "transposed", &[3, 2], &[0.0, 0.75, 0.25, 1.0, 0.5, 1.25]);
        assert_tensor(&file, "channels_last", &[1, 2, 2, 2], &[0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]);
        assert_tensor(&file, "shared.middle", &[3], &[0.5, 0.75, 1.0]);
        assert_tensor(&file, "shared.even", &[5], &[0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_tensor(&file, "expanded", &[2, 3], &[0.5, 0.5, 0.5, 3.0, 3.0, 3.0]);
        assert_tensor(&file, "scalar", &[], &[-0.75]);
        assert_tensor(&file, "empty", &[0, 3], &[]);
        assert_eq!(file.non_float["mask"], "bool");
        assert_eq!((file.tensors.len(), file.non_float.len()), (15, 2));
    }
}

#[test]
fn a_state_dictionary_is_found_within_a_checkpoint() {
    let file = ForeignFile::from_pytorch(CHECKPOINT).unwrap();
    let places: Vec<_> = file.places().into_iter().map(|place| (place.path, place.tensors)).collect();
    let optimizer = |state: usize| (format!("optimizer.state[{state}]"), 1);
    assert_eq!(places, [("state_dict".to_owned(), 6), optimizer(0), optimizer(1), optimizer(2)]);
    let file = file.tensors("state_dict").unwrap();
    assert_network(&file);
    assert_eq!((file.tensors.len(), file.non_float.len()), (5, 1));
}

/// In Python 2, ordered dictionaries take their items as a list of pairs and strings are bytes.
/// Before PyTorch 0.4 tensors have no requires_grad.
#[test]
fn files_of_python_2_and_early_versions_are_read() {
    let bytes = |pickle: Opcodes, text: &str| pickle.raw([b'U', u8::try_from(text.len()).unwrap()]).raw(text);
    let pickle = Opcodes::default().raw("ccollections\nOrderedDict\n(](");
    let pickle = bytes(pickle.raw("]("), "weight").raw("ctorch._utils\n_rebuild_tensor\n((");
    let pickle = bytes(pickle, "storage").raw("ctorch\nFloatStorage\n");
    let pickle = bytes(bytes(pickle, "0"), "cpu").raw(b"K\x04NtQK\x01K\x02K\x01\x86K\x01K\x01\x86tRe");
    let file = bytes(pickle.raw("]("), "epoch").raw(b"K\x03eetR").read().unwrap();
    assert_tensor(&file, "weight", &[2, 1], &[2.0, 3.0]);
    assert_eq!(file.tensors.len(), 1);
}

/// A pickle of protocol 2, assembled opcode by opcode.
#[derive(Clone, Default)]
pub(crate) struct Opcodes(Vec<u8>);

impl Opcodes {
    pub(crate) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend(bytes.as_ref());
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.raw("X").raw(u32::try_from(text.len()).unwrap().to_le_bytes()).raw(text)
    }

    pub(crate) fn integer(self, value: i64) -> Self {
        self.raw(b"\x8a\x08").raw(value.to_le_bytes())
    }

    pub(crate) fn integers(self, values: &[i64]) -> Self {
        values.iter().fold(self.raw("("), |pickle, &value| pickle.integer(value)).raw("t")
    }

    /// A storage of 4-byte elements.
    pub(crate) fn storage(self, class: &str, key: &str, length: i64) -> Self {
        self.raw("(").text("storage").raw(format!("c{class}\n")).text(key).text("cpu").integer(length).raw("tQ")
    }

    /// A tensor of storage "0", which has 4 elements.
    pub(crate) fn tensor(self, offset: i64, shape: &[i64], strides: &[i64]) -> Self {
        self.raw("ctorch._utils\n_rebuild_tensor_v2\n(")
            .storage("torch\nFloatStorage", "0", 4)
            .integer(offset)
            .integers(shape)
            .integers(strides)
            .raw(b"\x89}tR")
    }

    /// The whole file in the legacy format, with storage "0" of 4 elements if the pickle refers to
    /// one.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
        bytes.extend(b"\x80\x02M\xe9\x03.");
        bytes.extend(Opcodes::default().raw(b"\x80\x02}(").text("little_endian").raw(b"\x88u.").0);
        bytes.extend(Opcodes::default().raw(b"\x80\x02").raw(&self.0).raw(".").0);
        let keys: &[u8] = if self.0.windows(7).any(|window| window == b"storage") { b"X\x01\0\0\x000" } else { b"" };
        bytes.extend([b"\x80\x02](", keys, b"e."].concat());
        if !keys.is_empty() {
            bytes.extend(4_u64.to_le_bytes());
            bytes.extend([1.0, 2.0, 3.0, 4.0].iter().flat_map(|value: &f32| value.to_le_bytes()));
        }
        bytes
    }

    fn read(&self) -> Result<ForeignTensors, Error> {
        read(&self.file())
    }
}

/// A dictionary with one value.
fn single(name: &str, value: impl Fn(Opcodes) -> Opcodes) -> Opcodes {
    value(Opcodes::default().raw("}").text(name)).raw("s")
}

/// A dictionary with one tensor named `weight`.
fn tensor(offset: i64, shape: &[i64], strides: &[i64]) -> Opcodes {
    single("weight", |pickle| pickle.tensor(offset, shape, strides))
}

fn assert_file_error(result: Result<ForeignTensors, Error>, part: &str) {
    match result {
        Err(Error::ForeignSyntax { reason, .. }) => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?}, not {part}"),
    }
}

fn assert_tensor_error(result: Result<ForeignTensors, Error>, part: &str) {
    match result {
        Err(Error::MalformedTensor { name, reason }) => {
            assert_eq!(name, "weight");
            assert!(reason.contains(part), "{reason}");
        }
        other => panic!("{other:?}, not {part}"),
    }
}

#[test]
fn views_are_gathered_from_their_storage() {
    for (offset, shape, strides, values) in [
        (0, &[2, 2][..], &[2, 1][..], &[1.0, 2.0, 3.0, 4.0][..]),
        (0, &[2, 2], &[1, 2], &[1.0, 3.0, 2.0, 4.0]),
        (1, &[2], &[2], &[2.0, 4.0]),
        (3, &[1], &[i64::MAX], &[4.0]),
        (3, &[], &[], &[4.0]),
        (9, &[0, 5], &[7, 7], &[]),
        (2, &[2, 3], &[1, 0], &[3.0, 3.0, 3.0, 4.0, 4.0, 4.0]),
    ] {
        let shape_read: Vec<usize> = shape.iter().map(|&size| usize::try_from(size).unwrap()).collect();
        assert_tensor(&tensor(offset, shape, strides).read().unwrap(), "weight", &shape_read, values);
    }
}

#[test]
fn complex_tensors_are_refused() {
    let read_class = |class: &str, length: i64| {
        let pickle = Opcodes::default().raw("}").text("weight").raw("ctorch._utils\n_rebuild_tensor_v2\n(");
        let pickle = pickle.storage(&format!("torch\n{class}"), "0", length).integer(0).integers(&[1]).integers(&[1]);
        let pickle = pickle.raw(b"\x89}tRs.").0;
        read(&archive(&[("a/data.pkl", &pickle), ("a/data/0", &[0; 16])], false))
    };
    assert_tensor_error(read_class("ComplexFloatStorage", 2), "complex64 is not supported");
    assert_tensor_error(read_class("ComplexDoubleStorage", 1), "complex128 is not supported");
    assert_eq!(read_class("LongStorage", 2).unwrap().non_float["weight"], "int64");
    // The legacy format needs their size to find the next storage.
    let file = tensor(0, &[1], &[1]).file();
    let at = file.windows(12).position(|window| window == b"FloatStorage").unwrap();
    let file = [&file[..at], b"Complex", &file[at..file.len() - 16], &[0; 32]].concat();
    assert_tensor_error(read(&file), "complex64 is not supported");
}

#[test]
fn a_view_outside_its_storage_is_an_error() {
    for (offset, shape, strides) in [
        (0, &[5][..], &[1][..]),
        (4, &[1], &[1]),
        (4, &[], &[]),
        (1, &[2, 2], &[2, 1]),
        (0, &[2], &[4]),
        (0, &[2], &[i64::MAX]),
    ] {
        assert_tensor_error(tensor(offset, shape, strides).read(), "a storage of 4");
    }
    for (offset, shape, strides) in
        [(-1, &[1][..], &[1][..]), (0, &[-1], &[1]), (3, &[2], &[-1]), (0, &[2, 2], &[1]), (0, &[1; 9], &[1; 9])]
    {
        assert_tensor_error(tensor(offset, shape, strides).read(), "not valid");
    }
    let overflow = i64::MAX;
    assert_tensor_error(tensor(0, &[overflow, 4], &[0, 0]).read(), "overflows");
    assert_tensor_error(tensor(0, &[3, 3], &[overflow, overflow]).read(), "overflows");
}

#[test]
fn a_small_file_does_not_become_large() {
    // One element repeated a billion times.
    assert_tensor_error(tensor(0, &[1 << 30], &[0]).read(), "more elements than the file has bytes");
    // One tensor by many names.
    let shared = |count: usize| {
        let pickle = Opcodes::default().raw("}(").text("first").tensor(0, &[4, 8], &[1, 0]).raw(b"q\x01");
        let pickle = (0..count).fold(pickle, |pickle, index| pickle.text(&index.to_string()).raw(b"h\x01"));
        pickle.raw("u").read()
    };
    assert_eq!(shared(5).unwrap().tensors.len(), 6);
    assert!(matches!(shared(1000), Err(Error::MalformedTensor { .. })));
}

#[test]
fn functions_are_never_called() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("called");
    let _ = std::fs::remove_file(&path);
    for (module, name) in [("posix", "system"), ("os", "system"), ("builtins", "eval")] {
        let expected = format!("{module}.{name}");
        let command = format!("touch {}", path.display());
        let call = |pickle: Opcodes| pickle.raw(format!("c{module}\n{name}\n(")).text(&command).raw("tR");
        let text_call = |pickle: Opcodes| pickle.text(module).text(name).raw(b"\x93").text(&command).raw(b"\x85R");
        let old_call = |pickle: Opcodes| pickle.raw("(").text(&command).raw(format!("i{module}\n{name}\n"));
        for call in [&call as &dyn Fn(Opcodes) -> Opcodes, &text_call, &old_call] {
            assert_no_tensors(call(Opcodes::default()).read(), &format!("an object of {expected}"));
            assert_no_tensors(single("weight", call).read(), "a dictionary");
            // Beside tensors, before and after, as a value, a key and the state of an object.
            let pickle = call(Opcodes::default().raw("}(").text("first")).text("weight").tensor(1, &[2], &[1]);
            let pickle = call(call(pickle.text("last")));
            let pickle = call(pickle.raw("K\x01").text("state")).raw("}").text("a");
            let file = call(pickle).raw("sb").raw("u").read().unwrap();
            assert_tensor(&file, "weight", &[2], &[2.0, 3.0]);
            assert_eq!((file.tensors.len(), file.non_float.len()), (1, 0));
        }
        // As the class of a storage.
        let class = format!("{module}\n{name}");
        let storage =
            |p: Opcodes| p.raw("ctorch._utils\n_rebuild_tensor_v2\n(").storage(&class, "0", 4).raw(b"K\x00))\x89}tR");
        assert_file_error(single("weight", storage).read(), &expected);
        // As a parameter that does not wrap a tensor.
        let parameter = |p: Opcodes| call(p.raw("ctorch._utils\n_rebuild_parameter\n(")).raw(b"\x88}tR");
        assert_tensor_error(single("weight", parameter).read(), "parameter");
        // As the function of a tensor of a derived class.
        let derived = |p: Opcodes| {
            let p = p.raw("ctorch._tensor\n_rebuild_from_type_v2\n(");
            p.raw(format!("c{module}\n{name}\nN(")).text(&command).raw("tNtR")
        };
        assert_tensor_error(single("weight", derived).read(), &expected);
    }
    assert!(!path.exists());
}

fn assert_no_tensors(result: Result<ForeignTensors, Error>, expected: &str) {
    match result {
        Err(Error::NoNamedTensors { content }) => assert_eq!(content, expected),
        other => panic!("{other:?}, not {expected}"),
    }
}

#[test]
fn files_without_named_tensors_are_errors() {
    for (pickle, content) in [
        (Opcodes::default().raw("N"), "None"),
        (Opcodes::default().tensor(0, &[1], &[1]), "a tensor"),
        (Opcodes::default().raw("](").tensor(0, &[1], &[1]).raw("e"), "a list"),
        (Opcodes::default().raw("}"), "a dictionary"),
        (single("epoch", |pickle| pickle.raw("K\x03")), "a dictionary"),
        (Opcodes::default().raw("}").raw(b"K\x01").tensor(0, &[1], &[1]).raw("s"), "a dictionary"),
        (Opcodes::default().raw(b"c__main__\nNet\n)\x81}b"), "an object of __main__.Net"),
    ] {
        assert_no_tensors(pickle.read(), content);
    }
    for (pickle, part) in [
        (Opcodes::default().raw("K\x01K\x02K\x03s"), "damaged"),
        (Opcodes::default().raw("}(K\x01u"), "damaged"),
        (Opcodes::default().raw("}(0"), "damaged"),
        (Opcodes::default().raw("h\x01"), "damaged"),
        (Opcodes::default().raw("gx\n"), "damaged"),
        (Opcodes::default().raw("(o"), "damaged"),
        (Opcodes::default().raw("2"), "damaged"),
        (Opcodes::default().raw(b"\x82\x01"), "opcode 0x82"),
    ] {
        assert_file_error(pickle.read(), part);
    }
    let twice = Opcodes::default().raw("}(").text("weight").tensor(0, &[1], &[1]).text("weight").tensor(1, &[1], &[1]);
    assert!(matches!(twice.raw("u").read(), Err(Error::DuplicateName { name }) if name == "weight"));
    for text in [&b""[..], b"{\"a\": 1}", b"\x80\x02}.", &8_u64.to_le_bytes()] {
        assert_file_error(read(text), "does not start like one of torch.save");
    }
}

#[test]
fn big_endian_files_are_refused() {
    let big = |bytes: &[u8], from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        [&bytes[..at], to, &bytes[at + from.len()..]].concat()
    };
    let legacy = big(&tensor(0, &[1], &[1]).file(), b"little_endian\x88", b"little_endian\x89");
    assert_file_error(read(&legacy), "little-endian");
    assert_file_error(read(&big(ZIP, b"little", b"bigbig")), "little-endian");
}

/// A zip archive; `zip64` has all sizes and offsets in the fields for large files.
fn archive(entries: &[(&str, &[u8])], zip64: bool) -> Vec<u8> {
    let u16_bytes = |value: usize| u16::try_from(value).unwrap().to_le_bytes();
    let u32_bytes = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let local = bytes.len();
        let (size, offset) = if zip64 { ([0xff; 4], [0xff; 4]) } else { (u32_bytes(data.len()), u32_bytes(local)) };
        let mut extra = Vec::new();
        if zip64 {
            extra.extend(b"\x42\x42\x02\x00ab\x01\x00\x18\x00");
            extra.extend([data.len(), data.len(), local].iter().flat_map(|value| (*value as u64).to_le_bytes()));
        }
        bytes.extend(b"PK\x03\x04\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend([size, size].concat());
        bytes.extend([u16_bytes(name.len()), u16_bytes(3)].concat());
        bytes.extend([name.as_bytes(), b"pad", data].concat());
        directory.extend(b"PK\x01\x02\0\0\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0");
        directory.extend([size, size].concat());
        directory.extend([u16_bytes(name.len()), u16_bytes(extra.len())].concat());
        directory.extend([0; 10]);
        directory.extend(offset);
        directory.extend([name.as_bytes(), &extra].concat());
    }
    let (start, length) = (bytes.len(), directory.len());
    bytes.extend(directory);
    let (mut count, mut offset) = (u16_bytes(entries.len()), u32_bytes(start));
    if zip64 {
        let end = bytes.len() as u64;
        bytes.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0");
        let fields = [entries.len(), entries.len(), length, start];
        bytes.extend(fields.iter().flat_map(|value| (*value as u64).to_le_bytes()));
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(end.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        (count, offset) = ([0xff; 2], [0xff; 4]);
    }
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].concat());
    bytes.extend([u32_bytes(length), offset].concat());
    bytes.extend([0; 2]);
    bytes
}

#[test]
fn zip_archives() {
    let pickle = Opcodes(tensor(0, &[2, 2], &[2, 1]).raw(".").0).0;
    let storage: Vec<u8> = [1.0, 2.0, 3.0, 4.0].iter().flat_map(|value: &f32| value.to_le_bytes()).collect();
    let good = [("a/data.pkl", &*pickle), ("a/byteorder", b"little"), ("a/data/0", &*storage)];
    for zip64 in [false, true] {
        let file = read(&archive(&good, zip64)).unwrap();
        assert_tensor(&file, "weight", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    }
    // Older files do not state their byte order.
    let old = read(&archive(&[good[0], good[2]], false)).unwrap();
    assert_tensor(&old, "weight", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);

    let read_entries = |entries: &[(&str, &[u8])]| read(&archive(entries, false));
    assert_file_error(read_entries(&[good[0], good[2], good[2]]), "two entries \"a/data/0\"");
    assert_file_error(read_entries(&[good[0], ("b/data.pkl", &pickle), good[2]]), "more than one file data.pkl");
    for (entries, expected) in [
        (&[good[2]][..], UnsupportedFormat::Zip),
        (&[], UnsupportedFormat::Zip),
        (&[("weights.pth", b"")], UnsupportedFormat::Zip),
        (&[("data.pkl", b"")], UnsupportedFormat::Zip),
        (&[("a.npy", b""), ("b.npy", b"")], UnsupportedFormat::NumPy),
        (&[("config.json", b"{}"), ("model.weights.h5", b"")], UnsupportedFormat::Keras),
        (&[good[0], good[2], ("a/constants.pkl", b""), ("a/code/x.py", b"")], UnsupportedFormat::TorchScript),
    ] {
        let error = read_entries(entries).unwrap_err();
        assert!(matches!(error, Error::UnsupportedFormat { format } if format == expected), "{expected}: {error}");
    }
    assert_tensor_error(read_entries(&[good[0]]), "its storage \"0\" is missing");
    assert_tensor_error(read_entries(&[good[0], ("a/data/0", &storage[..15])]), "has 15 bytes instead of 4 * 4");
    assert_tensor_error(read_entries(&[good[0], ("a/data/0", &[&*storage, b"0"].concat())]), "has 17 bytes");
    assert_file_error(
        read_entries(&[("a/data.pkl", &[&*pickle, b"0"].concat()), good[2]]),
        "continues after its pickle",
    );

    // Fields of the first header in the directory.
    let bytes = archive(&good, false);
    let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    for (at, value, part) in [
        (8, 1, "\"a/data.pkl\" of the zip archive is encrypted"),
        (10, 8, "\"a/data.pkl\" of the zip archive is compressed"),
        (20, 0, "is not where its directory says"),
        (42, 1, "is not where its directory says"),
        (0, 0, "truncated or damaged"),
    ] {
        let mut bytes = bytes.clone();
        bytes[directory + at] = value;
        assert_file_error(read(&bytes), part);
    }
}

#[test]
fn truncated_files_are_errors() {
    for bytes in [ZIP, LEGACY, CHECKPOINT] {
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }
    assert_file_error(read(&[LEGACY, b"0"].concat()), "continues after its last storage");
}

/// No changed byte makes the reader panic, or read more elements than the file can have.
#[test]
fn changed_bytes_never_panic() {
    for original in [ZIP, LEGACY, CHECKPOINT] {
        let mut bytes = original.to_vec();
        let mut refused = 0;
        for at in 0..bytes.len() {
            let byte = original[at];
            for value in [0, 0xff, 0x7f, b'.', b'R', byte ^ 1, byte ^ 0x80, byte.wrapping_add(1), byte.wrapping_sub(1)]
            {
                bytes[at] = value;
                match read(&bytes) {
                    Ok(file) => {
                        let elements: usize = file.tensors.values().map(|tensor| tensor.values.len()).sum();
                        assert!(elements <= bytes.len(), "byte {at} as {value:#x}");
                    }
                    Err(_) => refused += 1,
                }
            }
            bytes[at] = byte;
        }
        assert!(refused > original.len(), "only {refused} changes were refused");
    }
}

/// Pickles of a few megabytes that nest, repeat or refer to each other excessively.
#[test]
fn large_pickles_take_bounded_time() {
    let repeated = |start: &[u8], opcodes: &[u8], end: &[u8]| {
        let count = (4 << 20) / opcodes.len() - 100;
        [start, &opcodes.repeat(count), end].concat()
    };
    // A dictionary of a million others, and as many references to it.
    let references = {
        let half = b"}q\x01(".iter().copied().chain(b"NN".repeat(1 << 20)).chain(*b"u0}(").collect::<Vec<_>>();
        [half, b"Nh\x01".repeat(600_000), b"u".to_vec()].concat()
    };
    for pickle in [
        repeated(b"N", b"\x85", b""),
        repeated(b"N", b"\x94", b""),
        repeated(b"", b"}", b""),
        repeated(b"", b"(", b""),
        repeated(b"(", b")", b"t"),
        repeated(b"}q\x00", b"Nh\x00s", b""),
        repeated(b"]q\x00", b"h\x00a", b""),
        repeated(b"}(", b"NN", b"u"),
        references,
    ] {
        let start = Instant::now();
        assert!(Opcodes(pickle).read().is_err());
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
    let long = single("weight", |pickle| pickle.raw("N0".repeat(3 << 20)).tensor(0, &[1], &[1]));
    assert!(matches!(long.read(), Err(Error::TooLarge { what: "opcodes of the pickle", limit: 4_194_304, .. })));
}

/// The pickles before that of the tensors, at their limit and one byte beyond it.
#[test]
fn preamble_pickles_are_limited() {
    let file = tensor(0, &[1], &[1]).file();
    let starts: Vec<_> = (0..file.len()).filter(|&at| file[at..].starts_with(b"\x80\x02")).collect();
    for (index, reason) in
        ["does not start like one of torch.save", "limit of 4096 bytes", "limit of 4096 bytes"].iter().enumerate()
    {
        let (start, length) = (starts[index] + 2, starts[index + 1] - starts[index]);
        // A string that is popped again: opcode, length, string, opcode.
        let longer = |total: usize| {
            let text = "x".repeat(total - length - 6);
            let padding = Opcodes::default().text(&text).raw("0").0;
            read(&[&file[..start], &padding, &file[start..]].concat())
        };
        assert_tensor(&longer(4096).unwrap(), "weight", &[1], &[1.0]);
        assert_file_error(longer(4097), reason);
    }
}
