//! From images of one face each to embeddings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use facenet_data::{BoundedDecoder, Crop, DEFAULT_MEMORY_LIMIT, Landmarks, read_bounded_file};
use facenet_network::{Description, Network};
use ndarray::{Array2, Array3, ArrayView4, Axis, stack};
use rayon::prelude::*;

use crate::embedding::embed::Embed;
use crate::embedding::embedder::Embedder;
use crate::error::Error;
use crate::hash::{network_sha256, weights_sha256};
use crate::landmark_network::LandmarkNetwork;
use crate::portraits::cache::{CachedPortrait, EmbeddingCache, key};
use crate::portraits::portrait::Portrait;
use crate::portraits::reader::{PortraitLandmarks, PortraitReader};

/// Images that are read, embedded and cached together: some seconds of work.
const CHUNK: usize = 256;

/// Embeds images of one face each: finds the face, extracts it, embeds it, caches the embedding.
#[derive(Debug)]
pub struct PortraitEmbedder {
    embedder: Embedder,
    weights_sha256: String,
    reader: PortraitReader,
    cache: Option<EmbeddingCache>,
}

/// How faces are located, and where embeddings are cached.
#[derive(Clone, Debug, Default)]
pub struct PortraitOptions<'a> {
    /// Finds the landmarks that align a face if the embedding network has a template; else only
    /// counts faces.
    pub landmark_network: Option<&'a Network<f32>>,
    /// Known landmarks. They take precedence.
    pub landmark_list: Option<PortraitLandmarks>,
    /// The part of an image that is taken for the face if it is not aligned.
    pub crop: Crop,
    /// The folder of the cache. `None` for no cache.
    pub cache: Option<&'a Path>,
}

/// Embeddings of images.
#[derive(Debug)]
pub struct EmbeddedPortraits {
    /// The readable images, in the given order.
    pub images: Vec<PathBuf>,
    /// How the face of each was located.
    pub portraits: Vec<Portrait>,
    /// Their embeddings: `[n, dimension]`.
    pub embeddings: Array2<f32>,
    /// Number of embeddings that came from the cache.
    pub cached: usize,
    /// The unreadable images, in the given order.
    pub unread: Vec<UnreadImage>,
}

/// An image without an embedding, and why.
#[derive(Debug)]
pub struct UnreadImage {
    /// The image.
    pub path: PathBuf,
    /// The error, which names the image.
    pub error: Error,
}

/// An image before the network runs.
enum Prepared {
    Cached(CachedPortrait),
    Face {
        /// The cache key. `None` without a cache.
        key: Option<String>,
        portrait: Portrait,
        face: Array3<u8>,
    },
}

impl PortraitEmbedder {
    /// Creates an embedder around a network.
    ///
    /// # Errors
    ///
    /// [`Error::NoEmbeddings`] and [`Error::NoLandmarks`] if a network computes something else; or
    /// if the cache can't be read.
    pub fn new(network: &Network<f32>, options: PortraitOptions<'_>) -> Result<Self, Error> {
        let PortraitOptions { landmark_network, landmark_list, crop, cache } = options;
        let embedder = Embedder::new(network)?;
        let template = network.description().preprocessing.template.map(Landmarks);
        // Everything an embedding depends on beside the image and its listed landmarks. The leading
        // 1 is the version of the method.
        let identity = |network: &Network<f32>, weights: &str| network_sha256(network.description()) + weights;
        let weights = weights_sha256(network);
        let landmarks = landmark_network.map(|network| identity(network, &weights_sha256(network)));
        let fingerprint = format!("1\n{}\n{landmarks:?}\n{crop:?}", identity(network, &weights));
        let reader = PortraitReader {
            template,
            size: embedder.input_size(),
            crop,
            landmark_network: landmark_network.map(LandmarkNetwork::new).transpose()?,
            landmark_list,
        };
        let cache = cache.map(|folder| EmbeddingCache::open(folder, &fingerprint, embedder.dimension()));
        Ok(Self { embedder, weights_sha256: weights, reader, cache: cache.transpose()? })
    }

    /// Sets the batch size of the embedding network, as [`Embedder::with_batch`].
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    #[must_use]
    #[track_caller]
    pub fn with_batch(mut self, batch: usize) -> Self {
        self.embedder = self.embedder.with_batch(batch);
        self
    }

    /// The description of the network.
    #[must_use]
    pub fn description(&self) -> &Description {
        self.embedder.description()
    }

