//! Safetensors files of any tensors.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Deserialize;
use serde_json::Value;

use super::foreign_tensors::{FloatType, ForeignTensors};
use crate::Error;
use crate::checkpoint::{split_header, syntax};

const METADATA: &str = "__metadata__";

impl ForeignTensors {
    /// Reads a safetensors file: F16, BF16, F32 and F64 become `f32`.
    ///
    /// # Errors
    ///
    /// If the bytes are no safetensors file, or its tensors don't lie one after the other up to its end.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let (header, data) = split_header(bytes)?;
        let header: BTreeMap<String, Value> = serde_json::from_slice(header).map_err(syntax)?;
        let mut infos = Vec::new();
        for (name, info) in header.into_iter().filter(|(name, _)| name != METADATA) {
            match TensorInfo::deserialize(info) {
                Ok(info) => infos.push((name, info)),
                Err(error) => return Err(Error::MalformedTensor { name, reason: error.to_string() }),
            }
        }
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
                _ => {
                    tensors.insert_other(name, dtype.to_string())?;
                    continue;
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
