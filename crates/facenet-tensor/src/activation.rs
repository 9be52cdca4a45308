//! Activation functions.

pub(crate) mod maxout;
pub(crate) mod prelu;
pub(crate) mod relu;
pub(crate) mod sigmoid;
