//! The tests of the crate, as one program: it is linked once.

mod contact_sheet;
mod report;
