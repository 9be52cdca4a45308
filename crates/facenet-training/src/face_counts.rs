//! How results in JSON count the sources of faces.

use facenet_recognition::FaceSourceCounts;
use serde::{Serialize, Serializer};

/// As `aligned`, `cropped` and `painted`.
pub(crate) fn aligned_cropped_painted<S: Serializer>(
    counts: &FaceSourceCounts,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Counts {
        aligned: usize,
        cropped: usize,
        painted: usize,
    }
    let aligned = counts.landmark_list + counts.landmark_network;
    Counts { aligned, cropped: counts.center_crop, painted: counts.synthetic }.serialize(serializer)
}
