//! Operations of a frozen network.

use facenet_tensor::{PackedConvolution, PackedDepthwise, PackedSeparable};
use ndarray::Array1;

use crate::plan::operation::{ChannelSlice, Operation};

/// An operation of a plan, convolutions and fully connected layers fused with what follows them.
#[derive(Clone, Debug)]
pub(super) enum FrozenOperation<T> {
    Convolution {
        x: ChannelSlice,
        y: ChannelSlice,
        /// Added before the activation.
        residual: Option<ChannelSlice>,
        kernel: PackedConvolution<T>,
    },
    /// Convolutions that read the same input.
    Siblings {
        x: ChannelSlice,
        outputs: Vec<ChannelSlice>,
        kernel: PackedConvolution<T>,
    },
    Linear {
        x: ChannelSlice,
        y: ChannelSlice,
        kernel: PackedConvolution<T>,
    },
    Depthwise {
        x: ChannelSlice,
        y: ChannelSlice,
        kernel: PackedDepthwise<T>,
    },
    /// A 1x1 convolution, the depthwise convolution of its result, and possibly a max pooling.
    Separable {
        x: ChannelSlice,
        y: ChannelSlice,
        kernel: PackedSeparable<T>,
    },
    /// `y = residual + scale * gate * x`: the end of a residual block with squeeze and excitation.
    GatedSum {
        x: ChannelSlice,
        gate: ChannelSlice,
        scale: T,
        residual: ChannelSlice,
        y: ChannelSlice,
    },
    /// PReLU that could not be fused.
    PRelu {
        x: ChannelSlice,
        y: ChannelSlice,
        slope: Array1<T>,
    },
    WithoutParameters(Operation),
}

impl<T> FrozenOperation<T> {
    /// All slices that the operation reads or writes; outputs come last.
    pub(super) fn slices(&self) -> Vec<ChannelSlice> {
        match self {
            Self::Convolution { x, y, residual, .. } => {
                [Some(x), residual.as_ref(), Some(y)].into_iter().flatten().cloned().collect()
            }
            Self::Siblings { x, outputs, .. } => std::iter::once(x).chain(outputs).cloned().collect(),
            Self::GatedSum { x, gate, residual, y, .. } => [x, gate, residual, y].into_iter().cloned().collect(),
            Self::Linear { x, y, .. }
            | Self::Depthwise { x, y, .. }
            | Self::Separable { x, y, .. }
            | Self::PRelu { x, y, .. } => vec![x.clone(), y.clone()],
            Self::WithoutParameters(operation) => operation.slices(),
        }
    }

    /// The slices that the operation writes.
    pub(super) fn outputs(&self) -> Vec<ChannelSlice> {
        match self {
            Self::Siblings { outputs, .. } => outputs.clone(),
            other => other.slices().split_off(other.slices().len() - 1),
        }
    }

    /// The slots that the operation reads or writes.
    pub(super) fn slots(&self) -> Vec<usize> {
        self.slices().iter().map(|slice| slice.slot).collect()
    }
}
