//! Safetensors files with arbitrary tensors.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Deserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};

use crate::error::Error;
use crate::import::foreign_tensors::{FloatType, ForeignTensors};
use crate::safetensors_header::{split_header, syntax_error};

const METADATA: &str = "__metadata__";

impl ForeignTensors {
    /// Reads a safetensors file. F16, BF16, F32 and F64 are converted to `f32`; of integers and
    /// booleans only names and types are kept.
    ///
    /// # Errors
    ///
    /// If the bytes are not a safetensors file, two tensors have the same name, an element type is
    /// not supported, or the tensors do not cover the file without gaps or overlaps.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let (header, data) = split_header(bytes)?;
        let mut infos: Vec<_> = Header::read(header)?.into_iter().collect();
        infos.sort_by_key(|(_, info)| info.data_offsets);
        let (mut tensors, mut next) = (Self::default(), 0);
        for (name, TensorInfo { dtype, shape, data_offsets: (start, end) }) in infos {
            if start != next {
                let reason = format!("it starts at byte {start}, the previous tensor ends at {next}");
                return Err(Error::MalformedTensor { name, reason });
            }
            let Some(bytes) = data.get(start..end) else {
                let reason = format!("its bytes {start}..{end} exceed the {} bytes of tensor data", data.len());
                return Err(Error::MalformedTensor { name, reason });
            };
            next = end;
            let float = match dtype {
                Dtype::F16 => FloatType::F16,
                Dtype::BF16 => FloatType::BF16,
                Dtype::F32 => FloatType::F32,
                Dtype::F64 => FloatType::F64,
                Dtype::BOOL
                | Dtype::U8
                | Dtype::I8
                | Dtype::U16
                | Dtype::I16
                | Dtype::U32
                | Dtype::I32
                | Dtype::U64
                | Dtype::I64 => {
                    tensors.insert_non_float(name, dtype.to_string())?;
                    continue;
                }
                _ => {
                    let reason = format!("element type {dtype} is not supported");
                    return Err(Error::MalformedTensor { name, reason });
                }
            };
            tensors.insert(name, shape, float, bytes)?;
        }
        if next != data.len() {
            return Err(syntax_error(format_args!(
                "the file has {} bytes of tensor data, its header describes {next}",
                data.len()
            )));
        }
        Ok(tensors)
    }
}

/// A header, read tensor by tensor. A tree of the whole JSON would take a hundred times its length
/// in memory.
#[derive(Default)]
struct Header {
    infos: BTreeMap<String, TensorInfo>,
    has_metadata: bool,
    /// Why the header was refused, if not for a JSON error.
    refused: Option<Error>,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<BTreeMap<String, TensorInfo>, Error> {
        let mut header = Self::default();
        let mut json = serde_json::Deserializer::from_slice(bytes);
        match json.deserialize_map(&mut header).and_then(|()| json.end()) {
            Ok(()) => Ok(header.infos),
            Err(error) => Err(header.refused.unwrap_or_else(|| syntax_error(error))),
        }
    }

    fn entry<'de, A: MapAccess<'de>>(&mut self, name: String, entries: &mut A) -> Result<(), Error> {
        if name == METADATA {
            if std::mem::replace(&mut self.has_metadata, true) {
                return Err(Error::DuplicateName { name });
            }
            return entries.next_value().map(|IgnoredAny| ()).map_err(syntax_error);
        }
        match self.infos.entry(name) {
            Entry::Occupied(entry) => Err(Error::DuplicateName { name: entry.key().clone() }),
            Entry::Vacant(entry) => match entries.next_value() {
                Ok(info) => {
                    entry.insert(info);
                    Ok(())
                }
                Err(error) => Err(Error::MalformedTensor { name: entry.into_key(), reason: error.to_string() }),
            },
        }
    }
}

impl<'de> Visitor<'de> for &mut Header {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(name) = entries.next_key()? {
            if let Err(error) = self.entry(name, &mut entries) {
                self.refused = Some(error);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}
