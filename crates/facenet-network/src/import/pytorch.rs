//! State dictionaries written by PyTorch's `torch.save`, read without executing their pickles.

mod archive;
mod pickle;
mod syntax_error;
pub(super) mod tensor_search;

use std::collections::BTreeMap;

use self::pickle::{Id, MAX_PICKLE, Pickle, Value};
use self::syntax_error::syntax_error;
use crate::error::Error;
use crate::import::foreign_tensors::{DecodedTensor, FloatType, ForeignTensor, MAX_DIMENSIONS};
use crate::import::tensor_tree::ElementKind;

/// Magic number of files of PyTorch before 1.6, little-endian.
const MAGIC: [u8; 10] = *b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
const PROTOCOL: i64 = 1001;

/// Bytes of each pickle before that of the tensors: magic number, protocol version and type sizes
/// take less than 200 bytes each.
const MAX_PREAMBLE: usize = 4 << 10;

/// Bytes of a storage's key. Keys are decimal numbers; a long key that many tensors refer to would
/// be compared over and over.
const MAX_KEY: usize = 64;

/// Calls that may wrap a tensor: a parameter, a class derived from tensors.
const MAX_WRAPPED: usize = 4;

/// The pickle of a file, and its storages by key.
#[derive(Debug)]
pub(super) struct PytorchFile<'a> {
    pickle: Pickle<'a>,
    storages: BTreeMap<&'a str, &'a [u8]>,
    /// Length of the file in bytes.
    length: usize,
}

/// A storage as described in the pickle.
struct Storage<'a> {
    element: Element,
    key: &'a str,
    length: usize,
}

