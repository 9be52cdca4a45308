//! Fixtures that tests of several crates share, one subject per file.
//!
//! The tests beside `src` cross crates. Tests that run a program belong to the package of that
//! program (`xtask`, `facenet-cli`), since cargo gives the path of a binary only to those.

mod browser;
mod data;
mod images;
mod olivetti;
mod program;
mod recipe;
mod server;

pub use browser::{Browser, Theme};
pub use data::data;
pub use images::{write_image, write_people};
pub use olivetti::{matlab_file, olivetti_file, olivetti_gray};
pub use program::{Finished, Program};
pub use recipe::TINY_RECIPE;
pub use server::{Request, Server, respond, serve};
