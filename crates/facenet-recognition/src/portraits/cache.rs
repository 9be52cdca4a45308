//! Embeddings cached on disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use facenet_data::{Landmarks, create_private_folder, write_private};
use facenet_network::ForeignTensors;
use safetensors::{Dtype, View};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::face_source::FaceSource;
use crate::hash::hexadecimal;
use crate::portraits::portrait::Portrait;
use crate::weights::checkpoint_file::read_file;

/// A cache of embeddings on disk, keyed by the content of images, so images may be moved or
/// renamed.
///
/// There is a folder per combination of networks, weights and crop. Each of its safetensors files
/// holds some images, one tensor per image, named by the SHA-256 of the image file and its listed
/// landmarks:
///
/// ```text
/// [source, faces, x and y of the five landmarks, the embedding]
///  source: 0 landmark list, 1 landmark network, 2 crop
///  faces: -1 if unknown
///  landmarks: 0 if unknown
/// ```
///
/// Files are only ever added, and each atomically, so processes can share a cache and an
/// interrupted one loses nothing that it has written.
#[derive(Debug)]
pub(super) struct EmbeddingCache {
    folder: PathBuf,
    dimension: usize,
    entries: BTreeMap<String, CachedPortrait>,
}

/// The cached result of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CachedPortrait {
    pub(super) portrait: Portrait,
    pub(super) embedding: Vec<f32>,
}

/// Elements of a tensor in front of the embedding.
const HEADER_LENGTH: usize = 12;
/// Limit on the length of a cache file, in bytes.
const FILE_LIMIT: u64 = 1 << 30;

impl EmbeddingCache {
    /// Reads the entries of a `fingerprint`, which identifies networks, weights and crop, with
    /// embeddings of a `dimension`.
    ///
    /// # Errors
    ///
    /// If the folder or a file in it can't be read, or a file is damaged.
    pub(super) fn open(folder: &Path, fingerprint: &str, dimension: usize) -> Result<Self, Error> {
        let folder = folder.join(hexadecimal(Sha256::new_with_prefix(fingerprint)).split_at(16).0);
        let failed = |source| Error::Read { path: folder.clone(), source };
        let mut entries = BTreeMap::new();
        let files = match fs::read_dir(&folder) {
            Ok(files) => Some(files),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let paths = files.into_iter().flatten().map(|file| Ok(file.map_err(failed)?.path()));
        let mut paths: Vec<PathBuf> = paths.collect::<Result<_, Error>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
        paths.sort();
        for path in paths {
            entries.append(&mut read(&path, dimension)?);
        }
        Ok(Self { folder, dimension, entries })
    }

    pub(super) fn get(&self, key: &str) -> Option<&CachedPortrait> {
        self.entries.get(key)
    }

    /// Adds entries, in a new file.
    pub(super) fn add(&mut self, new: BTreeMap<String, CachedPortrait>) -> Result<(), Error> {
        if new.is_empty() {
            return Ok(());
        }
        let unwritable = |source| Error::UnwritableCache { source };
        create_private_folder(&self.folder).map_err(unwritable)?;
        let name = hexadecimal(new.keys().fold(Sha256::new(), |hash, key| hash.chain_update(key)));
        let path = self.folder.join(format!("{}.safetensors", &name[..32]));
        let tensors: Vec<(&String, Tensor)> = new.iter().map(|(key, cached)| (key, Tensor::new(cached))).collect();
        let bytes = safetensors::serialize(tensors, None).expect("valid names and shapes");
        write_private(&path, |file| file.write_all(&bytes)).map_err(unwritable)?;
        debug_assert!(new.values().all(|cached| cached.embedding.len() == self.dimension));
        self.entries.extend(new);
        Ok(())
    }
}

/// The key of an image: the hash of its file and its listed landmarks.
pub(super) fn key(bytes: &[u8], listed: Option<Landmarks>) -> String {
    let mut hash = Sha256::new_with_prefix(Sha256::digest(bytes));
    for coordinate in listed.iter().flat_map(|landmarks| landmarks.0.as_flattened()) {
        hash.update(coordinate.to_le_bytes());
    }
    hexadecimal(hash)
}

fn read(path: &Path, dimension: usize) -> Result<BTreeMap<String, CachedPortrait>, Error> {
    let damaged = || Error::DamagedCache { path: path.to_owned() };
    let tensors = ForeignTensors::from_safetensors(&read_file(path, FILE_LIMIT)?).map_err(|_| damaged())?;
    let entries = tensors.tensors.into_iter().map(|(key, tensor)| {
        if tensor.values.len() != HEADER_LENGTH + dimension || tensor.values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let (header, embedding) = tensor.values.split_at(HEADER_LENGTH);
        let source = match header[0] {
            0.0 => FaceSource::LandmarkList,
            1.0 => FaceSource::LandmarkNetwork,
            2.0 => FaceSource::CenterCrop,
            _ => return None,
        };
        let faces = (header[1] >= 0.0).then_some(header[1] as usize);
        let mut points = [[0.0; 2]; 5];
        points.as_flattened_mut().copy_from_slice(&header[2..]);
        let landmarks = (source != FaceSource::CenterCrop).then_some(Landmarks(points));
        let portrait = Portrait { source, landmarks, faces };
        Some((key, CachedPortrait { portrait, embedding: embedding.to_vec() }))
    });
    entries.collect::<Option<_>>().ok_or_else(damaged)
}

/// An entry as a tensor.
struct Tensor {
    shape: [usize; 1],
    bytes: Vec<u8>,
}

impl Tensor {
    fn new(CachedPortrait { portrait, embedding }: &CachedPortrait) -> Self {
        let source = match portrait.source {
            FaceSource::LandmarkList => 0.0,
            FaceSource::LandmarkNetwork => 1.0,
            FaceSource::CenterCrop => 2.0,
            FaceSource::Synthetic => unreachable!("a portrait comes from an image file"),
        };
        let faces = portrait.faces.map_or(-1.0, |faces| faces as f32);
        let points = portrait.landmarks.map_or([[0.0; 2]; 5], |landmarks| landmarks.0);
        let values = [source, faces].into_iter().chain(points.as_flattened().iter().copied());
        let values = values.chain(embedding.iter().copied());
        Self { shape: [HEADER_LENGTH + embedding.len()], bytes: values.flat_map(f32::to_le_bytes).collect() }
    }
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.bytes).into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
