//! From photos to the embeddings of their faces.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use facenet_data::{BoundedDecoder, Crop, DEFAULT_MEMORY_LIMIT, Landmarks, read_bounded_file};
use facenet_network::{Description, Network};
use ndarray::{Array2, Array3, ArrayView4, Axis, stack};
use rayon::prelude::*;

use crate::detection::face_detector::FaceDetector;
use crate::embedding::embed::{Embed, check_embedder};
use crate::embedding::embedder::Embedder;
use crate::error::Error;
use crate::hash::{network_sha256, weights_sha256};
use crate::photos::cache::{CachedPhoto, EmbeddingCache, key};
use crate::photos::face::{Face, FaceSelection, ReadPhoto};
use crate::photos::landmark_list::PhotoLandmarks;
use crate::photos::reader::{Faces, Framing, PhotoReader};

/// Photos that are read, embedded and cached together: some seconds of work.
const CHUNK: usize = 64;

/// Embeds the faces of photos: finds them, extracts them, embeds them, caches the embeddings.
#[derive(Debug)]
pub struct PhotoEmbedder {
    embedder: Embedder,
    weights_sha256: String,
    reader: PhotoReader,
    cache: Option<EmbeddingCache>,
}

/// How faces are found, and where embeddings are cached.
#[derive(Debug, Default)]
pub struct PhotoOptions<'a> {
    /// Finds the faces for a network that takes aligned faces. Without it only photos on the landmark list
    /// are embedded.
    pub detector: Option<FaceDetector>,
    /// Known landmarks, for a network that takes aligned faces. The face they are of is the only one of its
    /// photo.
    pub landmark_list: Option<PhotoLandmarks>,
    /// The part of each photo that is taken for its face by a network that does not take aligned faces.
    pub crop: Crop,
    /// The folder of the cache. `None` for no cache.
    pub cache: Option<&'a Path>,
}

/// Embeddings of the faces of photos.
#[derive(Debug)]
pub struct EmbeddedPhotos {
    /// The readable photos, in the given order.
    pub photos: Vec<ReadPhoto>,
    /// Their faces, photo by photo, from left to right.
    pub faces: Vec<Face>,
    /// The embeddings of the faces: `[faces, dimension]`.
    pub embeddings: Array2<f32>,
    /// Number of photos whose embeddings came from the cache.
    pub cached: usize,
    /// The unreadable photos, in the given order.
    pub unread: Vec<UnreadPhoto>,
}

/// A photo that could not be embedded, and why.
#[derive(Debug)]
pub struct UnreadPhoto {
    /// The file.
    pub path: PathBuf,
    /// The error, which names the file.
    pub error: Error,
}

/// A photo before the embedding network runs.
enum Prepared {
    Cached(CachedPhoto),
    Faces {
        /// The cache key. `None` without a cache.
        key: Option<String>,
        size: [usize; 2],
        faces: Faces,
    },
}

