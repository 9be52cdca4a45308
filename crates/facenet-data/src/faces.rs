//! Extracting faces of one size from images.

pub(crate) mod crop;
pub(crate) mod extraction;
pub(crate) mod load;
