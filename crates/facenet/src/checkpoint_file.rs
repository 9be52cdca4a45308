use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use facenet_data::open_regular_file;
use facenet_network::{Checkpoint, Description, Network, Parameters};
use ndarray::ArrayView4;
use sha2::{Digest, Sha256};

use crate::atomic_file::write_atomically;
use crate::{Dataset, Error, calibration};

/// The largest checkpoint that is read, in bytes: more than the largest network takes with an optimiser's buffers.
const LIMIT: u64 = 16 << 30;

/// Writes a checkpoint: whole under its name, or not at all.
///
/// # Errors
///
/// If the file can't be written.
pub fn write_checkpoint(path: &Path, checkpoint: &Checkpoint) -> Result<(), Error> {
    write_atomically(path, |mut file| checkpoint.write(&mut file))
}

/// Reads a checkpoint.
///
/// # Errors
///
/// If the file can't be read, or is no checkpoint, or has a calibration that is none: the error names it.
pub fn read_checkpoint(path: &Path) -> Result<Checkpoint, Error> {
    let bytes = read_whole(path, LIMIT)?;
    let failed = |source| Error::Checkpoint { path: path.to_owned(), source };
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(failed)?;
    calibration(&checkpoint, path)?;
    Ok(checkpoint)
}

/// All bytes of a file, if they are not more than `limit`.
pub(crate) fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = open_regular_file(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > limit {
        return Err(Error::CheckpointTooLong { path: path.to_owned(), limit });
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The hash of a network's numbers, in hexadecimal: SHA-256 over the little-endian bytes of all parameters, then of all
/// statistics. Of two runs of one recipe it is equal if and only if they learned the same.
#[must_use]
pub fn weights_sha256(network: &Network<f32>) -> String {
    let mut hash = Sha256::new();
    let mut add = |numbers: &Parameters<f32>| {
        for chunk in numbers.values.chunks(1 << 14) {
            let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
            hash.update(&bytes);
        }
    };
    add(&network.parameters);
    add(&network.statistics);
    hexadecimal(hash)
}

/// The hash of what a network is, in hexadecimal: SHA-256 of its description in TOML.
#[must_use]
pub fn network_sha256(description: &Description) -> String {
    hexadecimal(Sha256::new_with_prefix(description.to_toml()))
}

/// The hash of all that a run sees of a data set: SHA-256 of the hashes of its groups.
pub(crate) fn dataset_sha256(dataset: &Dataset) -> String {
    let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
    let hashes = groups.map(|group| pictures_sha256(group.faces.view(), &group.identities));
    hexadecimal(Sha256::new_with_prefix(hashes.concat()))
}

/// The hash of what a network learns from: faces and who they show.
pub(crate) fn pictures_sha256(faces: ArrayView4<'_, u8>, identities: &[usize]) -> String {
    let mut hash = Sha256::new();
    for face in faces.outer_iter() {
        hash.update(face.as_standard_layout().as_slice().expect("made in standard layout"));
    }
    identities.iter().for_each(|&identity| hash.update((identity as u64).to_le_bytes()));
    hexadecimal(hash)
}

pub(crate) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