impl PhotoEmbedder {
    /// Creates an embedder around a network.
    ///
    /// # Errors
    ///
    /// [`Error::NoEmbeddings`] if the network computes something else; as [`check_embedder`] if its
    /// embeddings tell no faces apart; or if the cache can't be read.
    pub fn new(network: &Network<f32>, options: PhotoOptions<'_>) -> Result<Self, Error> {
        let PhotoOptions { detector, landmark_list, crop, cache } = options;
        let embedder = Embedder::new(network)?;
        check_embedder(&embedder)?;
        let template = network.description().preprocessing.template.map(Landmarks);
        // Everything an embedding depends on beside the photo and its listed landmarks. The leading
        // number is the version of the method.
        let identity = |network: &Network<f32>, weights: &str| network_sha256(network.description()) + weights;
        let weights = weights_sha256(network);
        let network = identity(network, &weights);
        let (framing, how) = match template {
            Some(template) => {
                let finder = detector.as_ref().map(|detector| {
                    let network = detector.network();
                    format!("{}\n{:?}", identity(network, &weights_sha256(network)), detector.options())
                });
                let detector = detector.map(|detector| Box::new(detector) as _);
                (Framing::Aligned { template, detector, list: landmark_list }, format!("{finder:?}"))
            }
            None => (Framing::Cropped(crop), format!("{crop:?}")),
        };
        let reader = PhotoReader { framing, size: embedder.input_size() };
        let fingerprint = format!("2\n{network}\n{how}");
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

    /// What finds the faces.
    #[must_use]
    pub fn reader(&self) -> &PhotoReader {
        &self.reader
    }

    /// Embeds the faces of photos on all threads of the current pool; the result does not depend on their
    /// number. New embeddings are cached every 64 photos. Unreadable photos are listed in
    /// [`EmbeddedPhotos::unread`]. `progress` is called with the photos done and their total, from any
    /// thread.
    ///
    /// # Errors
    ///
    /// If the cache can't be written.
    pub fn embed(
        &mut self,
        photos: &[PathBuf],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<EmbeddedPhotos, Error> {
        let decoder = BoundedDecoder::new(DEFAULT_MEMORY_LIMIT);
        let done = AtomicUsize::new(0);
        let mut result = EmbeddedPhotos::empty(self.embedder.dimension());
        let mut values: Vec<f32> = Vec::new();
        for paths in photos.chunks(CHUNK) {
            let prepare = |path: &PathBuf| {
                let prepared = self.prepare(&decoder, path);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, photos.len());
                prepared
            };
            let prepared: Vec<Result<Prepared, Error>> = paths.par_iter().map(prepare).collect();
            let faces = prepared.iter().filter_map(|prepared| match prepared {
                Ok(Prepared::Faces { faces, .. }) => Some(&faces.faces),
                _ => None,
            });
            let pixels: Vec<&Array3<u8>> = faces.flatten().map(|(_, pixels)| pixels).collect();
            let mut embedded = self.embed_faces(&pixels)?.into_iter();
            let mut new = BTreeMap::new();
            for (path, prepared) in paths.iter().zip(prepared) {
                let read = match prepared {
                    Err(error) => {
                        result.unread.push(UnreadPhoto { path: path.clone(), error });
                        continue;
                    }
                    Ok(Prepared::Cached(cached)) => {
                        result.cached += 1;
                        cached
                    }
                    Ok(Prepared::Faces { key, size, faces: Faces { faces, warning } }) => {
                        let embeddings: Vec<_> = embedded.by_ref().take(faces.len()).collect();
                        let Some(embeddings) = embeddings.into_iter().collect::<Option<Vec<_>>>() else {
                            let error = Error::NotFiniteImage { path: path.clone() };
                            result.unread.push(UnreadPhoto { path: path.clone(), error });
                            continue;
                        };
                        let faces = faces.into_iter().map(|(face, _)| face).zip(embeddings).collect();
                        let read = CachedPhoto { size, warning, faces };
                        new.extend(key.map(|key| (key, read.clone())));
                        read
                    }
                };
                result.push(path.clone(), read, &mut values);
            }
            if let Some(cache) = &mut self.cache {
                cache.add(new)?;
            }
        }
        let shape = (result.faces.len(), self.embedder.dimension());
        result.embeddings = Array2::from_shape_vec(shape, values).expect("`dimension` values per face");
        Ok(result)
    }

    /// The embedding of each face; `None` where it is not finite.
    fn embed_faces(&self, faces: &[&Array3<u8>]) -> Result<Vec<Option<Vec<f32>>>, Error> {
        let views: Vec<_> = faces.iter().map(|face| face.view()).collect();
        match views.is_empty() {
            true => Ok(Vec::new()),
            false => self.embed_each(stack(Axis(0), &views).expect("faces of equal size").view()),
        }
    }

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

    /// Looks a photo up in the cache, else finds its faces.
    fn prepare(&self, decoder: &BoundedDecoder, path: &Path) -> Result<Prepared, Error> {
        let bytes = read_bounded_file(path)?;
        let key = self.cache.as_ref().map(|_| key(&bytes, self.reader.listed_landmarks(path)));
        if let Some(cached) = self.cache.as_ref().zip(key.as_ref()).and_then(|(cache, key)| cache.get(key)) {
            return Ok(Prepared::Cached(cached.clone()));
        }
        let (size, faces) = decoder.decode_photo(&bytes, path, |photo| (photo.size, self.reader.read(photo, path)))?;
        Ok(Prepared::Faces { key, size, faces: faces? })
    }
}

impl EmbeddedPhotos {
    fn empty(dimension: usize) -> Self {
        Self {
            photos: Vec::new(),
            faces: Vec::new(),
            embeddings: Array2::zeros((0, dimension)),
            cached: 0,
            unread: Vec::new(),
        }
    }

