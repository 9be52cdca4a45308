//! The two number types of the crate.

use ndarray::NdFloat;

/// `f32` or `f64`. `f32` runs the fast kernels, `f64` the plain operations that gradient checks need.
///
/// Sealed: the kernels are written for these two.
pub trait Scalar: NdFloat + Default + std::iter::Sum + sealed::Kernels {
    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
    /// This number, exactly.
    fn to_f64(self) -> f64;
}

impl Scalar for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
}

pub(crate) mod sealed {
    use ndarray::{ArrayView3, ArrayView4, ArrayViewMut4};

    use crate::convolution::{PackedOutput, PackedWeights};
    use crate::packed::Epilogue;
    use crate::simd::Level;
    use crate::{Accumulation, Scratch, Window};

    /// What differs between the two types: convolutions, and with them all products.
    pub trait Kernels: Sized {
        fn convolution_forward(
            level: Level,
            x: ArrayView4<'_, Self>,
            weight: ArrayView4<'_, Self>,
            window: Window,
            y: ArrayViewMut4<'_, Self>,
            scratch: &mut Scratch<Self>,
        );

        /// Weights as [`packed_forward`](Self::packed_forward) reads them, best for images of this height and width.
        fn pack(weight: ArrayView4<'_, Self>, window: Window, images: [usize; 2]) -> PackedWeights<Self>;

        fn packed_forward(
            level: Level,
            x: ArrayView4<'_, Self>,
            packed: &PackedWeights<Self>,
            window: Window,
            outputs: &mut [PackedOutput<'_, Self>],
        );

        fn depthwise_forward(
            level: Level,
            x: ArrayView4<'_, Self>,
            weight: ArrayView3<'_, Self>,
            window: Window,
            epilogue: Option<&Epilogue<Self>>,
            y: ArrayViewMut4<'_, Self>,
        );

        fn convolution_backward_input(
            level: Level,
            dy: ArrayView4<'_, Self>,
            weight: ArrayView4<'_, Self>,
            window: Window,
            accumulation: Accumulation,
            dx: ArrayViewMut4<'_, Self>,
            scratch: &mut Scratch<Self>,
        );

        fn convolution_backward_weight(
            level: Level,
            x: ArrayView4<'_, Self>,
            dy: ArrayView4<'_, Self>,
            window: Window,
            dweight: ArrayViewMut4<'_, Self>,
            scratch: &mut Scratch<Self>,
        );
    }
}
