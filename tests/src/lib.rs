//! What the tests that cross crates share; each file beside `src` is one subject.
//!
//! `pipeline`, `golden`, `networks`, `weights`, `landmark_network` and `pair_list` belong to this package; `determinism`,
//! `faults`, `command_line`, `download`, `report`, `cluster`, `portraits` and `people` run the program `xtask` and belong to its package.

mod browser;
mod olivetti;
mod people;
mod program;
mod server;

pub use browser::{Browser, Theme};
pub use olivetti::{matlab_file, olivetti_file, olivetti_grey};
pub use people::{TINY_RECIPE, data, write_people, write_picture};
pub use program::{Finished, Program};
pub use server::{Request, Server, respond, serve};
