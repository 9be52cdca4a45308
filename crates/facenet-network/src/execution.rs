//! Running a plan: activation memory, the forward and backward pass, the thread pool.

pub(crate) mod mode;
pub(crate) mod pass;
pub(crate) mod slot_buffers;
pub(crate) mod thread_pool;
pub(crate) mod workspace;
