//! Weights in the order in which a forward kernel reads them.

use crate::convolution::fast::winograd::tiling::Tiling;
use crate::memory::aligned_vec::AlignedVec;

/// Weights in the order in which a forward kernel reads them.
#[derive(Clone, Debug)]
pub struct PackedWeights<T> {
    pub(super) elements: AlignedVec<T>,
    /// How many zeros follow the weights; the kernel reads them where a tap is in the padding.
    pub(super) trailing_zeros: usize,
    /// The tiles of a Winograd convolution; `None` for a direct one.
    pub(super) tiling: Option<Tiling>,
}

impl<T: Copy + Default> PackedWeights<T> {
    /// Whether the weights can be joined with others of the same window and inputs.
    pub(crate) fn can_join(&self, other: &Self) -> bool {
        self.tiling.is_none() && other.tiling.is_none()
    }

    /// Joins the weights of direct convolutions that read the same images.
    pub(crate) fn join(all: &[&Self]) -> Self {
        let trailing_zeros = all[0].trailing_zeros;
        let length = |weights: &&Self| weights.elements.len() - weights.trailing_zeros;
        let mut elements = AlignedVec::zeros(all.iter().map(length).sum::<usize>() + trailing_zeros);
        let mut rest = &mut elements[..];
        for weights in all {
            let target;
            (target, rest) = rest.split_at_mut(length(weights));
            target.copy_from_slice(&weights.elements[..target.len()]);
        }
        Self { elements, trailing_zeros, tiling: None }
    }
}
