//! Limits on what a description may ask for, so that a hostile one cannot exhaust memory.

pub(crate) const LAYERS: usize = 10_000;
/// Height and width of inputs and padded outputs, in pixels.
pub(crate) const SIDE: usize = 4_096;
pub(crate) const CHANNELS: usize = 65_536;
/// Height, width and stride of a window.
pub(crate) const WINDOW: usize = 1_024;
/// Elements of a window.
pub(crate) const TAPS: usize = 1 << 14;
/// Bytes of a parameter's full name.
pub(crate) const NAME: usize = 200;
/// Smallest epsilon of batch normalization, which a variance of 0 is divided by.
pub(crate) const EPSILON: f64 = 1e-12;
/// Smallest extent of an alignment template along its longer axis, in pixels.
pub(crate) const TEMPLATE: f32 = 1.0;
pub(crate) const PARAMETERS: usize = 1 << 30;
/// Elements of all activations, per face.
pub(crate) const ACTIVATIONS: usize = 1 << 28;
