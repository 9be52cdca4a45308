//! State dictionaries written by PyTorch's `torch.save`, read without executing their pickles.

mod archive;
mod pickle;
mod syntax_error;

use std::collections::{BTreeMap, BTreeSet};

use self::pickle::{Id, MAX_PICKLE, Pickle, Value};
use self::syntax_error::syntax_error;
use crate::error::Error;
use crate::import::foreign_tensors::{FloatType, ForeignTensor, ForeignTensors, MAX_DIMENSIONS};

/// Magic number of files of PyTorch before 1.6, little-endian.
const MAGIC: [u8; 10] = *b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
const PROTOCOL: i64 = 1001;

/// Bytes of each pickle before that of the tensors: magic number, protocol version and type sizes
/// take less than 200 bytes each.
const MAX_PREAMBLE: usize = 4 << 10;

/// Bytes of a storage's key. Keys are decimal numbers; a long key that many tensors refer to would
/// be compared over and over.
const MAX_KEY: usize = 64;

impl ForeignTensors {
    /// Reads a state dictionary written by `torch.save`, or a dictionary that contains one, such as
    /// `{"state_dict": ..., "epoch": 3}`.
    ///
    /// ```text
    /// zip (since PyTorch 1.6)   NAME/data.pkl   pickle of tensors by name: storage, offset, shape, strides
    ///                           NAME/data/KEY   one storage each, uncompressed
    /// legacy                    pickles: magic number, version, type sizes, tensors, storage keys;
    ///                           then for each key an element count of 8 bytes and the storage
    /// ```
    ///
    /// Nothing in the pickle is executed. Of all classes and functions that it can name, only those
    /// of tensors, parameters, storages and ordered dictionaries are understood. All tensors
    /// together have at most as many elements as the file has bytes, so a small file cannot
    /// allocate much memory with tensors that repeat a storage.
    ///
    /// # Errors
    ///
    /// If the bytes are not such a file, the file does not have exactly one state dictionary, that
    /// contains anything but tensors and plain values, or a tensor exceeds its storage.
    pub fn from_pytorch(bytes: &[u8]) -> Result<Self, Error> {
        let file =
            if bytes.starts_with(b"PK\x03\x04") { File::from_archive(bytes)? } else { File::from_legacy(bytes)? };
        file.tensors(bytes.len())
    }
}

/// The pickle of a file, and its storages by key.
struct File<'a> {
    pickle: Pickle<'a>,
    storages: BTreeMap<&'a str, &'a [u8]>,
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
    /// Complex number, which is not supported: name and size in bytes.
    Complex(&'static str, usize),
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
            "ComplexFloatStorage" => Self::Complex("complex64", 8),
            "ComplexDoubleStorage" => Self::Complex("complex128", 16),
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::Float(float) => float.size(),
            Self::Other(_, bytes) | Self::Complex(_, bytes) => bytes,
        }
    }
}

