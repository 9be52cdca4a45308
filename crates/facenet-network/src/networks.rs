//! The built-in networks: one TOML file each in the folder `networks`.

pub(crate) mod paper;

use crate::description::Description;

/// Names of the built-in embedding networks, those of the paper first.
pub const NETWORKS: [&str; 12] = [
    "nn1",
    "nn2",
    "nn3",
    "nn4",
    "nns1",
    "nns2",
    "nn4_small2",
    "openface_nn4_small2_v1",
    "inception_resnet_v1",
    "mobilefacenet_y1",
    "face_reidentification_retail_0095",
    "compact_inception",
];

/// Name of the built-in network that locates five facial landmarks. It computes no embeddings and
/// is not one of [`NETWORKS`].
pub const LANDMARK_NETWORK: &str = "landmarks_regression_retail_0009";

/// Name of the built-in face detector.
pub const DETECTOR: &str = "yunet_n";

/// TOML description of a built-in network, one of [`NETWORKS`], [`LANDMARK_NETWORK`] or [`DETECTOR`]. Its
/// comments give the sources.
///
/// `None` for unknown names and for `nn3`, which is `nn2` with another input size.
#[must_use]
pub fn built_in_toml(name: &str) -> Option<&'static str> {
    Some(match name {
        "nn1" => include_str!("networks/nn1.toml"),
        "nn2" => include_str!("networks/nn2.toml"),
        "nn4" => include_str!("networks/nn4.toml"),
        "nns1" => include_str!("networks/nns1.toml"),
        "nns2" => include_str!("networks/nns2.toml"),
        "nn4_small2" => include_str!("networks/nn4_small2.toml"),
        "openface_nn4_small2_v1" => include_str!("networks/openface_nn4_small2_v1.toml"),
        "inception_resnet_v1" => include_str!("networks/inception_resnet_v1.toml"),
        "mobilefacenet_y1" => include_str!("networks/mobilefacenet_y1.toml"),
        "face_reidentification_retail_0095" => include_str!("networks/face_reidentification_retail_0095.toml"),
        "compact_inception" => include_str!("networks/compact_inception.toml"),
        "landmarks_regression_retail_0009" => include_str!("networks/landmarks_regression_retail_0009.toml"),
        "yunet_n" => include_str!("networks/yunet_n.toml"),
        _ => return None,
    })
}

/// Description of a built-in network, one of [`NETWORKS`], [`LANDMARK_NETWORK`] or [`DETECTOR`]; `None` for
/// unknown names.
#[must_use]
pub fn built_in(name: &str) -> Option<Description> {
    // Paper, section 4.1: NN3 differs from NN2 in its input size only.
    if name == "nn3" {
        let description = built_in("nn2")?.with_input([160, 160]);
        return Some(Description { name: name.to_owned(), ..description });
    }
    let text = built_in_toml(name)?;
    Some(Description::from_toml(text).expect("built-in descriptions are valid"))
}
