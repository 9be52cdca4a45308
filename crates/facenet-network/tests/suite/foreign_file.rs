//! The tensors of a network among all else that people save: layouts of training programs, written
//! opcode by opcode, and files of other formats.

use std::collections::BTreeMap;

use facenet_network::{Error, ForeignFile, ForeignTensor, ForeignTensors, NameMap, UnsupportedFormat};

use crate::pytorch_file::Opcodes;

const NAMES: [&str; 3] = ["conv.weight", "fc.bias", "fc.weight"];

fn map() -> NameMap {
    let tensors: String = NAMES.iter().map(|name| format!("\"{name}\" = \"{name}\"\n")).collect();
    NameMap::from_toml(&format!("network = \"small\"\nignored = [\"extra\"]\n[tensors]\n{tensors}")).unwrap()
}

/// Tensors of two elements, the first element of which is `first` of 1, 2, 3.
fn tensors(pickle: Opcodes, prefix: &str, names: &[&str], first: i64) -> Opcodes {
    names.iter().fold(pickle, |pickle, name| pickle.text(&format!("{prefix}{name}")).tensor(first - 1, &[2], &[1]))
}

/// A dictionary of the tensors of the network.
fn state(pickle: Opcodes, prefix: &str, first: i64) -> Opcodes {
    tensors(pickle.raw("ccollections\nOrderedDict\n)R("), prefix, &NAMES, first).raw("u}b")
}

/// A dictionary with numbers as keys, whose values have tensors: what optimizers save.
fn optimizer(pickle: Opcodes) -> Opcodes {
    let pickle = pickle.raw("}(").text("state").raw("}(");
    let pickle = (0..20).fold(pickle, |pickle, parameter| {
        tensors(pickle.raw([b'K', parameter]).raw("}("), "", &["step", "exp_avg", "exp_avg_sq"], 1).raw("u")
    });
    pickle.raw("u").text("param_groups").raw("](}(").text("lr").raw(b"G\0\0\0\0\0\0\0\0u").raw("eu")
}

fn dictionary(items: impl FnOnce(Opcodes) -> Opcodes) -> Vec<u8> {
    items(Opcodes::default().raw("}(")).raw("u").file()
}

#[track_caller]
fn matching(bytes: &[u8], place: Option<&str>) -> Result<ForeignTensors, Error> {
    let maps = [map()];
    ForeignFile::from_bytes(bytes)?.matching(&maps, place).map(|(tensors, found)| {
        assert_eq!(found, &maps[0]);
        tensors
    })
}

/// Checks that exactly the tensors of the network are found, and those that start with `first`.
#[track_caller]
fn assert_found(bytes: &[u8], place: Option<&str>, first: f32) {
    let found = matching(bytes, place).unwrap();
    let found: Vec<_> = found.tensors.iter().map(|(name, tensor)| (&**name, &*tensor.values)).collect();
    let values = [first, first + 1.0];
    assert_eq!(found, NAMES.map(|name| (name, &values[..])));
}

