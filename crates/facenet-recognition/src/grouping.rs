//! Grouping embeddings into people.

use std::cmp::Reverse;
use std::fmt;

use facenet_cluster::{Agglomerative, Cluster, Cut, Dbscan, Dendrogram, KMeans, Linkage};
use facenet_metrics::Calibration;
use ndarray::ArrayView2;

use crate::error::Error;

/// How embeddings are grouped into people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grouping {
    /// By agglomerative clustering.
    Agglomerative {
        /// The dissimilarity of two groups.
        linkage: Linkage,
        /// Into a number of people, or merging up to a squared distance.
        cut: Cut,
    },
    /// Into a given number of people, by k-means: ten runs for up to [`MAX_IMAGES_WITH_RESTARTS`] images,
    /// else one.
    KMeans {
        /// Number of people.
        people: usize,
        /// Seed of all random draws.
        seed: u64,
    },
    /// By DBSCAN. Noise stays alone: each such image is a group of its own.
    Dbscan(Dbscan),
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
    /// Average linkage, cut at a squared distance.
    #[must_use]
    pub fn average_linkage(cut: f32) -> Self {
        Self::Agglomerative { linkage: Linkage::Average, cut: Cut::SquaredDistance(cut) }
    }

    /// Average linkage, cut where a network's calibration gives the likelihood ratio [`CUT_ODDS`].
    #[must_use]
    pub fn calibrated(calibration: &Calibration) -> Self {
        Self::average_linkage(calibration.squared_distance_at(CUT_ODDS).clamp(0.0, 4.0) as f32)
    }

    /// The number of people, if it is given.
    #[must_use]
    pub fn people(self) -> Option<usize> {
        match self {
            Self::KMeans { people, .. } | Self::Agglomerative { cut: Cut::Clusters(people), .. } => Some(people),
            Self::Agglomerative { cut: Cut::SquaredDistance(_), .. } | Self::Dbscan(_) => None,
        }
    }

    /// The squared distance up to which groups are merged or, by DBSCAN, images are neighbors.
    #[must_use]
    pub fn cut(self) -> Option<f32> {
        match self {
            Self::Agglomerative { cut: Cut::SquaredDistance(cut), .. } => Some(cut),
            Self::Dbscan(Dbscan { squared_tolerance, .. }) => Some(squared_tolerance),
            Self::KMeans { .. } | Self::Agglomerative { cut: Cut::Clusters(_), .. } => None,
        }
    }

    /// Checks whether a number of images can be grouped.
    ///
    /// # Errors
    ///
    /// [`Error::MorePeopleThanImages`]; [`Error::TooManyImages`] for agglomerative clustering;
    /// [`Error::Cluster`] if the hyperparameters are out of range.
    pub fn check(self, images: usize) -> Result<(), Error> {
        let limit = Dendrogram::MAX_EMBEDDINGS;
        match self {
            Self::Agglomerative { .. } if images > limit => return Err(Error::TooManyImages { images, limit }),
            Self::Dbscan(dbscan) => dbscan.check()?,
            Self::Agglomerative { .. } | Self::KMeans { .. } => {}
        }
        match self.people() {
            Some(people) if people > images => Err(Error::MorePeopleThanImages { people, images }),
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
        if embeddings.nrows() == 0 {
            return Ok(Vec::new());
        }
        self.check(embeddings.nrows())?;
        let labels = match self {
            Self::Agglomerative { linkage, cut } => Agglomerative::new(linkage, cut).cluster(embeddings),
            Self::KMeans { people, seed } => {
                let runs = if embeddings.nrows() <= MAX_IMAGES_WITH_RESTARTS { 10 } else { 1 };
                KMeans::new(people).runs(runs).seed(seed).cluster(embeddings)
            }
            Self::Dbscan(dbscan) => dbscan.cluster(embeddings),
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
            Self::Agglomerative { .. } => "agglomerative",
            Self::KMeans { .. } => "k_means",
            Self::Dbscan(_) => "dbscan",
        }
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agglomerative { linkage, cut } => {
                write!(formatter, "agglomerative clustering, {linkage} linkage, ")?;
                match cut {
                    Cut::Clusters(people) => write!(formatter, "{people} people"),
                    Cut::SquaredDistance(cut) => write!(formatter, "cut at squared distance {cut}"),
                }
            }
            Self::KMeans { people, seed } => write!(formatter, "k-means, {people} people, seed {seed}"),
            Self::Dbscan(Dbscan { squared_tolerance, min_points }) => {
                write!(formatter, "DBSCAN, cut at squared distance {squared_tolerance}, at least {min_points} images")
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
        let cut = |linkage| Grouping::Agglomerative { linkage, cut: Cut::Clusters(3) };
        for grouping in [
            Grouping::average_linkage(1.0),
            Grouping::KMeans { people: 3, seed: 0 },
            Grouping::Dbscan(Dbscan { squared_tolerance: 1.0, min_points: 2 }),
            cut(Linkage::Single),
            cut(Linkage::Complete),
            cut(Linkage::Ward),
        ] {
            assert_eq!(grouping.groups(embeddings.view()).unwrap(), [vec![1, 2, 4], vec![0, 6], vec![3, 5]]);
            assert!(grouping.groups(embeddings.slice(ndarray::s![..0, ..])).unwrap().is_empty(), "{grouping}");
        }
    }

    #[test]
    fn the_number_of_images_is_limited() {
        assert!(Grouping::average_linkage(1.0).check(30_000).is_ok());
        assert!(matches!(
            Grouping::average_linkage(1.0).check(30_001),
            Err(Error::TooManyImages { images: 30_001, .. })
        ));
        assert!(Grouping::KMeans { people: 3, seed: 0 }.check(1_000_000).is_ok());
        assert!(matches!(Grouping::KMeans { people: 3, seed: 0 }.check(2), Err(Error::MorePeopleThanImages { .. })));
    }

    #[test]
    fn the_calibrated_cut_is_at_odds_of_twenty_to_one() {
        let calibration = Calibration { threshold: 1.4, slope: 12.0 };
        let cut = Grouping::calibrated(&calibration).cut().unwrap();
        let probability = calibration.probability(cut.into());
        assert!((probability - 20.0 / 21.0).abs() < 1e-6, "{probability}");
        let steep = Calibration { threshold: 3.9, slope: 1e-3 };
        assert_eq!(Grouping::calibrated(&steep), Grouping::average_linkage(0.0), "no distance is negative");
    }
}
