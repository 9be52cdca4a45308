//! The tests of the program, as one program of their own: it is linked once.

mod command_line;
mod determinism;
mod download;
mod faults;
mod report;
