//! Operations that split and join the branches of a network.

pub(crate) mod channel_scale;
pub(crate) mod concatenate;
pub(crate) mod flatten;
pub(crate) mod scaled_sum;
pub(crate) mod upsample;
pub(crate) mod zero_pad;
