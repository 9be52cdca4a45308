use std::cmp::Reverse;

use anyhow::{Context, Result, ensure};
use facenet_cluster::{Agglomerative, Cluster, Cut, Dendrogram, KMeans, Linkage};
use ndarray::ArrayView2;

/// How pictures are grouped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grouping {
    /// Into so many groups, by k-means.
    People {
        /// How many.
        people: usize,
        /// Of the draws of k-means.
        seed: u64,
    },
    /// By average linkage, cut at this squared distance.
    Cut(f32),
}

impl Grouping {
    /// Whether so many pictures are too many, or too few.
    pub fn check(self, pictures: usize) -> Result<()> {
        match self {
            Self::People { people, .. } => ensure!(
                people <= pictures,
                "{pictures} pictures can't show {people} people, one in each: give fewer by --people"
            ),
            Self::Cut(_) => ensure!(
                pictures <= Dendrogram::MAXIMUM_EMBEDDINGS,
                "{pictures} pictures are more than the {} that can be grouped without the number of people: give that by --people K",
                Dendrogram::MAXIMUM_EMBEDDINGS
            ),
        }
        Ok(())
    }

    /// The groups as rows of embeddings, the largest first, of equally large ones the one with the first row.
    pub fn groups(self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<Vec<usize>>> {
        let labels = match self {
            Self::People { people, seed } => KMeans { clusters: people, seed, ..KMeans::default() }.cluster(embeddings),
            Self::Cut(cut) => {
                Agglomerative { linkage: Linkage::Average, cut: Cut::SquaredDistance(cut) }.cluster(embeddings)
            }
        };
        let labels = labels.context("the pictures can't be grouped")?;
        // Labels are numbered by first appearance.
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); labels.iter().max().map_or(0, |last| last + 1)];
        labels.iter().enumerate().for_each(|(row, &label)| groups[label].push(row));
        groups.sort_by_key(|group| Reverse(group.len()));
        Ok(groups)
    }

    /// What it is called.
    pub fn method(self) -> &'static str {
        match self {
            Self::People { .. } => "k_means",
            Self::Cut(_) => "agglomerative",
        }
    }

    /// What it does.
    pub fn described(self) -> String {
        match self {
            Self::People { people, seed } => format!("k-means, {people} people, seed {seed}"),
            Self::Cut(cut) => format!("agglomerative clustering, average linkage, cut at the squared distance {cut}"),
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
    fn too_many_pictures_need_a_number_of_people() {
        assert!(Grouping::Cut(1.0).check(30_000).is_ok());
        assert!(Grouping::Cut(1.0).check(30_001).unwrap_err().to_string().contains("--people"));
        assert!(Grouping::People { people: 3, seed: 0 }.check(1_000_000).is_ok());
        assert!(Grouping::People { people: 3, seed: 0 }.check(2).is_err());
    }
}
