use std::sync::{Mutex, PoisonError};

use facenet_network::{Checkpoint, Description, FrozenNetwork, FrozenWorkspace, Network};
use ndarray::{Array2, Array4, ArrayView4, Axis, s};

use crate::embedding::embed::{Embed, assert_input_size, check_finite};
use crate::error::Error;

/// Faces that the network is given at once, if there is memory for them.
const BATCH: usize = 32;
/// The most numbers between its layers then, about: 1 GiB.
const ACTIVATIONS: usize = 1 << 28;

/// A trained network, frozen, that embeds faces. It keeps the memory of its passes for the next ones.
#[derive(Debug)]
pub struct Embedder {
    network: FrozenNetwork<f32>,
    dimension: usize,
    /// Faces that the network is given at once.
    batch: usize,
    /// Memory for passes that none is using.
    idle: Mutex<Option<FrozenWorkspace<f32>>>,
}

impl Clone for Embedder {
    fn clone(&self) -> Self {
        Self { network: self.network.clone(), idle: Mutex::default(), ..*self }
    }
}

impl Embedder {
    /// Of a network as it is.
    ///
    /// # Errors
    ///
    /// [`Error::NoEmbeddings`] if it makes something else of faces.
    pub fn new(network: &Network<f32>) -> Result<Self, Error> {
        let dimension = Self::dimension_of(network.description())?;
        let network = FrozenNetwork::new(network);
        let batch = most_faces(&network).min(BATCH);
        Ok(Self { network, dimension, batch, idle: Mutex::default() })
    }

    /// The same with at most so many faces that the network is given at once; the embeddings do not depend on it.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn with_batch(mut self, batch: usize) -> Self {
        assert!(batch > 0, "the network is given no faces");
        self.batch = most_faces(&self.network).min(batch);
        self
    }

    /// Of the bytes of a checkpoint file.
    ///
    /// # Errors
    ///
    /// If they are not a checkpoint (see [`Checkpoint::from_bytes`]), or as [`Embedder::new`].
    pub fn from_checkpoint(bytes: &[u8]) -> Result<Self, Error> {
        Self::new(&Network::from_checkpoint(Checkpoint::from_bytes(bytes)?)?)
    }

    /// The length of the embeddings that a network computes.
    ///
    /// # Errors
    ///
    /// [`Error::NoEmbeddings`] if it computes something else.
    pub fn dimension_of(description: &Description) -> Result<usize, Error> {
        description.embedding.ok_or_else(|| Error::NoEmbeddings { network: description.name.clone() })
    }

    /// What the network is.
    #[must_use]
    pub fn description(&self) -> &Description {
        self.network.description()
    }
}

/// The most faces that there is memory for between the layers.
fn most_faces(network: &FrozenNetwork<f32>) -> usize {
    (ACTIVATIONS / network.activations()).max(1)
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
