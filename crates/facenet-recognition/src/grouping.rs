//! Grouping embeddings into people.

use std::cmp::Reverse;
use std::fmt;

use facenet_cluster::{Agglomerative, Cluster, Cut, Dendrogram, KMeans, Linkage};
use facenet_metrics::Calibration;
use ndarray::ArrayView2;

use crate::error::Error;

/// How embeddings are grouped into people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grouping {
    /// Into a given number of people, by k-means: ten runs for up to [`MAX_IMAGES_WITH_RESTARTS`] images,
    /// else one.
    People {
        /// Number of people.
        people: usize,
        /// Seed of k-means.
        seed: u64,
    },
    /// By average linkage, cut at this squared distance.
    Cut(f32),
}

/// The likelihood ratio at which [`Grouping::calibrated`] cuts: two groups are merged if their mean
/// distance is at least this many times likelier among genuine pairs than among impostor pairs. It
/// exceeds 1 since most pairs of images in a folder are impostor pairs. (On LFW's training people
/// with at least two images, B-cubed F is within 0.004 of its value at the best cut, for both
/// published networks.)
pub const CUT_ODDS: f64 = 20.0;

/// Limit on the number of images for which k-means runs ten times, with different seedings, of which the
/// best is taken. Beyond it one run has to do.
pub const MAX_IMAGES_WITH_RESTARTS: usize = 8192;

impl Grouping {
    /// Average linkage, cut where a network's calibration gives the likelihood ratio [`CUT_ODDS`].
    #[must_use]
    pub fn calibrated(calibration: &Calibration) -> Self {
        Self::Cut(calibration.squared_distance_at(CUT_ODDS).clamp(0.0, 4.0) as f32)
    }

    /// Checks whether a number of images can be grouped.
    ///
    /// # Errors
    ///
    /// [`Error::MorePeopleThanImages`]; [`Error::TooManyImages`] for average linkage.
    pub fn check(self, images: usize) -> Result<(), Error> {
        let limit = Dendrogram::MAX_EMBEDDINGS;
        match self {
            Self::People { people, .. } if people > images => Err(Error::MorePeopleThanImages { people, images }),
            Self::Cut(_) if images > limit => Err(Error::TooManyImages { images, limit }),
            _ => Ok(()),
        }
    }

    /// The groups, as rows of `embeddings`: the largest first, ties by the lowest row.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`.
    ///
    /// # Errors
    ///
    /// As [`Grouping::check`], and if an embedding is not finite.
    pub fn groups(self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<Vec<usize>>, Error> {
        if embeddings.nrows() > 0 {
            self.check(embeddings.nrows())?;
        }
        let labels = match self {
            Self::People { people, seed } => {
                let runs = if embeddings.nrows() <= MAX_IMAGES_WITH_RESTARTS { 10 } else { 1 };
                KMeans::new(people).runs(runs).seed(seed).cluster(embeddings)
            }
            Self::Cut(cut) => Agglomerative::new(Linkage::Average, Cut::SquaredDistance(cut)).cluster(embeddings),
        }?;
        // Labels are numbered by first appearance, and the sort is stable.
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); labels.iter().max().map_or(0, |last| last + 1)];
        labels.iter().enumerate().for_each(|(row, &label)| groups[label].push(row));
        groups.sort_by_key(|group| Reverse(group.len()));
        Ok(groups)
    }

    /// The name of the algorithm, as in JSON.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Self::People { .. } => "k_means",
            Self::Cut(_) => "agglomerative",
        }
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::People { people, seed } => write!(formatter, "k-means, {people} people, seed {seed}"),
            Self::Cut(cut) => {
                write!(formatter, "agglomerative clustering, average linkage, cut at squared distance {cut}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_largest_group_comes_first() {
        let embeddings = array![[0.0_f32], [5.0], [5.1], [9.0], [5.2], [9.1], [0.5]];
        for grouping in [Grouping::Cut(1.0), Grouping::People { people: 3, seed: 0 }] {
            assert_eq!(grouping.groups(embeddings.view()).unwrap(), [vec![1, 2, 4], vec![0, 6], vec![3, 5]]);
        }
        assert!(Grouping::Cut(1.0).groups(embeddings.slice(ndarray::s![..0, ..])).unwrap().is_empty());
    }

    #[test]
    fn the_number_of_images_is_limited() {
        assert!(Grouping::Cut(1.0).check(30_000).is_ok());
        assert!(matches!(Grouping::Cut(1.0).check(30_001), Err(Error::TooManyImages { images: 30_001, .. })));
        assert!(Grouping::People { people: 3, seed: 0 }.check(1_000_000).is_ok());
        assert!(matches!(Grouping::People { people: 3, seed: 0 }.check(2), Err(Error::MorePeopleThanImages { .. })));
    }

    #[test]
    fn the_calibrated_cut_is_at_odds_of_twenty_to_one() {
        let calibration = Calibration { threshold: 1.4, slope: 12.0 };
        let Grouping::Cut(cut) = Grouping::calibrated(&calibration) else { unreachable!("a cut") };
        let probability = calibration.probability(cut.into());
        assert!((probability - 20.0 / 21.0).abs() < 1e-6, "{probability}");
        let steep = Calibration { threshold: 3.9, slope: 1e-3 };
        assert_eq!(Grouping::calibrated(&steep), Grouping::Cut(0.0), "no distance is negative");
    }
}
