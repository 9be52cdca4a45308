use kodama::Method;
use ndarray::{ArrayView2, s};
use rayon::prelude::*;

use crate::{Cluster, Error, check_finite, number_by_first_appearance};

/// How far two clusters are apart, given how far their members are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// The smallest squared distance between members.
    Single,
    /// The largest squared distance between members.
    Complete,
    /// The mean squared distance between members.
    #[default]
    Average,
    /// Twice the growth of the sum of squared distances to the centres, which is the squared distance for two single
    /// embeddings:
    ///
    /// ```text
    /// 2 |A| |B| / (|A| + |B|) * |centre(A) - centre(B)|^2
    /// ```
    Ward,
}

/// Where the tree of merges is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// Into this many clusters.
    Clusters(usize),
    /// Clusters at this squared distance or nearer are joined.
    SquaredDistance(f32),
}

/// Agglomerative clustering: joins the two nearest clusters, again and again, up to a cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agglomerative {
    /// How far two clusters are apart.
    pub linkage: Linkage,
    /// Where to stop.
    pub cut: Cut,
}

impl Cluster for Agglomerative {
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error> {
        Dendrogram::build(embeddings, self.linkage)?.cut(self.cut)
    }
}

/// One merge of two clusters. Clusters `0..n` are the single embeddings; merge `i` makes cluster `n + i`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// The clusters that are joined, the lower number first.
    pub clusters: [usize; 2],
    /// How far they are apart.
    pub squared_distance: f32,
    /// Embeddings in the union.
    pub size: usize,
}

/// The tree of all merges: built once, cut anywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Dendrogram {
    embeddings: usize,
    merges: Vec<Merge>,
}

impl Dendrogram {
    /// The most embeddings that a tree is built over: their pairwise distances take 1.8 GB.
    pub const MAXIMUM_EMBEDDINGS: usize = 30_000;

    /// Merges until one cluster is left: `O(n^2)` memory, `O(n^2)` time after the distances.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`], [`Error::TooManyEmbeddings`].
    pub fn build(embeddings: ArrayView2<'_, f32>, linkage: Linkage) -> Result<Self, Error> {
        check_finite(embeddings)?;
        let n = embeddings.nrows();
        if n > Self::MAXIMUM_EMBEDDINGS {
            return Err(Error::TooManyEmbeddings { embeddings: n, limit: Self::MAXIMUM_EMBEDDINGS });
        }
        let mut distances = condensed_squared_distances(embeddings);
        let method = match linkage {
            Linkage::Single => Method::Single,
            Linkage::Complete => Method::Complete,
            Linkage::Average => Method::Average,
            Linkage::Ward => {
                // kodama squares the distances for Ward's method, and gives the square root of what comes out.
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

    /// All merges, the nearest clusters first.
    #[must_use]
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// The cluster of each embedding: dense labels, numbered by first appearance.
    ///
    /// # Errors
    ///
    /// [`Error::ClusterCount`] if there are fewer embeddings than clusters, or no clusters for embeddings;
    /// [`Error::CutDistance`] for a distance that is negative or not a number.
    pub fn cut(&self, cut: Cut) -> Result<Vec<usize>, Error> {
        let taken = match cut {
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
        let mut parents: Vec<usize> = (0..self.embeddings + taken).collect();
        for (index, merge) in self.merges[..taken].iter().enumerate() {
            merge.clusters.iter().for_each(|&child| parents[child] = self.embeddings + index);
        }
        // A parent has a higher number than its children, so that one pass from the top finds every root.
        for node in (0..parents.len()).rev() {
            parents[node] = parents[parents[node]];
        }
        Ok(number_by_first_appearance(&parents[..self.embeddings]))
    }
}

/// Rows of distances that are computed as one matrix product.
const BLOCK: usize = 64;

/// The squared distances of all pairs `i < j`, row by row.
fn condensed_squared_distances(embeddings: ArrayView2<'_, f32>) -> Vec<f32> {
    let n = embeddings.nrows();
    let norms: Vec<f32> = embeddings.outer_iter().map(|row| row.dot(&row)).collect();
    let mut condensed = vec![0.0; n * n.saturating_sub(1) / 2];
    let mut rest = condensed.as_mut_slice();
    let mut blocks = Vec::new();
    for start in (0..n).step_by(BLOCK) {
        let rows = start..(start + BLOCK).min(n);
        let (block, after) = rest.split_at_mut(rows.clone().map(|row| n - 1 - row).sum());
        rest = after;
        blocks.push((rows, block));
    }
    blocks.into_par_iter().for_each(|(rows, mut block)| {
        let start = rows.start;
        let products = embeddings.slice(s![rows.clone(), ..]).dot(&embeddings.slice(s![start.., ..]).t());
        for (row, products) in rows.zip(products.outer_iter()) {
            let (distances, after) = block.split_at_mut(n - 1 - row);
            block = after;
            let columns = products.iter().zip(&norms[start..]).skip(row + 1 - start);
            for (distance, (&product, &norm)) in distances.iter_mut().zip(columns) {
                *distance = (norms[row] + norm - 2.0 * product).max(0.0);
            }
        }
    });
    condensed
}
