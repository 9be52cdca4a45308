//! How a face was located in its image.

use std::fmt;

use serde::Serialize;

/// How a face was located in its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaceSource {
    /// By a landmark list: the face is aligned.
    LandmarkList,
    /// By the detector: the face is aligned.
    Detector,
    /// Not at all: a fixed part of the image is cropped.
    CenterCrop,
    /// The face is synthetic: there is no image around it.
    Synthetic,
}

impl FaceSource {
    /// In words: `aligned by the detector`.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::LandmarkList => "aligned by the landmark list",
            Self::Detector => "aligned by the detector",
            Self::CenterCrop => "cropped",
            Self::Synthetic => "synthetic",
        }
    }
}

impl fmt::Display for FaceSource {
    /// As in JSON: `detector`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::LandmarkList => "landmark_list",
            Self::Detector => "detector",
            Self::CenterCrop => "center_crop",
            Self::Synthetic => "synthetic",
        })
    }
}

/// Number of faces by source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaceSourceCounts {
    /// Aligned by a landmark list.
    pub landmark_list: usize,
    /// Aligned by the detector.
    pub detector: usize,
    /// Cropped.
    pub center_crop: usize,
    /// Synthetic.
    pub synthetic: usize,
}

impl FromIterator<FaceSource> for FaceSourceCounts {
    fn from_iter<I: IntoIterator<Item = FaceSource>>(sources: I) -> Self {
        let mut counts = Self::default();
        for source in sources {
            match source {
                FaceSource::LandmarkList => counts.landmark_list += 1,
                FaceSource::Detector => counts.detector += 1,
                FaceSource::CenterCrop => counts.center_crop += 1,
                FaceSource::Synthetic => counts.synthetic += 1,
            }
        }
        counts
    }
}

impl fmt::Display for FaceSourceCounts {
    /// `faces aligned by the detector: 9, cropped: 1`; sources without faces are left out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (FaceSource::LandmarkList, self.landmark_list),
            (FaceSource::Detector, self.detector),
            (FaceSource::CenterCrop, self.center_crop),
            (FaceSource::Synthetic, self.synthetic),
        ];
        let present = counts.iter().filter(|(_, count)| *count > 0);
        let parts: Vec<String> = present.map(|(source, count)| format!("{}: {count}", source.description())).collect();
        match parts.is_empty() {
            true => formatter.write_str("no faces"),
            false => write!(formatter, "faces {}", parts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_without_faces_are_left_out() {
        let counts: FaceSourceCounts =
            [FaceSource::CenterCrop, FaceSource::Detector, FaceSource::Detector].into_iter().collect();
        assert_eq!(counts.to_string(), "faces aligned by the detector: 2, cropped: 1");
        assert_eq!(FaceSourceCounts::default().to_string(), "no faces");
    }
}
