//! The tests of the crate, as one program: it is linked once.

mod checkpoint;
mod description;
mod foreign_file;
mod frozen;
mod gradients;
mod import;
mod initializer;
mod network;
mod networks;
mod optimizer;
mod pytorch;
mod pytorch_file;
mod thread_pool;
