//! The built-in networks: a TOML file each, in the folder beside this file.

use crate::Description;

/// The names of the built-in networks, those of the paper first.
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

/// The name of the built-in network that finds five points in a face; it makes no embeddings and is none of
/// [`NETWORKS`].
pub const LANDMARK_NETWORK: &str = "landmarks_regression_retail_0009";

/// The description of a built-in network, one of [`NETWORKS`] or [`LANDMARK_NETWORK`], in TOML: its comments say where it
/// comes from.
///
/// `None` for `nn3`, which is `nn2` at another size, as for names that are no network's.
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
        _ => return None,
    })
}

/// The description of a built-in network, one of [`NETWORKS`] or [`LANDMARK_NETWORK`].
#[must_use]
pub fn built_in(name: &str) -> Option<Description> {
    // The paper, section 4.1: "reduced to 160 x 160", and nothing else.
    if name == "nn3" {
        let description = built_in("nn2")?.with_input([160, 160]);
        return Some(Description { name: name.to_owned(), ..description });
    }
    let text = built_in_toml(name)?;
    Some(Description::from_toml(text).expect("the built-in networks are valid descriptions"))
}

/// The network of the built-in recipes: small enough to train on two cores in minutes.
#[must_use]
pub fn compact_inception() -> Description {
    built_in("compact_inception").expect("one of the built-in networks")
}
