//! Trained networks as embedders.

use std::sync::{Mutex, PoisonError};

use facenet_network::{Checkpoint, Description, FrozenNetwork, FrozenWorkspace, Network};
use ndarray::{Array2, Array4, ArrayView4, Axis, s};

use crate::embedding::embed::{Embed, assert_input_size, check_finite};
use crate::error::Error;

/// Default batch size, if its activations fit in [`ACTIVATION_LIMIT`].
const BATCH: usize = 32;
/// Approximate limit on the activations of a batch, in elements: 1 GiB.
const ACTIVATION_LIMIT: usize = 1 << 28;

/// Embeds faces with a trained network, frozen for inference. Its workspace is reused between
/// calls.
#[derive(Debug)]
pub struct Embedder {
    network: FrozenNetwork<f32>,
    dimension: usize,
    /// Number of faces per forward pass.
    batch: usize,
    /// A workspace that is not in use.
    idle: Mutex<Option<FrozenWorkspace<f32>>>,
}

impl Clone for Embedder {
    fn clone(&self) -> Self {
        Self { network: self.network.clone(), idle: Mutex::default(), ..*self }
    }
}

impl Embedder {
    /// Creates an embedder from a snapshot of a network.
    ///
    /// # Errors
    ///
    /// [`Error::NoEmbeddings`] if the network computes something else.
    pub fn new(network: &Network<f32>) -> Result<Self, Error> {
        let dimension = Self::dimension_of(network.description())?;
        let network = FrozenNetwork::new(network);
        let batch = max_batch(&network).min(BATCH);
        Ok(Self { network, dimension, batch, idle: Mutex::default() })
    }

    /// Sets the batch size, an upper limit on the number of faces per forward pass. The embeddings
    /// do not depend on it.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    #[must_use]
    #[track_caller]
    pub fn with_batch(mut self, batch: usize) -> Self {
        assert!(batch > 0, "a batch size of 0");
        self.batch = max_batch(&self.network).min(batch);
        self
    }

    /// Creates an embedder from the bytes of a checkpoint file.
    ///
    /// # Errors
    ///
    /// If they are not a checkpoint (see [`Checkpoint::from_bytes`]); as [`Embedder::new`].
    pub fn from_checkpoint(bytes: &[u8]) -> Result<Self, Error> {
        Self::new(&Network::from_checkpoint(Checkpoint::from_bytes(bytes)?)?)
    }

    /// The dimension of the embeddings that a network computes.
    ///
    /// # Errors
    ///
    /// [`Error::NoEmbeddings`] if it computes something else.
    pub fn dimension_of(description: &Description) -> Result<usize, Error> {
        description.embedding.ok_or_else(|| Error::NoEmbeddings { network: description.name.clone() })
    }

    /// The description of the network.
    #[must_use]
    pub fn description(&self) -> &Description {
        self.network.description()
    }
}

/// The largest batch whose activations fit in [`ACTIVATION_LIMIT`].
fn max_batch(network: &FrozenNetwork<f32>) -> usize {
    (ACTIVATION_LIMIT / network.activation_count()).max(1)
}

impl Embed for Embedder {
    fn input_size(&self) -> [usize; 2] {
        self.description().input
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    #[track_caller]
    fn embed(&self, faces: ArrayView4<'_, u8>) -> Result<Array2<f32>, Error> {
        assert_input_size(faces, self.input_size());
        let (count, height, width, _) = faces.dim();
        let mut embeddings = Array2::zeros((count, self.dimension()));
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = idle().take();
        let mut workspace = unused.unwrap_or_else(|| self.network.workspace());
        let mut x = Array4::zeros((count.min(self.batch), height, width, 3));
        for (faces, mut embeddings) in
            faces.axis_chunks_iter(Axis(0), self.batch).zip(embeddings.axis_chunks_iter_mut(Axis(0), self.batch))
        {
            let mut x = x.slice_mut(s![..faces.len_of(Axis(0)), .., .., ..]);
            self.description().preprocessing.apply(faces, x.view_mut());
            embeddings.assign(&self.network.forward(x.view(), &mut workspace));
        }
        *idle() = Some(workspace);
        check_finite(embeddings.view())?;
        Ok(embeddings)
    }
}
