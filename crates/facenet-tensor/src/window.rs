//! Where a kernel slides over an image.

/// The window that a convolution or a pooling slides over an image: height before width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps between two neighbouring outputs, down and right.
    pub stride: [usize; 2],
    /// Rows and columns of padding on each side.
    pub padding: [usize; 2],
}

impl Window {
    /// A window with equal sides.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] }
    }

    /// Height and width of the output for an input of this height and width, `None` where the kernel does not fit.
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

    /// The range of kernel positions along `axis` for which output `position` reads inside the input, and the input
    /// position that the first of them reads.
    pub(crate) fn taps(&self, axis: usize, position: usize, input: usize) -> (std::ops::Range<usize>, usize) {
        let origin = position * self.stride[axis];
        let padding = self.padding[axis];
        let first = padding.saturating_sub(origin).min(self.kernel[axis]);
        let last = (input + padding).saturating_sub(origin).min(self.kernel[axis]).max(first);
        (first..last, (origin + first).saturating_sub(padding))
    }
}