impl<'a> File<'a> {
    fn from_archive(bytes: &'a [u8]) -> Result<Self, Error> {
        let entries = archive::entries(bytes)?;
        let mut roots = entries.keys().filter_map(|name| name.strip_suffix("/data.pkl"));
        let (Some(root), None) = (roots.next(), roots.next()) else {
            return Err(syntax_error("the zip archive does not have exactly one folder with a file data.pkl"));
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
        Ok(Self { pickle, storages: storages.collect() })
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
        let mut file = Self { pickle, storages: BTreeMap::new() };
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
            if let Value::Persistent(id) = *value {
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

    /// All tensors of the state dictionary, which must not have more than `limit` elements.
    fn tensors(&self, limit: usize) -> Result<ForeignTensors, Error> {
        let mut tensors = ForeignTensors::default();
        let mut names = BTreeSet::new();
        let mut left = limit;
        for &(key, value) in self.state_dictionary()? {
            let name = self.pickle.text(key).ok_or_else(|| syntax_error("the name of a tensor is not a string"))?;
            if !names.insert(name) {
                return Err(Error::DuplicateName { name: name.to_owned() });
            }
            let fail = |reason| Error::MalformedTensor { name: name.to_owned(), reason };
            let Some(arguments) = self.tensor_arguments(value).map_err(fail)? else { continue };
            let (storage, view) = self.view(arguments).map_err(fail)?;
            if let Element::Other(element, _) = storage.element {
                tensors.non_float.insert(name.to_owned(), element.to_owned());
                continue;
            }
            let values = self.values(&storage, &view, &mut left).map_err(fail)?;
            tensors.tensors.insert(name.to_owned(), ForeignTensor { shape: view.shape, values });
        }
        Ok(tensors)
    }

    /// The dictionary of tensors: the outermost one or, if that has no tensors, the only one with
    /// tensors among its values.
    fn state_dictionary(&self) -> Result<&[(Id, Id)], Error> {
        let root = self.pickle.root();
        let Some(items) = self.pickle.dictionary(root) else {
            return Err(syntax_error(format_args!(
                "the file contains {}, not a dictionary of tensors",
                self.describe(root)
            )));
        };
        // Each dictionary once, however often the file refers to it.
        let inner: BTreeSet<Id> = items.iter().map(|item| item.1).collect();
        let inner: Vec<_> = inner.into_iter().filter_map(|id| self.pickle.dictionary(id)).collect();
        let is_tensor = |id| self.tensor_function(id).is_some();
        let is_call = |id| matches!(self.pickle.value(id), Value::Call(..) | Value::Global(..));
        // If there are no tensors, the dictionary with other calls gives a more specific error
        // later.
        for counts in [&is_tensor as &dyn Fn(Id) -> bool, &is_call] {
            for level in [&[items][..], &inner] {
                let mut found = level.iter().filter(|items| items.iter().any(|item| counts(item.1)));
                match (found.next(), found.next()) {
                    (Some(items), None) => return Ok(items),
                    (Some(_), Some(_)) => {
                        return Err(syntax_error("the file contains more than one dictionary of tensors"));
                    }
                    _ => {}
                }
            }
        }
        Err(syntax_error("the file contains no tensors"))
    }

    /// If the value is a tensor, the function that rebuilds it and its arguments.
    fn tensor_function(&self, id: Id) -> Option<(&'a str, Id)> {
        let Value::Call(function, arguments) = *self.pickle.value(id) else { return None };
        let ("torch._utils", name) = self.pickle.global(function)? else { return None };
        if !matches!(name, "_rebuild_tensor_v2" | "_rebuild_tensor" | "_rebuild_parameter") {
            return None;
        }
        Some((name, arguments))
    }

    /// The arguments that a tensor is rebuilt from; `None` for a plain value.
    fn tensor_arguments(&self, id: Id) -> Result<Option<&[Id]>, String> {
        let tensor = match (self.tensor_function(id), self.pickle.value(id)) {
            // A parameter wraps a tensor.
            (Some(("_rebuild_parameter", arguments)), _) => {
                self.pickle.tuple(arguments).and_then(|arguments| self.tensor_function(*arguments.first()?))
            }
            (Some(tensor), _) => Some(tensor),
            (
                None,
                Value::None | Value::Boolean(_) | Value::Integer(_) | Value::Long(_) | Value::Text(_) | Value::Inert,
            ) => {
                return Ok(None);
            }
            (None, _) => return Err(format!("it is {}, not a tensor", self.describe(id))),
        };
        // Storage, offset, shape and strides; since PyTorch 0.4 also requires_grad and hooks.
        let (count, arguments) = match tensor {
            Some(("_rebuild_tensor_v2", arguments)) => (6, arguments),
            Some(("_rebuild_tensor", arguments)) => (4, arguments),
            _ => return Err("the parameter does not wrap a tensor".to_owned()),
        };
        let arguments = self.pickle.tuple(arguments).filter(|arguments| arguments.len() == count);
        arguments.map(Some).ok_or_else(|| "its arguments are not those of a tensor".to_owned())
    }

    fn view(&self, arguments: &[Id]) -> Result<(Storage<'a>, View), String> {
        let Value::Persistent(storage) = *self.pickle.value(arguments[0]) else {
            return Err("it has no storage".to_owned());
        };
        let storage = self.storage(storage)?;
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
            ("torch", class) => Element::from_class(class),
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
            Element::Other(element, _) | Element::Complex(element, _) => {
                Err(format!("element type {element} is not supported"))
            }
        }
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
            Value::Call(function, _) => format!("a call of {}", self.path(function)),
        }
    }

    /// Module and name of a class or function.
    fn path(&self, id: Id) -> String {
        self.pickle.global(id).map_or_else(|| "another call".to_owned(), |(module, name)| format!("{module}.{name}"))
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