/// Element type of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Float(FloatType),
    /// Integer or boolean: name and size in bytes.
    Other(&'static str, usize),
    /// Complex or quantized number, or float of 8 bits, which are not supported: name and size in
    /// bytes.
    Unsupported(&'static str, usize),
}

impl Element {
    fn from_class(class: &str) -> Option<Self> {
        Some(match class {
            "FloatStorage" => Self::Float(FloatType::F32),
            "HalfStorage" => Self::Float(FloatType::F16),
            "BFloat16Storage" => Self::Float(FloatType::BF16),
            "DoubleStorage" => Self::Float(FloatType::F64),
            "LongStorage" => Self::Other("int64", 8),
            "IntStorage" => Self::Other("int32", 4),
            "ShortStorage" => Self::Other("int16", 2),
            "CharStorage" => Self::Other("int8", 1),
            "ByteStorage" => Self::Other("uint8", 1),
            "BoolStorage" => Self::Other("bool", 1),
            "ComplexFloatStorage" => Self::Unsupported("complex64", 8),
            "ComplexDoubleStorage" => Self::Unsupported("complex128", 16),
            "QInt8Storage" => Self::Unsupported("qint8", 1),
            "QUInt8Storage" => Self::Unsupported("quint8", 1),
            "QInt32Storage" => Self::Unsupported("qint32", 4),
            "QUInt4x2Storage" => Self::Unsupported("quint4x2", 1),
            "QUInt2x4Storage" => Self::Unsupported("quint2x4", 1),
            // Its tensors state their element type.
            "UntypedStorage" => Self::Other("bytes", 1),
            _ => return None,
        })
    }

    /// An element type that has no class of storages.
    fn from_dtype(name: &str) -> Option<Self> {
        Some(match name {
            "uint16" => Self::Other("uint16", 2),
            "uint32" => Self::Other("uint32", 4),
            "uint64" => Self::Other("uint64", 8),
            "float8_e4m3fn" => Self::Unsupported("float8_e4m3fn", 1),
            "float8_e4m3fnuz" => Self::Unsupported("float8_e4m3fnuz", 1),
            "float8_e5m2" => Self::Unsupported("float8_e5m2", 1),
            "float8_e5m2fnuz" => Self::Unsupported("float8_e5m2fnuz", 1),
            "float8_e8m0fnu" => Self::Unsupported("float8_e8m0fnu", 1),
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::Float(float) => float.size(),
            Self::Other(_, bytes) | Self::Unsupported(_, bytes) => bytes,
        }
    }
}

/// How a tensor is rebuilt: its storage and view, of an element type that the storage may not tell.
struct TensorArguments<'p> {
    view: &'p [Id],
    element: Option<Element>,
}

impl<'a> PytorchFile<'a> {
    /// Reads all of a file but the values of its tensors.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut file = if bytes.starts_with(b"PK") { Self::from_archive(bytes)? } else { Self::from_legacy(bytes)? };
        file.length = bytes.len();
        Ok(file)
    }

    /// Length of the file in bytes: the limit on the elements of the tensors of a place.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The tensor at an index among the values of the pickle, whose number of elements is subtracted from `left`.
    pub(super) fn decode(&self, index: usize, left: &mut usize) -> Result<DecodedTensor, String> {
        let (storage, view) = self.view(self.pickle.id(index))?;
        if let Element::Other(element, _) = storage.element {
            return Ok(DecodedTensor::Other(element.to_owned()));
        }
        let values = self.values(&storage, &view, left)?;
        Ok(DecodedTensor::Float(ForeignTensor { shape: view.shape, values }))
    }

    fn from_archive(bytes: &'a [u8]) -> Result<Self, Error> {
        let entries = archive::entries(bytes)?;
        let mut roots = entries.keys().filter_map(|name| name.strip_suffix("/data.pkl"));
        let (Some(root), None) = (roots.next(), roots.next()) else {
            return Err(syntax_error("the zip archive has more than one file data.pkl"));
        };
        let within = |path: &str| entries.get(format!("{root}/{path}").as_str()).copied();
        if within("byteorder").is_some_and(|order| order != b"little") {
            return Err(syntax_error("the tensors are not little-endian"));
        }
        let (pickle, rest) = Pickle::read(within("data.pkl").unwrap_or_default(), MAX_PICKLE)?;
        if !rest.is_empty() {
            return Err(syntax_error("data.pkl continues after its pickle"));
        }
        let prefix = format!("{root}/data/");
        let storages = entries.iter().filter_map(|(name, data)| Some((name.strip_prefix(prefix.as_str())?, *data)));
        Ok(Self { pickle, storages: storages.collect(), length: 0 })
    }

    fn from_legacy(bytes: &'a [u8]) -> Result<Self, Error> {
        let magic = |start: &Pickle| matches!(start.value(start.root()), Value::Long(digits) if **digits == MAGIC);
        let start = Pickle::read(bytes, MAX_PREAMBLE).ok().filter(|(start, _)| magic(start));
        let (_, rest) = start.ok_or_else(|| syntax_error("the file does not start like one of torch.save"))?;
        let (version, rest) = Pickle::read(rest, MAX_PREAMBLE)?;
        if version.integer(version.root()) != Some(PROTOCOL) {
            return Err(syntax_error(format_args!("the protocol version is not {PROTOCOL}")));
        }
        let (system, rest) = Pickle::read(rest, MAX_PREAMBLE)?;
        let little = system.dictionary(system.root()).unwrap_or_default().iter().any(|&(key, value)| {
            system.text(key) == Some("little_endian") && matches!(system.value(value), Value::Boolean(true))
        });
        if !little {
            return Err(syntax_error("the tensors are not little-endian"));
        }
        let (pickle, rest) = Pickle::read(rest, MAX_PICKLE)?;
        let (keys, mut rest) = Pickle::read(rest, MAX_PICKLE)?;
        let mut file = Self { pickle, storages: BTreeMap::new(), length: 0 };
        let sizes = file.element_sizes()?;
        let Value::List(list) = keys.value(keys.root()) else {
            return Err(syntax_error("the file has no list of storages"));
        };
        for &key in list {
            let key = keys.text(key).ok_or_else(|| syntax_error("the key of a storage is not a string"))?;
            let size = sizes.get(key).ok_or_else(|| syntax_error(format_args!("no tensor uses storage {key:?}")))?;
            let data = take_elements(&mut rest, *size)
                .ok_or_else(|| syntax_error(format_args!("the file ends within storage {key:?}")))?;
            if file.storages.insert(key, data).is_some() {
                return Err(syntax_error(format_args!("the file has two storages {key:?}")));
            }
        }
        if rest.is_empty() { Ok(file) } else { Err(syntax_error("the file continues after its last storage")) }
    }

    /// Element size of each storage, in bytes.
    fn element_sizes(&self) -> Result<BTreeMap<&'a str, usize>, Error> {
        let mut sizes = BTreeMap::new();
        for value in self.pickle.values() {
            if let Value::Persistent(id) = *value
                && self.is_storage(id)
            {
                let storage = self.storage(id).map_err(syntax_error)?;
                let size = storage.element.size();
                if *sizes.entry(storage.key).or_insert(size) != size {
                    let key = storage.key;
                    return Err(syntax_error(format_args!("storage {key:?} has two element types")));
                }
            }
        }
        Ok(sizes)
    }

    /// Whether a persistent id is that of a storage. The classes of modules have others.
    fn is_storage(&self, id: Id) -> bool {
        let kind = self.pickle.tuple(id).and_then(|items| items.first());
        kind.is_none_or(|kind| self.pickle.text(*kind) != Some("module"))
    }

    /// If the value is a tensor, the name of the function that rebuilds it and its arguments.
    fn tensor_function(&self, id: Id) -> Option<(&'a str, Id)> {
        let Value::Call(function, arguments) = *self.pickle.value(id) else { return None };
        match self.pickle.global(function)? {
            ("torch._utils", name) if name.starts_with("_rebuild_") => Some((name, arguments)),
            ("torch._tensor", name @ "_rebuild_from_type_v2") => Some((name, arguments)),
            _ => None,
        }
    }

    /// Whether a tensor may hold weights.
    fn element_kind(&self, tensor: Id) -> ElementKind {
        match self.view(tensor) {
            Ok((Storage { element: Element::Other(..), .. }, _)) => ElementKind::Other,
            _ => ElementKind::Float,
        }
    }

    /// The arguments that a tensor is rebuilt from.
    fn tensor_arguments(&self, id: Id) -> Result<TensorArguments<'_>, String> {
        let invalid = || "its arguments are not those of a tensor".to_owned();
        let (mut name, mut arguments) = self.tensor_function(id).ok_or_else(invalid)?;
        for _ in 0..MAX_WRAPPED {
            let items = self.pickle.tuple(arguments).ok_or_else(invalid)?;
            match (name, items) {
                // Storage, offset, shape and strides; since PyTorch 0.4 also requires_grad and hooks.
                ("_rebuild_tensor", [_, _, _, _]) | ("_rebuild_tensor_v2", [_, _, _, _, _, _]) => {
                    return Ok(TensorArguments { view: items, element: None });
                }
                // With an element type.
                ("_rebuild_tensor_v3", [view @ .., dtype] | [view @ .., dtype, _]) if view.len() == 6 => {
                    let dtype = self.pickle.global(*dtype).ok_or_else(invalid)?;
                    let element = if dtype.0 == "torch" { Element::from_dtype(dtype.1) } else { None };
                    let element = element.ok_or_else(|| format!("element type {} is not supported", dtype.1))?;
                    return Ok(TensorArguments { view, element: Some(element) });
                }
                ("_rebuild_tensor_v2", [_, _, _, _, _, _, _]) => {
                    return Err("it is a conjugated or negated view, which is not supported".to_owned());
                }
                ("_rebuild_parameter" | "_rebuild_parameter_with_state", [tensor, ..]) => {
                    (name, arguments) = self.tensor_function(*tensor).ok_or("the parameter does not wrap a tensor")?;
                }
                // A class derived from tensors: function, class, arguments of the function, state.
                ("_rebuild_from_type_v2", [function, _, inner, ..]) => {
                    name = match self.pickle.global(*function) {
                        Some(("torch._utils", name)) => name,
                        _ => return Err(format!("it is rebuilt by {}", self.path(*function))),
                    };
                    arguments = *inner;
                }
                ("_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3", _) => return Err(invalid()),
                _ => {
                    let kind = match name {
                        _ if name.starts_with("_rebuild_sparse") => "a sparse tensor",
                        "_rebuild_qtensor" => "a quantized tensor",
                        "_rebuild_nested_tensor" => "a nested tensor",
                        "_rebuild_meta_tensor_no_storage" => "a tensor without values (of device meta)",
                        _ => return Err(format!("it is rebuilt by {name}, which is not supported")),
                    };
                    return Err(format!("it is {kind}, which is not supported"));
                }
            }
        }
        Err(invalid())
    }

    fn view(&self, tensor: Id) -> Result<(Storage<'a>, View), String> {
        let TensorArguments { view: arguments, element } = self.tensor_arguments(tensor)?;
        let Value::Persistent(storage) = *self.pickle.value(arguments[0]) else {
            return Err("it has no storage".to_owned());
        };
        let mut storage = self.storage(storage)?;
        if let Some(element) = element {
            // The length of untyped storages is in bytes.
            let bytes = storage.length.saturating_mul(storage.element.size());
            storage = Storage { element, length: bytes / element.size(), ..storage };
        }
        let size = |id: &Id| self.pickle.integer(*id).and_then(|size| usize::try_from(size).ok());
        let sizes = |id| {
            let sizes = self.pickle.tuple(id)?;
            if sizes.len() > MAX_DIMENSIONS { None } else { sizes.iter().map(size).collect::<Option<Vec<_>>>() }
        };
        let view = size(&arguments[1]).zip(sizes(arguments[2])).zip(sizes(arguments[3]));
        let view = view.map(|((offset, shape), strides)| View { offset, shape, strides });
        let view = view.filter(|view| view.shape.len() == view.strides.len());
        Ok((storage, view.ok_or_else(|| "its offset, shape and strides are not valid".to_owned())?))
    }

    fn storage(&self, id: Id) -> Result<Storage<'a>, String> {
        let invalid = || "the description of its storage is not valid".to_owned();
        let (&[kind, class, key, _, length], views) =
            self.pickle.tuple(id).and_then(|items| items.split_first_chunk()).ok_or_else(invalid)?;
        let class = self.pickle.global(class).ok_or_else(invalid)?;
        let element = match class {
            ("torch" | "torch.storage", class) => Element::from_class(class),
            _ => None,
        };
        let element = element.ok_or_else(|| format!("its storage class {}.{} is not supported", class.0, class.1))?;
        let key = self.pickle.text(key).filter(|key| key.len() <= MAX_KEY).ok_or_else(invalid)?;
        let length = self.pickle.integer(length).and_then(|length| usize::try_from(length).ok()).ok_or_else(invalid)?;
        let whole = views.iter().all(|&view| matches!(self.pickle.value(view), Value::None)) && views.len() <= 1;
        if self.pickle.text(kind) == Some("storage") && whole {
            Ok(Storage { element, key, length })
        } else {
            Err(invalid())
        }
    }

    /// The values of a tensor, whose number is subtracted from `left`.
    fn values(&self, storage: &Storage, view: &View, left: &mut usize) -> Result<Vec<f32>, String> {
        let key = storage.key;
        let bytes = self.storages.get(key).ok_or_else(|| format!("its storage {key:?} is missing"))?;
        if storage.length.checked_mul(storage.element.size()) != Some(bytes.len()) {
            let (length, size) = (storage.length, storage.element.size());
            return Err(format!("its storage {key:?} has {} bytes instead of {length} * {size}", bytes.len()));
        }
        let (count, end) = view.extent().ok_or("its shape overflows")?;
        if end > storage.length {
            return Err(format!("it ends at element {end} of a storage of {}", storage.length));
        }
        *left = left.checked_sub(count).ok_or("up to here tensors have more elements than the file has bytes")?;
        match storage.element {
            Element::Float(float) => Ok(float.decode(&view.gather(bytes, float.size(), count))),
            Element::Other(element, _) | Element::Unsupported(element, _) => {
                Err(format!("element type {element} is not supported"))
            }
        }
    }

    /// Describes the content for error messages.
    pub(super) fn describe_root(&self) -> String {
        self.describe(self.pickle.root())
    }

    /// Describes a value for error messages, with the name of the function that would be called.
    fn describe(&self, id: Id) -> String {
        match *self.pickle.value(id) {
            Value::None => "None".to_owned(),
            Value::Boolean(_) => "a boolean".to_owned(),
            Value::Integer(_) | Value::Long(_) => "an integer".to_owned(),
            Value::Text(_) => "a string".to_owned(),
            Value::Inert => "a float or bytes".to_owned(),
            Value::Tuple(_) => "a tuple".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Dictionary(_) => "a dictionary".to_owned(),
            Value::Persistent(_) => "a storage".to_owned(),
            Value::Global(..) => format!("the class or function {}", self.path(id)),
            Value::Call(..) if self.tensor_function(id).is_some() => "a tensor".to_owned(),
            Value::Call(function, _) => format!("an object of {}", self.path(function)),
        }
    }

    /// Module and name of a class or function.
    fn path(&self, id: Id) -> String {
        let path = self.pickle.global(id).map(|(module, name)| format!("{module}.{name}"));
        path.unwrap_or_else(|| "another class".to_owned())
    }
}

