//! Embeddings cached on disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use facenet_data::{Landmarks, create_private_folder, write_private};
use facenet_metrics::BoundingBox;
use facenet_network::{ForeignTensor, ForeignTensors};
use safetensors::{Dtype, View};
use sha2::{Digest, Sha256};

use crate::detection::quality::FaceQuality;
use crate::error::Error;
use crate::face_source::FaceSource;
use crate::hash::hexadecimal;
use crate::photos::face::{Face, FaceWarning, PhotoWarning};
use crate::weights::checkpoint_file::read_file;

/// A cache of embeddings on disk, keyed by the content of photos, so photos may be moved or
/// renamed.
///
/// There is a folder per combination of networks, weights and options. Each of its safetensors files
/// holds some photos, one tensor per photo, named by the SHA-256 of the file and its listed landmarks.
/// Its first row is that of the photo, each other that of a face:
///
/// ```text
/// [height, width, warning, 0, ..]
///  warning: 0 none, 1 no face, 2 not on the landmark list
/// [source, box, landmarks, warning, has quality, quality, embedding]
///  source: 0 landmark list, 1 detector, 2 crop
///  box: left, top, right, bottom; landmarks: x and y of each, 0 if unknown
///  warning: 0 that of the quality, 1 list disagrees, 2 orientation; has quality: 0 or 1
///  quality: side, score, sharpness, yaw, pitch, roll, 0 if unknown
/// ```
///
/// Files are only ever added, and each atomically, so processes can share a cache and an
/// interrupted one loses nothing that it has written.
#[derive(Debug)]
pub(super) struct EmbeddingCache {
    folder: PathBuf,
    dimension: usize,
    entries: BTreeMap<String, CachedPhoto>,
}

/// The cached result of a photo.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CachedPhoto {
    pub(super) size: [usize; 2],
    pub(super) warning: Option<PhotoWarning>,
    /// From left to right, each with its embedding.
    pub(super) faces: Vec<(Face, Vec<f32>)>,
}

/// Elements of a row in front of the embedding.
const HEADER_LENGTH: usize = 23;
/// Limit on the length of a cache file, in bytes.
const FILE_LIMIT: u64 = 1 << 30;
/// The largest height or width of a photo.
const MAX_SIDE: f32 = 65_535.0;

impl EmbeddingCache {
    /// Reads the entries of a `fingerprint`, which identifies networks, weights and options, with
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

    pub(super) fn get(&self, key: &str) -> Option<&CachedPhoto> {
        self.entries.get(key)
    }

    /// Adds entries, in a new file.
    pub(super) fn add(&mut self, new: BTreeMap<String, CachedPhoto>) -> Result<(), Error> {
        if new.is_empty() {
            return Ok(());
        }
        let unwritable = |source| Error::UnwritableCache { source };
        create_private_folder(&self.folder).map_err(unwritable)?;
        let name = hexadecimal(new.keys().fold(Sha256::new(), |hash, key| hash.chain_update(key)));
        let path = self.folder.join(format!("{}.safetensors", &name[..32]));
        let tensors = new.iter().map(|(key, photo)| (key, Tensor::new(photo, self.dimension)));
        let bytes = safetensors::serialize(tensors.collect::<Vec<_>>(), None).expect("valid names and shapes");
        write_private(&path, |file| file.write_all(&bytes)).map_err(unwritable)?;
        self.entries.extend(new);
        Ok(())
    }
}

/// The key of a photo: the hash of its file and its listed landmarks.
pub(super) fn key(bytes: &[u8], listed: Option<Landmarks>) -> String {
    let mut hash = Sha256::new_with_prefix(Sha256::digest(bytes));
    for coordinate in listed.iter().flat_map(|landmarks| landmarks.0.as_flattened()) {
        hash.update(coordinate.to_le_bytes());
    }
    hexadecimal(hash)
}

fn read(path: &Path, dimension: usize) -> Result<BTreeMap<String, CachedPhoto>, Error> {
    let damaged = || Error::DamagedCache { path: path.to_owned() };
    let tensors = ForeignTensors::from_safetensors(&read_file(path, FILE_LIMIT)?).map_err(|_| damaged())?;
    let entries = tensors.tensors.into_iter().map(|(key, tensor)| Some((key, photo(&tensor, dimension)?)));
    entries.collect::<Option<_>>().ok_or_else(damaged)
}

