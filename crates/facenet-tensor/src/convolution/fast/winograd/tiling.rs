//! Which convolutions use a Winograd transform, and with which tiles.

use crate::simd::lanes::LANES;
use crate::window::Window;

/// The tile size of a Winograd convolution, in outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::convolution) enum Tiling {
    /// F(2x2), for training and for inference on small maps.
    TwoByTwo,
    /// F(4x4), for inference: its rounding errors are about three times larger.
    FourByFour,
}

impl Tiling {
    /// The tiling for inference, if profitable. Small maps get small tiles: they would be padded to
    /// whole large ones, and read more weights for few pixels.
    pub fn for_inference(window: Window, channels: [usize; 2], output: [usize; 2]) -> Option<Self> {
        let tiling = if output.iter().all(|&size| size > 8) { Self::FourByFour } else { Self::TwoByTwo };
        Self::is_profitable(window, channels, output).then_some(tiling)
    }

    /// Whether a Winograd transform is faster than the direct sum. Depends on shapes only, and not
    /// on the batch size: an image has the same outputs in any batch.
    pub fn is_profitable(window: Window, channels: [usize; 2], output: [usize; 2]) -> bool {
        // With fewer channels the transforms cost more than they save. Small maps leave tiles half
        // empty, and the transformed weights, which are larger than the original ones, are read for
        // few pixels.
        window.kernel == [3, 3]
            && window.stride == [1, 1]
            && window.padding.iter().all(|&padding| padding <= 2)
            && channels.iter().all(|&channels| channels >= 16)
            && output.iter().all(|&size| size >= 6)
    }

    fn points(self) -> usize {
        match self {
            Self::TwoByTwo => 16,
            Self::FourByFour => 36,
        }
    }

    /// The length of packed weights.
    pub fn packed_length(self, [inputs, outputs]: [usize; 2]) -> usize {
        outputs.div_ceil(LANES) * self.points() * inputs * LANES + inputs
    }
}
