//! Safetensors files of any tensors.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Deserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};

use super::foreign_tensors::{FloatType, ForeignTensors};
use crate::Error;
use crate::checkpoint::{split_header, syntax};

const METADATA: &str = "__metadata__";

impl ForeignTensors {
    /// Reads a safetensors file: F16, BF16, F32 and F64 become `f32`; integers and truth values are none of a network's
    /// numbers, and are only named.
    ///
    /// # Errors
    ///
    /// If the bytes are no safetensors file, if it has two tensors of one name or one of another element type, or if its
    /// tensors don't lie one after the other up to its end.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let (header, data) = split_header(bytes)?;
        let mut infos: Vec<_> = Header::read(header)?.into_iter().collect();
        infos.sort_by_key(|(_, info)| info.data_offsets);
        let (mut tensors, mut next) = (Self::default(), 0);
        for (name, TensorInfo { dtype, shape, data_offsets: (start, end) }) in infos {
            if start != next {
                let reason = format!("it starts at byte {start}, but the one before ends at {next}");
                return Err(Error::MalformedTensor { name, reason });
            }
            let Some(bytes) = data.get(start..end) else {
                let reason = format!("its bytes {start}..{end} are not within the {} of the file", data.len());
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
                    tensors.insert_other(name, dtype.to_string())?;
                    continue;
                }
                _ => {
                    let reason = format!("its element type {dtype} is not read");
                    return Err(Error::MalformedTensor { name, reason });
                }
            };
            tensors.insert(name, shape, float, bytes)?;
        }
        if next != data.len() {
            return Err(syntax(format_args!("it has {} bytes of numbers, not {next}", data.len())));
        }
        Ok(tensors)
    }
}

/// What is read of a header, tensor by tensor. A tree of all that its JSON can say would take a hundred times its bytes.
#[derive(Default)]
struct Header {
    infos: BTreeMap<String, TensorInfo>,
    has_metadata: bool,
    /// Why it is refused, where that is no matter of JSON.
    refused: Option<Error>,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<BTreeMap<String, TensorInfo>, Error> {
        let mut header = Self::default();
        let mut json = serde_json::Deserializer::from_slice(bytes);
        match json.deserialize_map(&mut header).and_then(|()| json.end()) {
            Ok(()) => Ok(header.infos),
            Err(error) => Err(header.refused.unwrap_or_else(|| syntax(error))),
        }
    }

    fn entry<'de, A: MapAccess<'de>>(&mut self, name: String, entries: &mut A) -> Result<(), Error> {
        if name == METADATA {
            if std::mem::replace(&mut self.has_metadata, true) {
                return Err(Error::DuplicateName { name });
            }
            return entries.next_value().map(|IgnoredAny| ()).map_err(syntax);
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
        formatter.write_str("tensors by name")
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
