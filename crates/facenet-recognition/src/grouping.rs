//! Grouping embeddings into people.

use std::cmp::Reverse;
use std::fmt;

use facenet_cluster::{Agglomerative, Cluster, Cut, Dbscan, Dendrogram, KMeans, Linkage};
use facenet_metrics::Calibration;
use facenet_neighbors::PreparedRows;
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

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
    /// Into a given number of people, by k-means: ten runs for up to [`MAX_FACES_WITH_RESTARTS`] faces,
    /// else one.
    KMeans {
        /// Number of people.
        people: usize,
        /// Seed of all random draws.
        seed: u64,
    },
    /// By DBSCAN. Noise stays alone: each such face is a group of its own.
    Dbscan(Dbscan),
}

/// Groups of faces, each taken for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// The rows of each group: the largest first, ties by the lowest row.
    pub groups: Vec<Vec<usize>>,
    /// The rows that are in no group: unreliable faces that resemble nobody.
    pub apart: Vec<usize>,
}

/// The likelihood ratio at which [`Grouping::calibrated`] cuts: two groups are merged if their mean
/// distance is at least this many times likelier among genuine pairs than among impostor pairs. It
/// exceeds 1 since most pairs of images in a folder are impostor pairs. (On LFW's training people
/// with at least two images, B-cubed F is within 0.004 of its value at the best cut, for both
/// published networks.)
pub const CUT_ODDS: f64 = 20.0;

