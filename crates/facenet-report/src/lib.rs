#![doc = include_str!("../README.md")]

mod annotated_photo;
mod contact_sheet;
mod page;
mod provenance;
mod report;

pub use annotated_photo::{LabeledFace, annotated_photo};
pub use contact_sheet::sheet::{ContactSheet, SheetFace, SheetPhoto, SheetRun};
pub use provenance::Provenance;
pub use report::Report;