#[track_caller]
fn assert_ambiguous(bytes: &[u8], place: Option<&str>, expected: &[&str]) {
    match matching(bytes, place) {
        Err(Error::AmbiguousTensors { places }) => {
            assert_eq!(places.iter().map(|place| &*place.path).collect::<Vec<_>>(), expected);
            assert!(places.iter().all(|place| place.tensors == NAMES.len()), "{places:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_dictionary_of_the_network_is_found_whatever_lies_beside_it() {
    // Alone, and that of PyTorch's tutorial, with a lone tensor and an optimizer.
    assert_found(&state(Opcodes::default(), "", 2).file(), None, 2.0);
    let tutorial = dictionary(|pickle| {
        let pickle = optimizer(state(pickle.text("model_state_dict"), "", 2).text("optimizer_state_dict"));
        pickle.text("epoch").raw("K\x01").text("loss").tensor(3, &[], &[])
    });
    assert_found(&tutorial, None, 2.0);
    // The optimizer first, and the dictionary several levels deep.
    let deep = dictionary(|pickle| {
        let pickle = optimizer(pickle.text("optimizer")).text("net").raw("}(").text("state_dict");
        state(pickle, "", 3).raw("u")
    });
    assert_found(&deep, None, 3.0);
    // In a list and a tuple, after another dictionary of tensors.
    let list = tensors(Opcodes::default().raw("](}("), "", &["a", "b", "c", "d"], 1).raw("u");
    assert_found(&state(list, "", 2).raw("e").file(), None, 2.0);
    assert_found(&state(Opcodes::default().raw("(N"), "", 2).raw("t").file(), None, 2.0);
    // As a dictionary with default values, and one of a derived class.
    for class in ["ccollections\ndefaultdict\nc__builtin__\nlist\n\u{85}R", "cmmcv.utils\nConfigDict\n)\u{81}"] {
        let class: Vec<u8> = class.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
        let pickle = tensors(Opcodes::default().raw(class).raw("("), "", &NAMES, 2).raw("u");
        assert_found(&pickle.file(), None, 2.0);
    }
}

/// Objects of any class beside the tensors, in every protocol of pickles.
#[test]
fn other_objects_are_passed_over() {
    let objects: [&[u8]; 16] = [
        // argparse.Namespace with a path, a data type and a size.
        b"cargparse\nNamespace\n)\x81}(X\x04\0\0\0pathcpathlib\nPosixPath\nX\x01\0\0\0x\x85RX\x01\0\0\0tctorch\nhalf\nub",
        b"ctorch\nSize\n(K\x01K\x02t\x85R",
        b"ctorch\ndevice\nX\x03\0\0\0cpu\x85R",
        // A scalar and an array of NumPy, with bytes as text.
        b"cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\0\0\0f8\x89\x88\x87R(K\x03X\x01\0\0\0<NNNtbc_codecs\nencode\nX\x01\0\0\0aX\x06\0\0\0latin1\x86R\x86R",
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01K\x01\x85cnumpy\ndtype\nX\x02\0\0\0f4\x89\x88\x87R\x89C\x04abcdtb",
        b"cdatetime\ndatetime\nC\x02ab\x85R",
        b"c__main__\nColor\nK\x01\x85R",
        b"c__builtin__\nset\n](K\x01e\x85R",
        b"\x8f(K\x01K\x02\x90",
        b"(K\x01K\x02\x91",
        b"ccollections\ndeque\n)R(K\x01e",
        b"c__builtin__\ncomplex\nG\0\0\0\0\0\0\0\0G\0\0\0\0\0\0\0\0\x86R",
        // Numbers and strings of protocol 0, a long integer, bytes of protocol 5, keyword arguments.
        b"(I1\nI01\nL5L\nF1.5\nS'a\\'b'\nVa\\u1234\nlp9\n0g9\n",
        b"\x8b\x09\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x09",
        b"(\x96\x02\0\0\0\0\0\0\0ab\x8e\x01\0\0\0\0\0\0\0a\x97\x98X\x03\0\0\0\xed\xb2\x80t",
        b"c__main__\nSettings\n)}X\x01\0\0\0aK\x01s\x92(I2\ni__main__\nOld\n2\x87",
    ];
    for object in objects {
        let bytes = dictionary(|pickle| {
            let pickle = pickle.text("before").raw(object);
            state(pickle.text("net"), "", 2).text("after").raw(object)
        });
        assert_found(&bytes, None, 2.0);
        // Among the tensors themselves.
        let bytes = dictionary(|pickle| tensors(pickle.text("note").raw(object), "", &NAMES, 2));
        assert_found(&bytes, None, 2.0);
    }
}

#[test]
fn prefixes_of_all_tensors_are_removed() {
    for prefix in ["module.", "model.", "_orig_mod.", "net.model.module.", "module._orig_mod."] {
        let bytes = dictionary(|pickle| state(pickle.text("state_dict"), prefix, 2));
        assert_found(&bytes, None, 2.0);
        assert_found(&bytes, Some("state_dict"), 2.0);
        assert_found(&bytes, Some(&format!("state_dict.{}", prefix.trim_end_matches('.'))), 2.0);
    }
    // Wrappers in the middle of names.
    let compiled = ["conv._orig_mod.weight", "_fsdp_wrapped_module.fc.bias", "fc._checkpoint_wrapped_module.weight"];
    assert_found(&dictionary(|pickle| tensors(pickle, "model.", &compiled, 2)), None, 2.0);
    // A prefix that only some of the tensors have is none.
    let bytes = dictionary(|pickle| tensors(tensors(pickle, "model.", &NAMES, 2), "", &["loss.scale"], 1));
    match matching(&bytes, None) {
        Err(Error::NoMatchingTensors { example, places }) => {
            assert_eq!(example, NAMES[0]);
            assert_eq!(places.iter().map(|place| &*place.path).collect::<Vec<_>>(), ["model", "."]);
        }
        other => panic!("{other:?}"),
    }
    assert_found(&bytes, Some("model"), 2.0);
    // Other names with dots are no prefix.
    let bytes = dictionary(|pickle| tensors(tensors(pickle, "", &NAMES, 2), "", &["extra", "more.extra"], 2));
    assert_eq!(matching(&bytes, None).unwrap().tensors.len(), 5);
}

#[test]
fn safetensors_have_prefixes_too() {
    let tensor = ForeignTensor { shape: vec![1], values: vec![4.0] };
    let file = |names: &[&str]| ForeignTensors {
        tensors: names.iter().map(|name| ((*name).to_owned(), tensor.clone())).collect(),
        non_float: BTreeMap::from([("steps".to_owned(), "I64".to_owned())]),
    };
    let maps = [map()];
    for prefix in ["", "module.", "a.b.", "_orig_mod."] {
        let names = NAMES.map(|name| format!("{prefix}{name}"));
        let file = ForeignFile::from(file(&names.each_ref().map(|name| &**name)));
        let (found, _) = file.matching(&maps, None).unwrap();
        assert!(found.tensors.keys().eq(NAMES));
    }
    let two = ["a.conv.weight", "a.fc.bias", "a.fc.weight", "b.conv.weight", "b.fc.bias", "b.fc.weight"];
    let (found, _) = ForeignFile::from(file(&two)).matching(&maps, Some("b")).unwrap();
    assert!(found.tensors.keys().eq(NAMES));
    assert!(ForeignFile::from(file(&two)).matching(&maps, None).is_err());
}

#[test]
fn a_choice_between_dictionaries_is_asked_for() {
    let bytes = dictionary(|pickle| {
        let pickle = optimizer(state(pickle.text("model"), "", 1).text("optimizer"));
        state(pickle.text("model_ema"), "module.", 2)
    });
    assert_ambiguous(&bytes, None, &["model", "model_ema.module"]);
    assert_found(&bytes, Some("model"), 1.0);
    assert_found(&bytes, Some("model_ema"), 2.0);
    assert_found(&bytes, Some("model_ema.module"), 2.0);
    assert!(matches!(
        matching(&bytes, Some("optimizer")),
        Err(Error::NoTensorsAt { .. } | Error::NoMatchingTensors { .. })
    ));
    match matching(&bytes, Some("mode")) {
        Err(Error::NoTensorsAt { path, places }) => {
            assert_eq!(path, "mode");
            assert_eq!((&*places[0].path, &*places[1].path), ("model", "model_ema"));
            assert_eq!(places.len(), 22);
        }
        other => panic!("{other:?}"),
    }
    let bytes = state(state(Opcodes::default().raw("]("), "", 1), "", 2).raw("e").file();
    assert_ambiguous(&bytes, None, &["[0]", "[1]"]);
    assert_found(&bytes, Some("[1]"), 2.0);
    // Within a place, the place itself is meant.
    let bytes = dictionary(|pickle| state(tensors(pickle, "", &NAMES, 1).text("average"), "", 2));
    assert_ambiguous(
        &dictionary(|pickle| state(state(pickle.text("a.b"), "", 1).text("a.c"), "", 2)),
        Some("a"),
        &["a.b", "a.c"],
    );
    assert_found(&bytes, Some("average"), 2.0);
    assert_eq!(matching(&bytes, Some(".")).unwrap().tensors["fc.bias"].values[0], 1.0);
    // The same dictionary, or dictionaries of the same tensors, are no choice.
    let bytes = dictionary(|pickle| state(pickle.text("model"), "", 2).raw("q\x01").text("state_dict").raw("h\x01"));
    assert_found(&bytes, None, 2.0);
    // The one that has most of the tensors is meant.
    let bytes = dictionary(|pickle| {
        let pickle = tensors(pickle.text("pretrained").raw("}("), "", &NAMES[1..], 1).raw("u");
        state(pickle.text("model"), "", 2)
    });
    assert_found(&bytes, None, 2.0);
}

#[test]
fn parts_of_a_network_may_lie_in_several_dictionaries() {
    let bytes = dictionary(|pickle| {
        let pickle = optimizer(pickle.text("optimizer")).text("conv").raw("}(");
        let pickle = tensors(pickle, "", &["weight"], 2).raw("u").text("fc").raw("}(");
        tensors(pickle, "", &["bias", "weight"], 2).raw("u")
    });
    assert_found(&bytes, None, 2.0);
}

/// What `torch.save(model)` writes: modules within modules, with parameters and buffers.
#[test]
fn whole_modules_are_read_as_their_state_dictionary() {
    let module = |pickle: Opcodes, class: &str, attributes: &dyn Fn(Opcodes) -> Opcodes| {
        let pickle = pickle.raw(format!("c{class}\n")).raw(b")\x81}(").text("training").raw(b"\x88");
        attributes(pickle).raw("ub")
    };
    let none = |pickle: Opcodes, part: &str| pickle.text(part).raw("ccollections\nOrderedDict\n)R");
    let leaf = |pickle: Opcodes, parameters: &[&str], buffers: &[&str]| {
        module(pickle, "torch.nn.modules\nLayer", &|pickle| {
            let pickle = tensors(pickle.text("_parameters").raw("}("), "", parameters, 2).text("unused").raw("Nu");
            let pickle = tensors(pickle.text("_buffers").raw("}("), "", buffers, 2).raw("u");
            let pickle = pickle.text("_non_persistent_buffers_set").raw("c__builtin__\nset\n](");
            let pickle = pickle.text("scratch").raw(b"e\x85R");
            none(tensors(pickle, "", &["attribute"], 1), "_modules")
        })
    };
    let model = |pickle: Opcodes| {
        module(pickle, "__main__\nNet", &|pickle| {
            let pickle = none(none(pickle, "_parameters"), "_buffers").text("_modules").raw("}(");
            let pickle = leaf(pickle.text("conv"), &["weight"], &["scratch"]);
            leaf(pickle.text("fc"), &["weight"], &["bias"]).raw("u")
        })
    };
    assert_found(&model(Opcodes::default()).file(), None, 2.0);
    let bytes = dictionary(|pickle| model(optimizer(pickle.text("optimizer")).text("model")));
    assert_found(&bytes, None, 2.0);
    let file = ForeignFile::from_bytes(&bytes).unwrap();
    assert_eq!((&*file.places()[0].path, file.places()[0].tensors), ("model", 3));
    let parallel = module(Opcodes::default(), "torch.nn\nDataParallel", &|pickle| {
        let pickle = none(none(pickle, "_parameters"), "_buffers").text("_modules").raw("}(").text("module");
        model(pickle).raw("u")
    });
    assert_found(&parallel.file(), None, 2.0);
}

#[test]
fn parameters_and_derived_tensors_are_tensors() {
    let inner = |pickle: Opcodes| pickle.tensor(1, &[2], &[1]);
    let wrapped: [&dyn Fn(Opcodes) -> Opcodes; 4] = [
        &|pickle| inner(pickle.raw("ctorch._utils\n_rebuild_parameter\n(")).raw(b"\x88}tR"),
        &|pickle| {
            inner(pickle.raw("ctorch._utils\n_rebuild_parameter_with_state\n(")).raw(b"\x88}}X\x01\0\0\0aK\x01stR")
        },
        &|pickle| {
            let pickle = pickle.raw("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\n");
            let pickle = pickle.raw("ctorch\nTensor\n(").storage("torch\nFloatStorage", "0", 4);
            pickle.raw(b"K\x01K\x02\x85K\x01\x85\x89}t}tR")
        },
        // An element type without a class of storages is named, and stops nothing.
        &|pickle| {
            let pickle = inner(pickle).text("extra").raw("ctorch._utils\n_rebuild_tensor_v3\n(");
            let pickle = pickle.storage("torch.storage\nUntypedStorage", "1", 16);
            pickle.raw(b"K\0K\x08\x85K\x01\x85\x89}ctorch\nuint16\ntR")
        },
    ];
    for (index, wrapped) in wrapped.into_iter().enumerate() {
        let bytes = dictionary(|pickle| wrapped(tensors(pickle, "", &NAMES[..2], 2).text(NAMES[2])));
        if index == 3 {
            // The second storage.
            let keys = bytes.windows(7).rposition(|window| window == b"](X\x01\0\0\0").unwrap();
            let (start, end) = bytes.split_at(keys + 7);
            let bytes = [start, &end[..1], b"X\x01\0\0\x001", &end[1..], &16_u64.to_le_bytes(), &[0; 16]].concat();
            let found = matching(&bytes, None).unwrap();
            assert_eq!(found.tensors.len(), 3);
            assert_eq!(found.non_float["extra"], "uint16");
        } else {
            assert_found(&bytes, None, 2.0);
        }
    }
}

/// Tensors that cannot be read are named if they are among those of the network, and only then.
#[test]
fn unsupported_tensors_are_named() {
    for (function, kind) in [
        ("_rebuild_sparse_tensor", "sparse"),
        ("_rebuild_sparse_csr_tensor", "sparse"),
        ("_rebuild_qtensor", "quantized"),
        ("_rebuild_nested_tensor", "nested"),
        ("_rebuild_meta_tensor_no_storage", "without values"),
        ("_rebuild_other", "_rebuild_other"),
    ] {
        let unsupported = |pickle: Opcodes| pickle.raw(format!("ctorch._utils\n{function}\n)R"));
        let bytes = dictionary(|pickle| unsupported(tensors(pickle, "", &NAMES[..2], 2).text(NAMES[2])));
        match matching(&bytes, None) {
            Err(Error::MalformedTensor { name, reason }) => {
                assert_eq!(name, NAMES[2]);
                assert!(reason.contains(kind), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        let bytes = dictionary(|pickle| state(unsupported(pickle.text("other")).text("model"), "", 2));
        assert_found(&bytes, None, 2.0);
    }
}

/// Names and depths that a hostile file may have take bounded time and memory.
#[test]
fn hostile_dictionaries_are_bounded() {
    // Dictionaries within each other, each of which also refers to the first one.
    let deep = (0..100_000).fold(Opcodes::default().raw("}q\x01"), |pickle, _| pickle.text("a").raw("}"));
    let deep = deep.raw("s".repeat(99_999)).text("b").raw("h\x01s").raw("s");
    assert!(matches!(ForeignFile::from_bytes(&deep.file()), Err(Error::NoNamedTensors { .. })));
    // Doubling references.
    let doubled = (1..30_u8).fold(Opcodes::default().raw("}q\0"), |pickle, level| {
        let inner = [b'h', level - 1];
        pickle.raw("}(").text("a").raw(inner).text("b").raw(inner).raw("u").raw([b'q', level])
    });
    assert!(matches!(ForeignFile::from_bytes(&doubled.file()), Err(Error::NoNamedTensors { .. })));
    // Long names of many segments, in many dictionaries.
    let long = "a.".repeat(100_000);
    let bytes = dictionary(|pickle| state(tensors(pickle, &long, &NAMES, 1).text("model"), "", 2));
    assert_found(&bytes, None, 2.0);
    let segments = "a.".repeat(400);
    let bytes = dictionary(|pickle| {
        let pickle = pickle.text("x").tensor(0, &[2], &[1]).raw("q\x01");
        (0..70_000).fold(pickle, |pickle, index| pickle.text(&format!("{segments}{index}")).raw("h\x01"))
    });
    assert!(matches!(
        ForeignFile::from_bytes(&bytes),
        Err(Error::TooLarge { what: "named tensors" | "opcodes of the pickle", .. })
    ));
    let bytes = dictionary(|pickle| {
        let pickle = pickle.text("x").tensor(0, &[2], &[1]).raw("q\x01");
        (0..6_000).fold(pickle, |pickle, index| {
            let pickle = pickle.text(&index.to_string()).raw("}(").text("a").raw("h\x01");
            pickle.text("b").raw("h\x01u")
        })
    });
    let result = matching(&bytes, None);
    assert!(matches!(result, Err(Error::TooLarge { what: "dictionaries of tensors", .. })), "{result:?}");
}

#[test]
fn other_formats_are_named() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, format) in [
        (&b""[..], UnsupportedFormat::Empty),
        (b"\n <!DOCTYPE HTML><html>", UnsupportedFormat::Html),
        (b"\xef\xbb\xbf<html lang=en>", UnsupportedFormat::Html),
        (b"<?xml version=\"1.0\"?><html>", UnsupportedFormat::Html),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", UnsupportedFormat::GitLfsPointer),
        (b"\x08\x07\x12\x07pytorch", UnsupportedFormat::Onnx),
        (b"\x08\x06\x3a\x10", UnsupportedFormat::Onnx),
        (b"\x08\x01\x12\x80\x01", UnsupportedFormat::TensorFlow),
        (b"\x0a\x20\x0a\x05input\x12\x0bPlaceholder", UnsupportedFormat::TensorFlow),
        (b"\x0a\xa0\x01\x0a\x05input\x12\x0bPlaceholder", UnsupportedFormat::TensorFlow),
        (b"\x1c\0\0\0TFL3", UnsupportedFormat::TensorFlowLite),
        (b"\x89HDF\r\n\x1a\n", UnsupportedFormat::Hdf5),
        (b"\x93NUMPY\x01\0", UnsupportedFormat::NumPy),
        (b"\x12\x01\0\0\0\0\0\0\0\0", UnsupportedFormat::MxNet),
        (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1", UnsupportedFormat::Torch7),
        (b"\x1f\x8b\x08", UnsupportedFormat::Gzip),
        (&tar, UnsupportedFormat::Tar),
    ] {
        match ForeignFile::from_bytes(bytes) {
            Err(Error::UnsupportedFormat { format: found }) => assert_eq!(found, format),
            other => panic!("{format}: {other:?}"),
        }
        for length in 0..bytes.len() {
            assert!(ForeignFile::from_bytes(&bytes[..length]).is_err());
        }
    }
    for pointer in [&b"<!doctype html>"[..], b"version https://git-lfs.github.com/spec/v1"] {
        for (xml, bin) in [(pointer, &b""[..]), (b"<net version='10'/>", pointer)] {
            let error = ForeignFile::from_openvino(xml, bin).unwrap_err();
            assert!(matches!(error, Error::UnsupportedFormat { .. }), "{error}");
        }
    }
}
