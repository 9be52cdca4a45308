//! Data augmentation.

mod affine_map;
pub(crate) mod augmentation;
