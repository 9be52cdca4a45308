//! Calibrations of published weights.

use facenet_metrics::Calibration;
use facenet_network::{Network, built_in};

use crate::hash::weights_sha256;

/// A built-in network with published weights.
struct Published {
    /// The name of the network.
    network: &'static str,
    /// The [`weights_sha256`] of the published weights.
    weights_sha256: &'static str,
    /// Fitted on the 2,200 pairs of LFW's `pairsDevTrain.txt`, with faces aligned by LFW's landmark
    /// list, as `cargo xtask evaluate lfw --view 1` reports it.
    calibration: Calibration,
}

const PUBLISHED: [Published; 2] = [
    Published {
        network: "face_reidentification_retail_0095",
        weights_sha256: "89d8af4d8b233e30759b5b47178475908ec0995feab6f1e13ca45fce1aac8a22",
        calibration: Calibration { threshold: 1.381_840, slope: 12.015_877 },
    },
    Published {
        network: "mobilefacenet_y1",
        weights_sha256: "2c4bd1eb58915caf8a4fe3531ce4d50e4b6968fd423e91d8e3d84eba59fe85f4",
        calibration: Calibration { threshold: 1.408_138, slope: 12.232_176 },
    },
];

/// The calibration of a network that equals a published one bit for bit.
pub(crate) fn published_calibration(network: &Network<f32>) -> Option<Calibration> {
    let name = &network.description().name;
    let published = PUBLISHED.iter().find(|published| published.network == name)?;
    let same =
        built_in(name).as_ref() == Some(network.description()) && weights_sha256(network) == published.weights_sha256;
    same.then_some(published.calibration)
}