    /// Appends a photo and its faces; their embeddings go to `values`.
    fn push(&mut self, path: PathBuf, CachedPhoto { size, warning, faces }: CachedPhoto, values: &mut Vec<f32>) {
        let (photo, start) = (self.photos.len(), self.faces.len());
        for (face, embedding) in faces {
            self.faces.push(Face { photo, ..face });
            values.extend(embedding);
        }
        self.photos.push(ReadPhoto { path, size, faces: start..self.faces.len(), warning });
    }

    /// Keeps only the selected faces of each photo, with their numbers.
    #[must_use]
    pub fn select(self, selection: FaceSelection) -> Self {
        self.keep(|photo, faces| selection.of(faces, photo.size).collect())
    }

    /// Leaves out faces that are not where the landmark list says: nobody can be enrolled by them.
    #[must_use]
    pub fn without_misplaced(self) -> Self {
        self.keep(|_, faces| (0..faces.len()).filter(|&index| !faces[index].is_misplaced()).collect())
    }

    /// Keeps the faces of each photo with the indices that `kept` returns, in ascending order.
    fn keep(mut self, kept: impl Fn(&ReadPhoto, &[Face]) -> Vec<usize>) -> Self {
        let mut rows = Vec::new();
        for photo in &mut self.photos {
            let kept = kept(photo, &self.faces[photo.faces.clone()]);
            let first = rows.len();
            rows.extend(kept.into_iter().map(|index| photo.faces.start + index));
            photo.faces = first..rows.len();
        }
        self.faces = rows.iter().map(|&row| self.faces[row]).collect();
        self.embeddings = self.embeddings.select(Axis(0), &rows);
        self
    }

    /// The photo of a face.
    ///
    /// # Panics
    ///
    /// If `face` is out of bounds.
    #[must_use]
    #[track_caller]
    pub fn photo_of(&self, face: usize) -> &ReadPhoto {
        &self.photos[self.faces[face].photo]
    }

    /// The row of the most central face of each photo; `None` for photos without a face.
    #[must_use]
    pub fn central_faces(&self) -> Vec<Option<usize>> {
        let central = |photo: &ReadPhoto| {
            let selected = FaceSelection::Central.of(&self.faces[photo.faces.clone()], photo.size);
            selected.map(|index| photo.faces.start + index).next()
        };
        self.photos.iter().map(central).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face_source::FaceSource;
    use crate::photos::face::FaceWarning;
    use facenet_metrics::BoundingBox;

    #[test]
    fn misplaced_faces_are_left_out_with_their_embeddings() {
        let face = |number: usize, warning| Face {
            photo: 0,
            number,
            source: FaceSource::LandmarkList,
            bounding_box: BoundingBox { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 },
            landmarks: None,
            quality: None,
            warning,
        };
        let mut photos = EmbeddedPhotos::empty(1);
        let mut values = Vec::new();
        for warnings in [&[Some(FaceWarning::ListDisagrees), None][..], &[Some(FaceWarning::Orientation)]] {
            let faces = warnings.iter().zip(1..).map(|(&warning, number)| (face(number, warning), vec![number as f32]));
            let read = CachedPhoto { size: [10, 10], warning: None, faces: faces.collect() };
            photos.push(PathBuf::from("a.jpg"), read, &mut values);
        }
        photos.embeddings = Array2::from_shape_vec((3, 1), values).unwrap();
        let kept = photos.without_misplaced();
        assert_eq!(kept.photos.iter().map(|photo| photo.faces.clone()).collect::<Vec<_>>(), [0..1, 1..2]);
        assert_eq!(kept.faces.iter().map(|face| (face.photo, face.number)).collect::<Vec<_>>(), [(0, 2), (1, 1)]);
        assert_eq!(kept.embeddings, ndarray::array![[2.0], [1.0]]);
    }
}