/// Limit on the number of faces for which k-means runs ten times, with different seedings, of which the
/// best is taken. Beyond it one run has to do.
pub const MAX_FACES_WITH_RESTARTS: usize = 8192;

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

    /// The squared distance up to which groups are merged or, by DBSCAN, faces are neighbors.
    #[must_use]
    pub fn cut(self) -> Option<f32> {
        match self {
            Self::Agglomerative { cut: Cut::SquaredDistance(cut), .. } => Some(cut),
            Self::Dbscan(Dbscan { squared_tolerance, .. }) => Some(squared_tolerance),
            Self::KMeans { .. } | Self::Agglomerative { cut: Cut::Clusters(_), .. } => None,
        }
    }

    /// Checks whether a number of faces can be grouped.
    ///
    /// # Errors
    ///
    /// [`Error::MorePeopleThanFaces`]; [`Error::TooManyFaces`] for agglomerative clustering;
    /// [`Error::Cluster`] if the hyperparameters are out of range.
    pub fn check(self, faces: usize) -> Result<(), Error> {
        let limit = Dendrogram::MAX_EMBEDDINGS;
        match self {
            Self::Agglomerative { .. } if faces > limit => return Err(Error::TooManyFaces { faces, limit }),
            Self::Dbscan(dbscan) => dbscan.check()?,
            Self::Agglomerative { .. } | Self::KMeans { .. } => {}
        }
        match self.people() {
            Some(people) if people > faces => Err(Error::MorePeopleThanFaces { people, faces }),
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
                let runs = if embeddings.nrows() <= MAX_FACES_WITH_RESTARTS { 10 } else { 1 };
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

    /// Groups faces of which some are unreliable. These start no group of their own: the others are grouped
    /// by [`Grouping::groups`], then each unreliable face joins the group with the least squared distance,
    /// if that is within the [cut](Grouping::cut), or without one within that of the calibration, and else
    /// stays apart. The distance to a group is that of
    /// the linkage: to its nearest face for single linkage and DBSCAN, to its farthest for complete linkage,
    /// else the mean. If all faces are unreliable, all stay apart.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`; `reliable`: `[n]`.
    ///
    /// # Errors
    ///
    /// As [`Grouping::groups`], with the number of reliable faces.
    ///
    /// # Panics
    ///
    /// If the lengths disagree.
    #[track_caller]
    pub fn groups_of_reliable(
        self,
        embeddings: ArrayView2<'_, f32>,
        reliable: &[bool],
        calibration: Option<&Calibration>,
    ) -> Result<Groups, Error> {
        let cut = self.cut().or_else(|| calibration.and_then(|calibration| Self::calibrated(calibration).cut()));
        assert_eq!(embeddings.nrows(), reliable.len(), "rows of embeddings, marks of reliable faces");
        let (rows, others): (Vec<usize>, Vec<usize>) = (0..reliable.len()).partition(|&row| reliable[row]);
        let found = self.groups(embeddings.select(Axis(0), &rows).view())?;
        let mut groups: Vec<Vec<usize>> =
            found.into_iter().map(|group| group.into_iter().map(|index| rows[index]).collect()).collect();
        if others.is_empty() {
            return Ok(Groups { groups, apart: Vec::new() });
        }
        let unreliable = PreparedRows::new(embeddings.select(Axis(0), &others))?;
        let all = PreparedRows::new(embeddings)?;
        let nearest: Vec<Option<usize>> = (0..others.len())
            .into_par_iter()
            .map(|index| {
                let mut distances = vec![0.0; all.len()];
                unreliable.squared_distances_block(&all, index..index + 1, 0..all.len(), &mut distances);
                let to_groups = groups.iter().map(|group| self.distance_to(group, &distances)).enumerate();
                let (group, distance) = to_groups.min_by(|(_, one), (_, other)| one.total_cmp(other))?;
                cut.is_none_or(|cut| distance <= f64::from(cut)).then_some(group)
            })
            .collect();
        let mut apart = Vec::new();
        for (&row, nearest) in others.iter().zip(nearest) {
            match nearest {
                Some(group) => groups[group].push(row),
                None => apart.push(row),
            }
        }
        for group in &mut groups {
            group.sort_unstable();
        }
        groups.sort_by_key(|group| (Reverse(group.len()), group[0]));
        Ok(Groups { groups, apart })
    }

    /// The squared distance of a face to a group, given those to all faces.
    fn distance_to(self, group: &[usize], distances: &[f32]) -> f64 {
        let distances = group.iter().map(|&row| f64::from(distances[row]));
        match self {
            Self::Dbscan(_) | Self::Agglomerative { linkage: Linkage::Single, .. } => {
                distances.fold(f64::INFINITY, f64::min)
            }
            Self::Agglomerative { linkage: Linkage::Complete, .. } => distances.fold(0.0, f64::max),
            Self::Agglomerative { .. } | Self::KMeans { .. } => distances.sum::<f64>() / group.len() as f64,
        }
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
                write!(formatter, "DBSCAN, cut at squared distance {squared_tolerance}, at least {min_points} faces")
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
    fn unreliable_faces_join_groups_and_start_none() {
        let embeddings = array![[0.0_f32], [0.1], [5.0], [0.9], [9.0], [5.1], [5.2]];
        let reliable = [true, true, true, false, false, false, true];
        let groups = Grouping::average_linkage(1.0).groups_of_reliable(embeddings.view(), &reliable, None).unwrap();
        assert_eq!(groups, Groups { groups: vec![vec![0, 1, 3], vec![2, 5, 6]], apart: vec![4] });
        let k_means = Grouping::KMeans { people: 2, seed: 0 };
        let groups = k_means.groups_of_reliable(embeddings.view(), &reliable, None).unwrap();
        assert_eq!(groups, Groups { groups: vec![vec![2, 4, 5, 6], vec![0, 1, 3]], apart: vec![] });
        // 0.9 is 0.81 from 0.0 and 0.64 from 0.1.
        for (linkage, cut, joins) in
            [(Linkage::Single, 0.7, true), (Linkage::Complete, 0.8, false), (Linkage::Complete, 0.82, true)]
        {
            let grouping = Grouping::Agglomerative { linkage, cut: Cut::SquaredDistance(cut) };
            let groups = grouping.groups_of_reliable(embeddings.view(), &reliable, None).unwrap();
            assert_eq!(groups.apart.contains(&3), !joins, "{linkage} {cut}");
        }
        let all = Grouping::average_linkage(1.0).groups_of_reliable(embeddings.view(), &[false; 7], None).unwrap();
        assert_eq!((all.groups.len(), all.apart.len()), (0, 7));
    }

    #[test]
    fn the_number_of_faces_is_limited() {
        assert!(Grouping::average_linkage(1.0).check(30_000).is_ok());
        assert!(matches!(Grouping::average_linkage(1.0).check(30_001), Err(Error::TooManyFaces { faces: 30_001, .. })));
        assert!(Grouping::KMeans { people: 3, seed: 0 }.check(1_000_000).is_ok());
        assert!(matches!(Grouping::KMeans { people: 3, seed: 0 }.check(2), Err(Error::MorePeopleThanFaces { .. })));
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
