//! Hashes of weights and networks.

use std::fmt::Write;

use facenet_network::{Description, Network, Parameters};
use sha2::{Digest, Sha256};

/// The SHA-256 of a network's weights in hexadecimal: over the little-endian bytes of all
/// parameters, then of all statistics. Two runs of a recipe have the same hash if and only if they
/// learned the same weights.
#[must_use]
pub fn weights_sha256(network: &Network<f32>) -> String {
    let mut hash = Sha256::new();
    let mut add = |values: &Parameters<f32>| {
        for chunk in values.values.chunks(1 << 14) {
            let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
            hash.update(&bytes);
        }
    };
    add(&network.parameters);
    add(&network.statistics);
    hexadecimal(hash)
}

/// The SHA-256 of a network's description in TOML, in hexadecimal.
#[must_use]
pub fn network_sha256(description: &Description) -> String {
    hexadecimal(Sha256::new_with_prefix(description.to_toml()))
}

/// A finished hash in hexadecimal.
pub(crate) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
