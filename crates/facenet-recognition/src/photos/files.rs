//! Embeddings as files for other programs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use facenet_data::{escape_path, write_atomically};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::hash::hexadecimal;
use crate::photos::embedder::{EmbeddedPhotos, PhotoEmbedder};
use crate::photos::face::Face;

/// Writes embeddings to the folder `out` for other programs and returns the files.
///
/// ```text
/// embeddings.safetensors   tensor `embeddings` [faces, dimension] in F32; the metadata entry `origin`,
///                          in TOML, holds the network and the hashes of its weights and index.csv
/// index.csv                row, photo, face (its number in the photo), framing, left, top, right,
///                          bottom, size, score, sharpness, yaw, pitch, roll, doubt, x and y of the five
///                          landmarks; lengths in pixels of the photo
/// embeddings.csv           photo, face and the elements of its embedding, if `csv`
/// ```
///
/// Paths of photos are written relative to `folder`.
///
/// # Errors
///
/// If a file can't be written.
pub fn write_embeddings(
    out: &Path,
    photos: &EmbeddedPhotos,
    folder: &Path,
    embedder: &PhotoEmbedder,
    csv: bool,
) -> Result<Vec<PathBuf>, Error> {
    let embeddings = photos.embeddings.as_standard_layout();
    let bytes: Vec<u8> = embeddings.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = TensorView::new(Dtype::F32, embeddings.shape().to_vec(), &bytes).expect("four bytes per element");
    let mut rows = Vec::new();
    let failed = |source| facenet_data::Error::Write { path: out.join("index.csv"), source };
    write_index(&mut rows, photos, folder).map_err(failed)?;
    let origin = Origin {
        network: &embedder.description().name,
        weights_sha256: embedder.weights_sha256(),
        index_sha256: hexadecimal(Sha256::new_with_prefix(&rows)),
    };
    // A single entry, since a map has no fixed order of entries.
    let origin = toml::to_string(&origin).expect("three strings");
    let metadata = [("origin".to_owned(), origin)].into_iter().collect();
    let safetensors = safetensors::serialize([("embeddings", tensor)], Some(metadata)).expect("a valid tensor");
    let mut files = vec![out.join("embeddings.safetensors"), out.join("index.csv")];
    write_atomically(&files[0], |file| file.write_all(&safetensors))?;
    write_atomically(&files[1], |file| file.write_all(&rows))?;
    if csv {
        let path = out.join("embeddings.csv");
        write_atomically(&path, |file| write_table(file, photos, folder))?;
        files.push(path);
    }
    Ok(files)
}

/// What the embeddings were made with.
#[derive(Serialize)]
struct Origin<'a> {
    network: &'a str,
    weights_sha256: &'a str,
    index_sha256: String,
}

/// The path of a photo relative to a folder, escaped unless it is UTF-8.
fn relative_name(photo: &Path, folder: &Path) -> String {
    let name = photo.strip_prefix(folder).unwrap_or(photo);
    name.to_str().map_or_else(|| escape_path(name), str::to_owned)
}

fn write_index(file: &mut dyn Write, photos: &EmbeddedPhotos, folder: &Path) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    let points = ["left_eye", "right_eye", "nose", "left_mouth", "right_mouth"];
    let points = points.iter().flat_map(|point| [format!("{point}_x"), format!("{point}_y")]);
    let columns = ["row", "photo"].into_iter().chain(Face::COLUMNS).map(str::to_owned);
    writer.write_record(columns.chain(points))?;
    for (row, face) in photos.faces.iter().enumerate() {
        let fields =
            [row.to_string(), relative_name(&photos.photo_of(row).path, folder)].into_iter().chain(face.cells());
        let points = face.landmarks.map(|landmarks| landmarks.0.as_flattened().to_vec());
        let points =
            points.map_or_else(|| vec![String::new(); 10], |points| points.iter().map(f32::to_string).collect());
        writer.write_record(fields.chain(points))?;
    }
    writer.flush()
}

fn write_table(file: &mut dyn Write, photos: &EmbeddedPhotos, folder: &Path) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    let columns = (1..=photos.embeddings.ncols()).map(|column| column.to_string());
    writer.write_record(["photo", "face"].map(str::to_owned).into_iter().chain(columns))?;
    for (row, embedding) in photos.embeddings.outer_iter().enumerate() {
        let face = [relative_name(&photos.photo_of(row).path, folder), photos.faces[row].number.to_string()];
        writer.write_record(face.into_iter().chain(embedding.iter().map(f32::to_string)))?;
    }
    writer.flush()
}
