//! Modules of the crate that depend on no other, with their unit tests.
#![expect(dead_code, reason = "the tests call some of the functions")]

#[path = "../../src/memory/aligned_vec.rs"]
mod aligned_vec;
#[path = "../../src/simd/level.rs"]
mod level;
#[path = "../../src/convolution/fast/partition.rs"]
mod partition;