    /// The hash of the network's weights: [`weights_sha256`].
    #[must_use]
    pub fn weights_sha256(&self) -> &str {
        &self.weights_sha256
    }

    /// What extracts faces from images.
    #[must_use]
    pub fn reader(&self) -> &PortraitReader {
        &self.reader
    }

    /// Embeds images on all threads of the current pool; the result does not depend on their
    /// number. New embeddings are cached every few hundred images. Unreadable images are listed in
    /// [`EmbeddedPortraits::unread`]. `progress` is called with the images done and their total.
    ///
    /// # Errors
    ///
    /// If the cache can't be written.
    pub fn embed(
        &mut self,
        images: &[PathBuf],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<EmbeddedPortraits, Error> {
        let dimension = self.embedder.dimension();
        let decoder = BoundedDecoder::new(DEFAULT_MEMORY_LIMIT);
        let mut result = EmbeddedPortraits {
            images: Vec::new(),
            portraits: Vec::new(),
            embeddings: Array2::zeros((0, dimension)),
            cached: 0,
            unread: Vec::new(),
        };
        let mut values: Vec<f32> = Vec::new();
        for (chunk, paths) in images.chunks(CHUNK).enumerate() {
            progress(chunk * CHUNK, images.len());
            let prepared: Vec<Result<Prepared, Error>> =
                paths.par_iter().map(|path| self.prepare(&decoder, path)).collect();
            let faces: Vec<_> = prepared
                .iter()
                .filter_map(|prepared| match prepared {
                    Ok(Prepared::Face { face, .. }) => Some(face.view()),
                    _ => None,
                })
                .collect();
            let embedded = match faces.is_empty() {
                true => Vec::new(),
                false => {
                    let faces = stack(Axis(0), &faces).expect("faces of equal size");
                    self.embed_each(faces.view())?
                }
            };
            let mut embedded = embedded.into_iter();
            let mut new = BTreeMap::new();
            for (path, prepared) in paths.iter().zip(prepared) {
                let cached = match prepared {
                    Err(error) => {
                        result.unread.push(UnreadImage { path: path.clone(), error });
                        continue;
                    }
                    Ok(Prepared::Cached(cached)) => {
                        result.cached += 1;
                        cached
                    }
                    Ok(Prepared::Face { key, portrait, .. }) => {
                        let Some(embedding) = embedded.next().expect("an entry per face") else {
                            let error = Error::NotFiniteImage { path: path.clone() };
                            result.unread.push(UnreadImage { path: path.clone(), error });
                            continue;
                        };
                        let cached = CachedPortrait { portrait, embedding };
                        new.extend(key.map(|key| (key, cached.clone())));
                        cached
                    }
                };
                result.images.push(path.clone());
                result.portraits.push(cached.portrait);
                values.extend(cached.embedding);
            }
            if let Some(cache) = &mut self.cache {
                cache.add(new)?;
            }
        }
        let shape = (result.images.len(), dimension);
        result.embeddings = Array2::from_shape_vec(shape, values).expect("`dimension` values per image");
        Ok(result)
    }

    /// The embedding of each face; `None` where it is not finite.
    fn embed_each(&self, faces: ArrayView4<'_, u8>) -> Result<Vec<Option<Vec<f32>>>, Error> {
        match self.embedder.embed(faces) {
            Ok(embeddings) => Ok(embeddings.outer_iter().map(|row| Some(row.to_vec())).collect()),
            Err(Error::NotFiniteEmbedding { .. }) if faces.len_of(Axis(0)) == 1 => Ok(vec![None]),
            // Finds out which; an embedding does not depend on its batch.
            Err(Error::NotFiniteEmbedding { .. }) => {
                let each = faces.axis_chunks_iter(Axis(0), 1).map(|face| self.embed_each(face));
                Ok(each.collect::<Result<Vec<_>, Error>>()?.concat())
            }
            Err(error) => Err(error),
        }
    }

    /// Looks an image up in the cache, else extracts its face.
    fn prepare(&self, decoder: &BoundedDecoder, path: &Path) -> Result<Prepared, Error> {
        let bytes = read_bounded_file(path)?;
        let key = self.cache.as_ref().map(|_| key(&bytes, self.reader.listed_landmarks(path)));
        if let Some(cached) = self.cache.as_ref().zip(key.as_ref()).and_then(|(cache, key)| cache.get(key)) {
            return Ok(Prepared::Cached(cached.clone()));
        }
        let (face, portrait) = decoder.decode(&bytes, path, |image| self.reader.read(image, path))??;
        Ok(Prepared::Face { key, portrait, face })
    }
}
