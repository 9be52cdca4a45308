use std::io::{self, Write};
use std::path::{Path, PathBuf};

use facenet_data::{escape_path, write_atomically};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::hash::hexadecimal;
use crate::portrait::embedder::{EmbeddedPortraits, PortraitEmbedder};

/// Writes embeddings to a folder for other programs, and says which files that are.
///
/// ```text
/// embeddings.safetensors   the tensor `embeddings` [n, dimension] in F32; as its metadata `origin`, in TOML, the network, the hash
///                          of its weights and that of the index that belongs to it
/// index.csv                row, picture, framing, faces, doubt, and x and y of the five points in pixels
/// embeddings.csv           picture, and the numbers of its embedding; if asked for
/// ```
///
/// Paths of pictures begin in `folder`.
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
    let tensor = TensorView::new(Dtype::F32, embeddings.shape().to_vec(), &bytes).expect("four bytes for each number");
    let mut rows = Vec::new();
    let failed = |source| facenet_data::Error::Write { path: out.join("index.csv"), source };
    index(&mut rows, portraits, folder).map_err(failed)?;
    let origin = Origin {
        network: &embedder.description().name,
        weights_sha256: embedder.weights_sha256(),
        index_sha256: hexadecimal(Sha256::new_with_prefix(&rows)),
    };
    // One entry, since those of a map come in any order.
    let origin = toml::to_string(&origin).expect("three texts, which TOML can express");
    let metadata = [("origin".to_owned(), origin)].into_iter().collect();
    let safetensors = safetensors::serialize([("embeddings", tensor)], Some(metadata)).expect("one tensor");
    let mut files = vec![out.join("embeddings.safetensors"), out.join("index.csv")];
    write_atomically(&files[0], |file| file.write_all(&safetensors))?;
    write_atomically(&files[1], |file| file.write_all(&rows))?;
    if csv {
        let path = out.join("embeddings.csv");
        write_atomically(&path, |file| table(file, portraits, folder))?;
        files.push(path);
    }
    Ok(files)
}

/// What embeddings belong to.
#[derive(Serialize)]
struct Origin<'a> {
    network: &'a str,
    weights_sha256: &'a str,
    index_sha256: String,
}

/// The name of a picture within its folder; what is no text in it is escaped.
fn name_within(picture: &Path, folder: &Path) -> String {
    let name = picture.strip_prefix(folder).unwrap_or(picture);
    name.to_str().map_or_else(|| escape_path(name), str::to_owned)
}

fn index(file: &mut dyn Write, portraits: &EmbeddedPortraits, folder: &Path) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    let points = ["left_eye", "right_eye", "nose", "left_mouth", "right_mouth"];
    let columns = points.iter().flat_map(|point| [format!("{point}_x"), format!("{point}_y")]);
    writer
        .write_record(["row", "picture", "framing", "faces", "doubt"].map(str::to_owned).into_iter().chain(columns))?;
    for (row, (picture, portrait)) in portraits.pictures.iter().zip(&portraits.portraits).enumerate() {
        let fields = [row.to_string(), name_within(picture, folder)].into_iter().chain(portrait.cells());
        let points = portrait.landmarks.map(|landmarks| landmarks.0.as_flattened().to_vec());
        let points =
            points.map_or_else(|| vec![String::new(); 10], |points| points.iter().map(f32::to_string).collect());
        writer.write_record(fields.chain(points))?;
    }
    writer.flush()
}

fn table(file: &mut dyn Write, portraits: &EmbeddedPortraits, folder: &Path) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    let numbers = (1..=portraits.embeddings.ncols()).map(|number| number.to_string());
    writer.write_record(["picture".to_owned()].into_iter().chain(numbers))?;
    for (picture, embedding) in portraits.pictures.iter().zip(portraits.embeddings.outer_iter()) {
        writer.write_record([name_within(picture, folder)].into_iter().chain(embedding.iter().map(f32::to_string)))?;
    }
    writer.flush()
}
