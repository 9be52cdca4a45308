//! Files of weights.

pub(crate) mod checkpoint_file;
pub(crate) mod default_networks;
pub(crate) mod weights_file;
