//! Whether a gradient overwrites its destination or is added to it.

/// Whether a gradient overwrites its destination or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulation {
    /// Overwrite: this is the first gradient to arrive.
    Set,
    /// Add: the operand has other consumers, whose gradients are already there.
    Add,
}