/// A tensor's view of its storage, in elements.
struct View {
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    /// Number of elements, and the end of the last one in the storage.
    fn extent(&self) -> Option<(usize, usize)> {
        let count = self.shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))?;
        if count == 0 {
            return Some((0, 0));
        }
        let mut last = self.offset;
        for (size, stride) in self.shape.iter().zip(&self.strides) {
            last = last.checked_add((size - 1).checked_mul(*stride)?)?;
        }
        Some((count, last.checked_add(1)?))
    }

    /// The bytes of all elements, row-major, `size` bytes each. The storage must be large enough.
    fn gather(&self, storage: &[u8], size: usize, count: usize) -> Vec<u8> {
        let mut gathered = Vec::with_capacity(count * size);
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..count {
            gathered.extend_from_slice(&storage[at * size..][..size]);
            for (axis, index) in index.iter_mut().enumerate().rev() {
                if *index + 1 < self.shape[axis] {
                    *index += 1;
                    at += self.strides[axis];
                    break;
                }
                at -= *index * self.strides[axis];
                *index = 0;
            }
        }
        gathered
    }
}

/// Takes an element count of 8 bytes and as many elements of `size` bytes from the front.
fn take_elements<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (count, after) = rest.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*count)).ok()?.checked_mul(size)?;
    let (data, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(data)
}
