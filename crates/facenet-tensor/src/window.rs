//! The sliding window of a convolution or pooling.

use std::ops::Range;

/// The sliding window of a convolution or pooling. Arrays hold the vertical value first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Rows of padding above and below, columns of padding left and right.
    pub padding: [usize; 2],
}

impl Window {
    /// A window with the same kernel size, stride and padding in both directions.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] }
    }

    /// Height and width of the output for an input of this height and width; `None` if the kernel
    /// does not fit.
    ///
    /// ```text
    /// output = floor((input + 2 padding - kernel) / stride) + 1
    /// ```
    pub fn output(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let side = |axis: usize| {
            let padded = input[axis].checked_add(self.padding[axis].checked_mul(2)?)?;
            let free = padded.checked_sub(self.kernel[axis])?;
            Some(free.checked_div(self.stride[axis])? + 1)
        };
        Some([side(0)?, side(1)?])
    }

    /// The range of kernel positions along `axis` that fall inside the input at output `position`,
    /// and the input position that the first of them reads.
    pub(crate) fn taps(&self, axis: usize, position: usize, input: usize) -> (Range<usize>, usize) {
        let origin = position * self.stride[axis];
        let padding = self.padding[axis];
        let first = padding.saturating_sub(origin).min(self.kernel[axis]);
        let last = (input + padding).saturating_sub(origin).min(self.kernel[axis]).max(first);
        (first..last, (origin + first).saturating_sub(padding))
    }
}
