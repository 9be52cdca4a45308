//! What gradients do with what is there already.

/// What a gradient does with what its place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulation {
    /// It is written over: this gradient is the first.
    Set,
    /// It is added to: the operand went into other operations as well, whose gradients are there.
    Add,
}
