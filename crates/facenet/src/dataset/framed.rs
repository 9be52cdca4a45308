//! How faces came out of their pictures.

use std::fmt;

use serde::Serialize;

/// How a face came out of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Framed {
    /// By its landmarks, onto the network's template.
    Aligned,
    /// As a part of the picture that is the same for all.
    Cropped,
    /// Not at all: there is no picture beside the face.
    Painted,
}

/// How many faces came out of their pictures in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FramedFaces {
    /// By their landmarks.
    pub aligned: usize,
    /// As the same part of each picture.
    pub cropped: usize,
    /// Painted, without a picture.
    pub painted: usize,
}

impl FramedFaces {
    pub(crate) fn count<'a>(framed: impl Iterator<Item = &'a Framed>) -> Self {
        let mut counts = Self::default();
        for framed in framed {
            match framed {
                Framed::Aligned => counts.aligned += 1,
                Framed::Cropped => counts.cropped += 1,
                Framed::Painted => counts.painted += 1,
            }
        }
        counts
    }
}

impl fmt::Display for FramedFaces {
    /// `faces aligned by landmarks: 9, cropped: 1`: what there is none of is not named.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("faces")?;
        let mut separator = " ";
        for (what, count) in
            [("aligned by landmarks", self.aligned), ("cropped", self.cropped), ("painted", self.painted)]
        {
            if count > 0 {
                write!(formatter, "{separator}{what}: {count}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