fn photo(tensor: &ForeignTensor, dimension: usize) -> Option<CachedPhoto> {
    let width = HEADER_LENGTH + dimension;
    if tensor.shape.len() != 2 || tensor.shape[1] != width || tensor.values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut rows = tensor.values.chunks_exact(width);
    let (first, faces) = (rows.next()?, rows.enumerate());
    let warning = match first[2] {
        0.0 => None,
        1.0 => Some(PhotoWarning::NoFace),
        2.0 => Some(PhotoWarning::NotListed),
        _ => return None,
    };
    let side = |value: f32| (1.0..=MAX_SIDE).contains(&value).then_some(value as usize);
    let faces = faces.map(|(index, row)| {
        let (header, embedding) = row.split_at(HEADER_LENGTH);
        Some((face(header.try_into().ok()?, index + 1)?, embedding.to_vec()))
    });
    let faces = faces.collect::<Option<_>>()?;
    Some(CachedPhoto { size: [side(first[0])?, side(first[1])?], warning, faces })
}

fn face(header: &[f32; HEADER_LENGTH], number: usize) -> Option<Face> {
    let source = match header[0] {
        0.0 => FaceSource::LandmarkList,
        1.0 => FaceSource::Detector,
        2.0 => FaceSource::CenterCrop,
        _ => return None,
    };
    let [left, top, right, bottom] = [1, 2, 3, 4].map(|index| f64::from(header[index]));
    let mut points = [[0.0; 2]; 5];
    points.as_flattened_mut().copy_from_slice(&header[5..15]);
    let [side, score, sharpness, yaw, pitch, roll] = [17, 18, 19, 20, 21, 22].map(|index| f64::from(header[index]));
    let quality = match header[16] {
        0.0 => None,
        1.0 => Some(FaceQuality { side, score: score as f32, sharpness, yaw, pitch, roll }),
        _ => return None,
    };
    let warning = match header[15] {
        0.0 => quality.and_then(|quality| quality.warning()).map(FaceWarning::Quality),
        1.0 => Some(FaceWarning::ListDisagrees),
        2.0 => Some(FaceWarning::Orientation),
        _ => return None,
    };
    Some(Face {
        photo: 0,
        number,
        source,
        bounding_box: BoundingBox { left, top, right, bottom },
        landmarks: (source != FaceSource::CenterCrop).then_some(Landmarks(points)),
        quality,
        warning,
    })
}

/// An entry as a tensor.
struct Tensor {
    shape: [usize; 2],
    bytes: Vec<u8>,
}

impl Tensor {
    fn new(CachedPhoto { size, warning, faces }: &CachedPhoto, dimension: usize) -> Self {
        let width = HEADER_LENGTH + dimension;
        let code = match warning {
            None => 0.0,
            Some(PhotoWarning::NoFace) => 1.0,
            Some(PhotoWarning::NotListed) => 2.0,
        };
        let mut values = vec![size[0] as f32, size[1] as f32, code];
        values.resize(width, 0.0);
        for (face, embedding) in faces {
            assert_eq!(embedding.len(), dimension, "the dimension of an embedding");
            let source = match face.source {
                FaceSource::LandmarkList => 0.0,
                FaceSource::Detector => 1.0,
                FaceSource::CenterCrop => 2.0,
                FaceSource::Synthetic => unreachable!("a face of a photo comes from a file"),
            };
            let BoundingBox { left, top, right, bottom } = face.bounding_box;
            let points = face.landmarks.map_or([[0.0; 2]; 5], |landmarks| landmarks.0);
            let warning = match face.warning {
                None | Some(FaceWarning::Quality(_)) => 0.0,
                Some(FaceWarning::ListDisagrees) => 1.0,
                Some(FaceWarning::Orientation) => 2.0,
            };
            let quality = face.quality.map_or([0.0; 6], |quality| {
                let FaceQuality { side, score, sharpness, yaw, pitch, roll } = quality;
                [side, score.into(), sharpness, yaw, pitch, roll].map(|value: f64| value as f32)
            });
            values.push(source);
            values.extend([left, top, right, bottom].map(|edge| edge as f32));
            values.extend(points.as_flattened());
            values.extend([warning, if face.quality.is_some() { 1.0 } else { 0.0 }]);
            values.extend(quality);
            values.extend(embedding);
        }
        Self { shape: [1 + faces.len(), width], bytes: values.into_iter().flat_map(f32::to_le_bytes).collect() }
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
