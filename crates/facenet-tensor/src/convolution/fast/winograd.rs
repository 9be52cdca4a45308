//! 3x3 convolutions at stride 1 with fewer multiplications, by minimal filtering.
//!
//! After Winograd (1980) and Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"
//! (2016). The outputs of a tile are evaluated at as many points of a polynomial product as the
//! tile has inputs: inputs and weights are transformed, multiplied point by point and summed over
//! channels, and the sums are transformed back:
//!
//! ```text
//! y = A^T [ sum over channels of (G w G^T) * (B^T x B) ] A
//! ```
//!
//! F(4x4) takes 36 multiplications for 16 outputs where the direct sum takes 144; F(2x2) takes 16
//! for 4 outputs instead of 36, with rounding errors nearly as small as those of the direct sum. A
//! task transforms some tiles, multiplies them by one matrix of weights per point with the same
//! register tiles as all other products, and transforms back; its working set stays in the L2
//! cache. The weight gradient is the same product seen from the other side:
//!
//! ```text
//! dweight = G^T [ sum over tiles of (B^T x B) * (A dy A^T) ] G
//! ```

pub(super) mod forward;
pub(super) mod pack;
mod tiles;
pub(in crate::convolution) mod tiling;
mod transforms;
pub(super) mod weight_gradient;
