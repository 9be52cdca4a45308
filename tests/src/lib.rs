//! Tests that cross crates; each file beside `src` is one subject.
