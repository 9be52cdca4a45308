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
use crate::portraits::embedder::{EmbeddedPortraits, PortraitEmbedder};

/// Writes embeddings to the folder `out` for other programs and returns the files.
///
/// ```text
/// embeddings.safetensors   tensor `embeddings` [n, dimension] in F32; the metadata entry `origin`,
///                          in TOML, holds the network and the hashes of its weights and index.csv
/// index.csv                row, picture, framing, faces, doubt, x and y of the five landmarks
///                          in pixels
/// embeddings.csv           picture and the elements of its embedding, if `csv`
/// ```
///
/// Paths of images are written relative to `folder`.
///
/// # Errors
///
/// If a file can't be written.
pub fn write_embeddings(
    out: &Path,
    portraits: &EmbeddedPortraits,
    folder: &Path,
    embedder: &PortraitEmbedder,
    csv: bool,
) -> Result<Vec<PathBuf>, Error> {
    let embeddings = portraits.embeddings.as_standard_layout();
    let bytes: Vec<u8> = embeddings.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = TensorView::new(Dtype::F32, embeddings.shape().to_vec(), &bytes).expect("four bytes per element");
    let mut rows = Vec::new();
    let failed = |source| facenet_data::Error::Write { path: out.join("index.csv"), source };
    write_index(&mut rows, portraits, folder).map_err(failed)?;
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
        write_atomically(&path, |file| write_table(file, portraits, folder))?;
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

/// The path of an image relative to a folder, escaped unless it is UTF-8.
fn relative_name(image: &Path, folder: &Path) -> String {
    let name = image.strip_prefix(folder).unwrap_or(image);
    name.to_str().map_or_else(|| escape_path(name), str::to_owned)
}

fn write_index(file: &mut dyn Write, portraits: &EmbeddedPortraits, folder: &Path) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    let points = ["left_eye", "right_eye", "nose", "left_mouth", "right_mouth"];
    let columns = points.iter().flat_map(|point| [format!("{point}_x"), format!("{point}_y")]);
    writer
        .write_record(["row", "picture", "framing", "faces", "doubt"].map(str::to_owned).into_iter().chain(columns))?;
    for (row, (image, portrait)) in portraits.images.iter().zip(&portraits.portraits).enumerate() {
        let fields = [row.to_string(), relative_name(image, folder)].into_iter().chain(portrait.cells());
        let points = portrait.landmarks.map(|landmarks| landmarks.0.as_flattened().to_vec());
        let points =
            points.map_or_else(|| vec![String::new(); 10], |points| points.iter().map(f32::to_string).collect());
        writer.write_record(fields.chain(points))?;
    }
    writer.flush()
}

fn write_table(file: &mut dyn Write, portraits: &EmbeddedPortraits, folder: &Path) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    let columns = (1..=portraits.embeddings.ncols()).map(|column| column.to_string());
    writer.write_record(["picture".to_owned()].into_iter().chain(columns))?;
    for (image, embedding) in portraits.images.iter().zip(portraits.embeddings.outer_iter()) {
        writer.write_record([relative_name(image, folder)].into_iter().chain(embedding.iter().map(f32::to_string)))?;
    }
    writer.flush()
}
