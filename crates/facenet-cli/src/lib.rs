#![doc = include_str!("../README.md")]

pub mod arguments;
pub mod commands;
pub mod failure;
pub mod folders;
pub mod output;

/// The program with its version, the commit and the compiler it was built from.
pub const PROGRAM: &str = env!("FACENET_PROGRAM");
