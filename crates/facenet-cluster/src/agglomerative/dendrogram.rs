use std::fmt;

use facenet_neighbors::PreparedRows;
use kodama::Method;
use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::agglomerative::condensed::condensed_squared_distances;
use crate::error::Error;
use crate::relabel::relabel_by_first_appearance;

/// The dissimilarity of two clusters as a function of the squared distances between their members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// The smallest squared distance between members.
    Single,
    /// The largest squared distance between members.
    Complete,
    /// The mean squared distance between members.
    #[default]
    Average,
    /// Twice the increase of the within-cluster sum of squares. For two single embeddings this is
    /// their squared distance:
    ///
    /// ```text
    /// 2 |A| |B| / (|A| + |B|) * |centroid(A) - centroid(B)|^2
    /// ```
    Ward,
}

impl fmt::Display for Linkage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Single => "single",
            Self::Complete => "complete",
            Self::Average => "average",
            Self::Ward => "Ward",
        })
    }
}

/// Where to cut the dendrogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// Into this number of clusters.
    Clusters(usize),
    /// Merge clusters whose squared distance is at most this.
    SquaredDistance(f32),
}

/// One merge of two clusters. Clusters `0..n` are the single embeddings; merge `i` creates cluster
/// `n + i`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// The merged clusters, the lower index first.
    pub clusters: [usize; 2],
    /// Their dissimilarity, a squared distance.
    pub squared_distance: f32,
    /// Number of embeddings in the union.
    pub size: usize,
}

/// The tree of all merges, built once and cut at any height.
#[derive(Clone, Debug, PartialEq)]
pub struct Dendrogram {
    embeddings: usize,
    merges: Vec<Merge>,
}

impl Dendrogram {
    /// Maximum number of embeddings. At this size the pairwise distances take 1.8 GB.
    pub const MAX_EMBEDDINGS: usize = 30_000;

    /// Merges until one cluster is left, in `O(n^2)` memory and, after the distances, `O(n^2)`
    /// time.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`], [`Error::TooManyEmbeddings`].
    pub fn build(embeddings: ArrayView2<'_, f32>, linkage: Linkage) -> Result<Self, Error> {
        let n = embeddings.nrows();
        if n > Self::MAX_EMBEDDINGS {
            return Err(Error::TooManyEmbeddings { embeddings: n, limit: Self::MAX_EMBEDDINGS });
        }
        let mut distances = condensed_squared_distances(&PreparedRows::new(embeddings)?);
        let method = match linkage {
            Linkage::Single => Method::Single,
            Linkage::Complete => Method::Complete,
            Linkage::Average => Method::Average,
            Linkage::Ward => {
                // kodama squares its input for Ward linkage and takes the square root of the
                // result.
                distances.par_iter_mut().for_each(|distance| *distance = distance.sqrt());
                Method::Ward
            }
        };
        let tree = kodama::linkage(&mut distances, n, method);
        let merges = tree.steps().iter().map(|step| Merge {
            clusters: [step.cluster1, step.cluster2],
            squared_distance: match linkage {
                Linkage::Ward => step.dissimilarity * step.dissimilarity,
                Linkage::Single | Linkage::Complete | Linkage::Average => step.dissimilarity,
            },
            size: step.size,
        });
        Ok(Self { embeddings: n, merges: merges.collect() })
    }

    /// All merges, by ascending dissimilarity.
    #[must_use]
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// Returns the cluster of each embedding: labels from 0, numbered by first appearance.
    ///
    /// # Errors
    ///
    /// [`Error::ClusterCount`] for more clusters than embeddings, or zero clusters of at least one
    /// embedding; [`Error::CutDistance`] for a negative or NaN distance.
    pub fn cut(&self, cut: Cut) -> Result<Vec<usize>, Error> {
        let applied = match cut {
            Cut::Clusters(clusters) => {
                if clusters > self.embeddings || (clusters == 0 && self.embeddings > 0) {
                    return Err(Error::ClusterCount { clusters, embeddings: self.embeddings });
                }
                self.embeddings - clusters
            }
            Cut::SquaredDistance(squared_distance) => {
                if squared_distance.is_nan() || squared_distance < 0.0 {
                    return Err(Error::CutDistance { squared_distance });
                }
                self.merges.partition_point(|merge| merge.squared_distance <= squared_distance)
            }
        };
        let mut parents: Vec<usize> = (0..self.embeddings + applied).collect();
        for (index, merge) in self.merges[..applied].iter().enumerate() {
            merge.clusters.iter().for_each(|&child| parents[child] = self.embeddings + index);
        }
        // Parents have higher indices than their children, so one pass from the top finds all
        // roots.
        for node in (0..parents.len()).rev() {
            parents[node] = parents[parents[node]];
        }
        Ok(relabel_by_first_appearance(&parents[..self.embeddings]))
    }
}
