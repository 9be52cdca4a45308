//! Hashes that identify the faces of a run.

use std::fmt::Write;

use ndarray::ArrayView4;
use sha2::{Digest, Sha256};

use crate::dataset::labeled_faces::Dataset;

/// Hash of a data set: SHA-256 of the concatenated hashes of its groups.
pub(crate) fn dataset_sha256(dataset: &Dataset) -> String {
    let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
    let hashes = groups.map(|group| faces_sha256(group.faces.view(), &group.identities));
    hexadecimal(Sha256::new_with_prefix(hashes.concat()))
}

/// Hash of faces and their identities.
pub(crate) fn faces_sha256(faces: ArrayView4<'_, u8>, identities: &[usize]) -> String {
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
