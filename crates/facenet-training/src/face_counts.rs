//! Face counts in JSON results.

use facenet_recognition::FaceSourceCounts;
use serde::{Serialize, Serializer};

/// Serializes counts as `aligned`, `cropped` and `painted` (synthetic).
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
    let aligned = counts.landmark_list + counts.detector;
    Counts { aligned, cropped: counts.center_crop, painted: counts.synthetic }.serialize(serializer)
}
