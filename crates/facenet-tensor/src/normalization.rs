//! Normalization across pixels, channels and rows.

pub(crate) mod batch_norm;
pub(crate) mod l2_normalize;
pub(crate) mod local_response_norm;
