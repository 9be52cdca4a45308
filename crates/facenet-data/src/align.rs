//! Face alignment: landmarks, the similarity transform between two sets of them, and warping.

pub(crate) mod landmarks;
pub(crate) mod similarity_transform;
pub(crate) mod warp;
