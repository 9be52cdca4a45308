#![doc = include_str!("../README.md")]

mod atomic_file;
mod error;

pub use atomic_file::write_atomically;
pub use error::Error;
