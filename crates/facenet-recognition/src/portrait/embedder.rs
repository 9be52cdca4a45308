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
use crate::portrait::cache::{CachedPortrait, EmbeddingCache, key};
use crate::portrait::portrait::Portrait;
use crate::portrait::reader::{PortraitLandmarks, PortraitReader};

/// Pictures that are read and embedded together: the work of some seconds.
const PART: usize = 256;

/// From pictures of one face each to embeddings.
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
    /// Locates the landmarks by which faces are aligned, if the embedding network has a template; otherwise it only counts
    /// faces.
    pub landmark_network: Option<&'a Network<f32>>,
    /// Landmarks that are known already. They take precedence.
    pub landmark_list: Option<PortraitLandmarks>,
    /// The part of an image that is taken for the face where it is not aligned.
    pub crop: Crop,
    /// The folder that embeddings are cached in.
    pub cache: Option<&'a Path>,
}

/// Embeddings of pictures.
#[derive(Debug)]
pub struct EmbeddedPortraits {
    /// The pictures that could be read, in the order in which they were given.
    pub pictures: Vec<PathBuf>,
    /// How the face of each was cut out.
    pub portraits: Vec<Portrait>,
    /// `[n, dimension]`.
    pub embeddings: Array2<f32>,
    /// How many of them were in the cache.
    pub cached: usize,
    /// The pictures that could not be read.
    pub unread: Vec<UnreadPicture>,
}

/// A picture that could not be read, and why.
#[derive(Debug)]
pub struct UnreadPicture {
    /// The picture.
    pub path: PathBuf,
    /// Why; it names the picture.
    pub error: Error,
}

/// A picture on its way.
enum Step {
    Cached(CachedPortrait),
    /// With the key of its embedding if that is kept.
    Face {
        key: Option<String>,
        portrait: Portrait,
        face: Array3<u8>,
    },
}

impl PortraitEmbedder {
    /// Embeds by a network.
    ///
    /// # Errors
    ///
    /// If the network computes no embeddings, if the landmark network is not one, or if the cache can't be read.
    pub fn new(network: &Network<f32>, options: PortraitOptions<'_>) -> Result<Self, Error> {
        let PortraitOptions { landmark_network, landmark_list, crop, cache } = options;
        let embedder = Embedder::new(network)?;
        let template = network.description().preprocessing.template.map(Landmarks);
        // All that an embedding depends on beside the picture and its listed landmarks; the number is that of the method.
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

    /// The same with at most so many faces that the network is given at once, as [`Embedder::with_batch`].
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn with_batch(mut self, batch: usize) -> Self {
        self.embedder = self.embedder.with_batch(batch);
        self
    }

    /// What the network is.
    #[must_use]
    pub fn description(&self) -> &Description {
        self.embedder.description()
    }

    /// The hash of the network's numbers.
    #[must_use]
    pub fn weights_sha256(&self) -> &str {
        &self.weights_sha256
    }

    /// What cuts faces out of pictures.
    #[must_use]
    pub fn reader(&self) -> &PortraitReader {
        &self.reader
    }

    /// Embeds pictures, on all threads; the result does not depend on their number. What is new is kept in the cache some
    /// hundred pictures at a time.
    ///
    /// A picture that can't be read is none of the result, but named in it.
    ///
    /// # Errors
    ///
    /// If the cache can't be written.
    pub fn embed(
        &mut self,
        pictures: &[PathBuf],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<EmbeddedPortraits, Error> {
        let dimension = self.embedder.dimension();
        let files = BoundedDecoder::new(DEFAULT_MEMORY_LIMIT);
        let mut result = EmbeddedPortraits {
            pictures: Vec::new(),
            portraits: Vec::new(),
            embeddings: Array2::zeros((0, dimension)),
            cached: 0,
            unread: Vec::new(),
        };
        let mut numbers: Vec<f32> = Vec::new();
        for (part, paths) in pictures.chunks(PART).enumerate() {
            progress(part * PART, pictures.len());
            let steps: Vec<Result<Step, Error>> = paths.par_iter().map(|path| self.step(&files, path)).collect();
            let faces: Vec<_> = steps
                .iter()
                .filter_map(|step| match step {
                    Ok(Step::Face { face, .. }) => Some(face.view()),
                    _ => None,
                })
                .collect();
            let embedded = match faces.is_empty() {
                true => Vec::new(),
                false => {
                    let faces = stack(Axis(0), &faces).expect("faces of one size");
                    self.embed_each(faces.view())?
                }
            };
            let mut embedded = embedded.into_iter();
            let mut new = BTreeMap::new();
            for (path, step) in paths.iter().zip(steps) {
                let cached = match step {
                    Err(error) => {
                        result.unread.push(UnreadPicture { path: path.clone(), error });
                        continue;
                    }
                    Ok(Step::Cached(cached)) => {
                        result.cached += 1;
                        cached
                    }
                    Ok(Step::Face { key, portrait, .. }) => {
                        let Some(embedding) = embedded.next().expect("an embedding of each face, or none") else {
                            let error = Error::NotFinitePicture { path: path.clone() };
                            result.unread.push(UnreadPicture { path: path.clone(), error });
                            continue;
                        };
                        let cached = CachedPortrait { portrait, embedding };
                        new.extend(key.map(|key| (key, cached.clone())));
                        cached
                    }
                };
                result.pictures.push(path.clone());
                result.portraits.push(cached.portrait);
                numbers.extend(cached.embedding);
            }
            if let Some(cache) = &mut self.cache {
                cache.add(new)?;
            }
        }
        let shape = (result.pictures.len(), dimension);
        result.embeddings = Array2::from_shape_vec(shape, numbers).expect("as many numbers as embeddings");
        Ok(result)
    }

    /// The embedding of each face, if it is finite.
    fn embed_each(&self, faces: ArrayView4<'_, u8>) -> Result<Vec<Option<Vec<f32>>>, Error> {
        match self.embedder.embed(faces) {
            Ok(embeddings) => Ok(embeddings.outer_iter().map(|row| Some(row.to_vec())).collect()),
            Err(Error::NotFiniteEmbedding { .. }) if faces.len_of(Axis(0)) == 1 => Ok(vec![None]),
            // One of them: each alone gives the same numbers.
            Err(Error::NotFiniteEmbedding { .. }) => {
                let each = faces.axis_chunks_iter(Axis(0), 1).map(|face| self.embed_each(face));
                Ok(each.collect::<Result<Vec<_>, Error>>()?.concat())
            }
            Err(error) => Err(error),
        }
    }

    /// Looks a picture up, or cuts its face out.
    fn step(&self, files: &BoundedDecoder, path: &Path) -> Result<Step, Error> {
        let bytes = read_bounded_file(path)?;
        let key = self.cache.as_ref().map(|_| key(&bytes, self.reader.listed(path)));
        if let Some(cached) = self.cache.as_ref().zip(key.as_ref()).and_then(|(cache, key)| cache.get(key)) {
            return Ok(Step::Cached(cached.clone()));
        }
        let (face, portrait) = files.decode(&bytes, path, |picture| self.reader.read(picture, path))??;
        Ok(Step::Face { key, portrait, face })
    }
}
