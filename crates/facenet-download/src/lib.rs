#![doc = include_str!("../README.md")]

mod archive;
mod catalogue;
mod error;
mod event;
mod file_set;
mod install;
mod installation;
mod report;
mod transfer;

pub use catalogue::{NAMES, file_set};
pub use error::{ArchiveEnd, EntryError, Error, FailedAddress, FetchError, ImageCount, MatrixError};
pub use event::Event;
pub use file_set::{ArchiveFormat, FileSet, Layout, RemoteFile, Size};
pub use install::install;
pub use installation::{FileState, Source};
pub use report::{FileReport, Report};
pub use transfer::Client;
