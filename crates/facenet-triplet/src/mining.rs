pub(crate) mod batch;
pub(crate) mod batch_all;
pub(crate) mod batch_hard;
pub(crate) mod kind;
pub(crate) mod miner;
pub(crate) mod semi_hard;
