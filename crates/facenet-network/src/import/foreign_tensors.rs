//! The tensors of another framework's file.

use std::collections::BTreeMap;

use crate::error::Error;

/// Maximum number of dimensions.
pub(super) const MAX_DIMENSIONS: usize = 8;

/// The tensors of another framework's file, with its names and layouts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForeignTensors {
    /// Floating-point tensors by name, converted to `f32`.
    pub tensors: BTreeMap<String, ForeignTensor>,
    /// Element types of all other tensors by name: integers, such as counters and shapes.
    pub non_float: BTreeMap<String, String>,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignTensor {
    /// Shape.
    pub shape: Vec<usize>,
    /// Values, row-major; their number is the product of the shape.
    pub values: Vec<f32>,
}

/// A tensor as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum DecodedTensor {
    Float(ForeignTensor),
    /// A tensor of another element type, which is named.
    Other(String),
}

/// A floating-point element type, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FloatType {
    F16,
    BF16,
    F32,
    F64,
}

impl ForeignTensors {
    /// Adds a floating-point tensor after checking its length against its shape.
    pub(super) fn insert(
        &mut self,
        name: String,
        shape: Vec<usize>,
        float: FloatType,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.check_new(&name)?;
        if shape.len() > MAX_DIMENSIONS {
            let reason = format!("it has {} dimensions, exceeding the limit of {MAX_DIMENSIONS}", shape.len());
            return Err(Error::MalformedTensor { name, reason });
        }
        let expected = shape.iter().try_fold(float.size(), |size, &side| size.checked_mul(side));
        if expected != Some(bytes.len()) {
            let reason =
                format!("it has {} bytes for shape {shape:?} and {} bytes per element", bytes.len(), float.size());
            return Err(Error::MalformedTensor { name, reason });
        }
        self.tensors.insert(name, ForeignTensor { shape, values: float.decode(bytes) });
        Ok(())
    }

    /// Records a tensor of another element type.
    pub(super) fn insert_non_float(&mut self, name: String, element: String) -> Result<(), Error> {
        self.check_new(&name)?;
        self.non_float.insert(name, element);
        Ok(())
    }

    /// Adds a tensor, or fails with the reason why it cannot be read.
    pub(super) fn insert_decoded(&mut self, name: String, decoded: Result<DecodedTensor, String>) -> Result<(), Error> {
        self.check_new(&name)?;
        match decoded {
            Ok(DecodedTensor::Float(tensor)) => drop(self.tensors.insert(name, tensor)),
            Ok(DecodedTensor::Other(element)) => drop(self.non_float.insert(name, element)),
            Err(reason) => return Err(Error::MalformedTensor { name, reason }),
        }
        Ok(())
    }

    fn check_new(&self, name: &str) -> Result<(), Error> {
        if self.tensors.contains_key(name) || self.non_float.contains_key(name) {
            return Err(Error::DuplicateName { name: name.to_owned() });
        }
        Ok(())
    }
}

impl FloatType {
    pub(super) fn size(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Converts to `f32`: exact except for `F64`, which is rounded.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => bytes.as_chunks().0.iter().map(|bytes| half(u16::from_le_bytes(*bytes))).collect(),
            Self::BF16 => {
                let upper_half = |bytes: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
                bytes.as_chunks().0.iter().map(upper_half).collect()
            }
            Self::F32 => bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            Self::F64 => bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        }
    }
}

/// Converts from half precision.
///
/// ```text
/// sign 1 bit, exponent e 5 bits, fraction f 10 bits
/// e = 0: f 2^-24      e = 31: infinite, or NaN if f > 0      else: (1 + f / 1024) 2^(e - 15)
/// ```
///
/// Source: IEEE 754-2008, section 3.4.
fn half(bits: u16) -> f32 {
    let [exponent, fraction] = [bits >> 10 & 0x1f, bits & 0x3ff].map(u32::from);
    let magnitude = match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        31 => f32::from_bits(0xff << 23 | fraction << 13),
        _ => f32::from_bits((exponent + 127 - 15) << 23 | fraction << 13),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All 65,536 values against the formula in `f64`.
    #[test]
    fn every_half_precision_value_is_exact() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
            let magnitude = match exponent {
                0 => fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
            };
            let expected = if bits & 0x8000 == 0 { magnitude } else { -magnitude };
            let found = f64::from(half(bits));
            assert!(found == expected || found.is_nan() && expected.is_nan(), "{bits:#06x}: {found}, not {expected}");
            assert_eq!(half(bits).is_sign_negative(), bits & 0x8000 != 0, "{bits:#06x}");
        }
    }

    #[test]
    fn other_types_are_converted_as_by_rust() {
        assert_eq!(FloatType::BF16.decode(&[0x80, 0x3f, 0x49, 0xc0]), [1.0, -3.140_625]);
        let bytes = [1.5f64, 1e-300, 0.1, 1e300].map(f64::to_le_bytes).concat();
        assert_eq!(FloatType::F64.decode(&bytes), [1.5, 0.0, 0.1, f32::INFINITY]);
        let bytes = [1.5f32, -0.1].map(f32::to_le_bytes).concat();
        assert_eq!(FloatType::F32.decode(&bytes), [1.5, -0.1]);
    }
}
