//! Face counts in JSON.

use facenet_recognition::FaceSourceCounts;
use serde::{Serialize, Serializer};

/// Serializes the counts `landmark_list`, `landmark_network` and `center_crop`.
///
/// # Errors
///
/// As the serializer.
pub fn aligned_or_cropped<S: Serializer>(counts: &FaceSourceCounts, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Counts {
        landmark_list: usize,
        landmark_network: usize,
        center_crop: usize,
    }
    let FaceSourceCounts { landmark_list, landmark_network, center_crop, .. } = *counts;
    Counts { landmark_list, landmark_network, center_crop }.serialize(serializer)
}
