//! Pooling over windows and over whole images.

pub(crate) mod average_pool;
pub(crate) mod global_average_pool;
pub(crate) mod l2_pool;
pub(crate) mod max_pool;
mod windows;
