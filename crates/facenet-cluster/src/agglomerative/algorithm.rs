use linfa::dataset::DatasetBase;
use linfa::param_guard::ParamGuard;
use linfa::traits::Transformer;
use ndarray::{Array1, ArrayBase, ArrayView2, Data, Ix2};

use crate::agglomerative::dendrogram::{Cut, Dendrogram, Linkage};
use crate::cluster::Cluster;
use crate::error::Error;

/// Agglomerative clustering: repeatedly merges the two nearest clusters, up to a cut.
///
/// [`Cluster::cluster`] gives labels, linfa's `transform` a data set with labels as targets. For the tree
/// itself, to be cut anywhere, use [`Dendrogram`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agglomerative(ValidAgglomerative);

/// Checked hyperparameters of [`Agglomerative`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidAgglomerative {
    linkage: Linkage,
    cut: Cut,
}

impl Agglomerative {
    /// Clustering by a dissimilarity of clusters, up to a cut.
    #[must_use]
    pub fn new(linkage: Linkage, cut: Cut) -> Self {
        Self(ValidAgglomerative { linkage, cut })
    }
}

impl ParamGuard for Agglomerative {
    type Checked = ValidAgglomerative;
    type Error = Error;

    /// [`Error::CutDistance`] for a negative or NaN distance.
    fn check_ref(&self) -> Result<&ValidAgglomerative, Error> {
        match self.0.cut {
            Cut::SquaredDistance(squared_distance) if squared_distance.is_nan() || squared_distance < 0.0 => {
                Err(Error::CutDistance { squared_distance })
            }
            _ => Ok(&self.0),
        }
    }

    fn check(self) -> Result<ValidAgglomerative, Error> {
        self.check_ref().copied()
    }
}

impl<D: Data<Elem = f32>, T>
    Transformer<DatasetBase<ArrayBase<D, Ix2>, T>, Result<DatasetBase<ArrayBase<D, Ix2>, Array1<usize>>, Error>>
    for Agglomerative
{
    /// The records with their clusters as targets.
    fn transform(
        &self,
        dataset: DatasetBase<ArrayBase<D, Ix2>, T>,
    ) -> Result<DatasetBase<ArrayBase<D, Ix2>, Array1<usize>>, Error> {
        let labels = self.cluster(dataset.records().view())?;
        Ok(dataset.with_targets(Array1::from(labels)))
    }
}

impl Cluster for Agglomerative {
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error> {
        let ValidAgglomerative { linkage, cut } = *self.check_ref()?;
        Dendrogram::build(embeddings, linkage)?.cut(cut)
    }
}
