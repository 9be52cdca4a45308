//! Copies of photos with boxes around their faces.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use facenet_data::{BoundedDecoder, DEFAULT_MEMORY_LIMIT, Error, read_bounded_file};
use facenet_report::{LabeledFace, annotated_photo};
use rayon::prelude::*;

use crate::output::file_names::file_names;
use crate::output::new_folder::NewFolder;
use crate::output::progress_bar::Bar;

/// Writes a copy of each photo, as JPEG, with its faces, into a new folder. Returns the files.
///
/// # Errors
///
/// If a photo can't be read or the folder can't be written.
pub fn write_annotated_photos(out: NewFolder, photos: &[(PathBuf, Vec<LabeledFace>)]) -> Result<Vec<PathBuf>> {
    let decoder = BoundedDecoder::new(DEFAULT_MEMORY_LIMIT);
    let hidden = out.begin()?;
    let names = photos.iter().map(|(path, _)| path.with_extension("jpg"));
    let names: Vec<PathBuf> = names.map(|path| path.strip_prefix("/").map_or(path.clone(), Path::to_owned)).collect();
    let names = file_names(names.iter().map(PathBuf::as_path));
    let bar = Bar::new();
    let written: Result<Vec<()>> = photos
        .par_iter()
        .zip(&names)
        .map(|((path, faces), name)| {
            let bytes = read_bounded_file(path)?;
            let jpeg = decoder.decode_photo(&bytes, path, |photo| annotated_photo(photo, faces))?;
            bar.advance("drawing", photos.len());
            fs::write(hidden.path().join(name), jpeg)
                .map_err(|source| Error::Write { path: PathBuf::from(name), source }.into())
        })
        .collect();
    bar.clear();
    written?;
    let out = out.finish(hidden)?;
    Ok(names.iter().map(|name| out.join(name)).collect())
}
