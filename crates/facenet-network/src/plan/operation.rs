//! The operations that a plan is made of, and the slots they read and write.

use std::ops::Range;

use facenet_tensor::{LocalResponseNormParameters, Window};

use crate::description::layer::PoolKind;

/// The slot of the network's input.
pub(crate) const INPUT: usize = 0;

/// A range of a slot's channels, which an operation reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelSlice {
    pub(crate) slot: usize,
    pub(crate) channels: Range<usize>,
}

/// One step of the network. Parameters and statistics are indices into their tables. Operations
/// with only a `y` work in place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operation {
    Convolution {
        x: ChannelSlice,
        y: ChannelSlice,
        weight: usize,
        window: Window,
    },
    Depthwise {
        x: ChannelSlice,
        y: ChannelSlice,
        weight: usize,
        window: Window,
    },
    Linear {
        x: ChannelSlice,
        y: ChannelSlice,
        weight: usize,
    },
    Bias {
        y: ChannelSlice,
        bias: usize,
    },
    /// Batch normalization, followed by ReLU if `rectified`.
    BatchNorm {
        x: ChannelSlice,
        y: ChannelSlice,
        scale: usize,
        shift: usize,
        mean: usize,
        variance: usize,
        rectified: bool,
    },
    Relu {
        y: ChannelSlice,
    },
    Sigmoid {
        y: ChannelSlice,
    },
    PRelu {
        x: ChannelSlice,
        y: ChannelSlice,
        slope: usize,
    },
    LocalResponseNorm {
        x: ChannelSlice,
        y: ChannelSlice,
        parameters: LocalResponseNormParameters,
    },
    Maxout {
        x: ChannelSlice,
        y: ChannelSlice,
        pieces: usize,
    },
    Pool {
        x: ChannelSlice,
        y: ChannelSlice,
        kind: PoolKind,
        window: Window,
    },
    GlobalAveragePool {
        x: ChannelSlice,
        y: ChannelSlice,
    },
    Dropout {
        x: ChannelSlice,
        y: ChannelSlice,
        rate: f64,
        layer: u64,
    },
    ScaledSum {
        x: ChannelSlice,
        branch: ChannelSlice,
        y: ChannelSlice,
        scale: f64,
    },
    ChannelScale {
        x: ChannelSlice,
        gate: ChannelSlice,
        y: ChannelSlice,
    },
    ZeroPad {
        x: ChannelSlice,
        y: ChannelSlice,
        before: [usize; 2],
    },
    Upsample {
        x: ChannelSlice,
        y: ChannelSlice,
        factor: usize,
    },
    /// Copies images to a range of one row per image.
    Flatten {
        x: ChannelSlice,
        y: ChannelSlice,
    },
    L2Normalize {
        x: ChannelSlice,
        y: ChannelSlice,
    },
}

impl Operation {
    /// Copies `x` to `y`: zero padding of width 0.
    pub(crate) fn copy(x: ChannelSlice, y: ChannelSlice) -> Self {
        Self::ZeroPad { x, y, before: [0; 2] }
    }

    /// The slices whose gradients the operation can overwrite instead of adding to zeros, if no
    /// other operation has written them yet.
    pub(crate) fn overwritable_gradients(&self) -> [Option<&ChannelSlice>; 2] {
        match self {
            Self::Convolution { x, .. } | Self::Linear { x, .. } | Self::BatchNorm { x, .. } if x.slot != INPUT => {
                [Some(x), None]
            }
            Self::ScaledSum { x, branch, .. } if x.slot != branch.slot => [Some(x), Some(branch)],
            _ => [None, None],
        }
    }

    /// All slices that the operation reads or writes; the output is the last.
    pub(crate) fn slices(&self) -> Vec<ChannelSlice> {
        self.clone().slices_mut().map(|slice| slice.clone()).collect()
    }

    /// As [`Operation::slices`], to be redirected.
    pub(crate) fn slices_mut(&mut self) -> impl Iterator<Item = &mut ChannelSlice> {
        let (x, other, y) = match self {
            Self::Bias { y, .. } | Self::Relu { y } | Self::Sigmoid { y } => (None, None, y),
            Self::ScaledSum { x, branch: other, y, .. } | Self::ChannelScale { x, gate: other, y } => {
                (Some(x), Some(other), y)
            }
            Self::Convolution { x, y, .. }
            | Self::Depthwise { x, y, .. }
            | Self::Linear { x, y, .. }
            | Self::BatchNorm { x, y, .. }
            | Self::PRelu { x, y, .. }
            | Self::LocalResponseNorm { x, y, .. }
            | Self::Maxout { x, y, .. }
            | Self::Pool { x, y, .. }
            | Self::GlobalAveragePool { x, y }
            | Self::Dropout { x, y, .. }
            | Self::ZeroPad { x, y, .. }
            | Self::Upsample { x, y, .. }
            | Self::Flatten { x, y }
            | Self::L2Normalize { x, y } => (Some(x), None, y),
        };
        [x, other, Some(y)].into_iter().flatten()
    }
}
