#![doc = include_str!("../README.md")]

mod contact_sheet;
mod page;
mod provenance;
mod report;

pub use contact_sheet::sheet::{ContactSheet, SheetImage, SheetRun};
pub use provenance::Provenance;
pub use report::Report;
