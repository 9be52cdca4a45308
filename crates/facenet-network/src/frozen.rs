//! Networks for inference only.

pub(crate) mod frozen_network;
mod fusion;
mod operation;
mod separable;
mod siblings;
