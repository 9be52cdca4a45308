//! The Olivetti faces: columns of a matrix, written as images in a folder per person.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use image::ExtendedColorType;

use crate::archive::matlab::read_matrix;
use crate::error::{Error, MatrixError};

/// How much of a file is read, in bytes: more than the published one has.
const BYTE_LIMIT: u64 = 16 << 20;
/// Height and width of an image in pixels.
const SIDE: usize = 64;
/// Images per person, in consecutive columns.
const IMAGES: usize = 10;
/// The matrix of all images.
const NAME: &str = "faces";

/// Writes the columns of the matrix `faces` as grey images `s1/1.png` to `s40/10.png` into a
/// folder. `path` names the MATLAB file in errors.
///
/// # Errors
///
/// If the file is not a MATLAB file with the matrix of this number of people; if an image can't be
/// written.
pub fn write_images(file: File, path: &Path, people: usize, folder: &Path) -> Result<(), Error> {
    let mut bytes = Vec::new();
    let read = file.take(BYTE_LIMIT).read_to_end(&mut bytes);
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let images = images(&bytes, people).map_err(|source| Error::Matrix { path: path.to_owned(), source })?;
    for (index, image) in images.iter().enumerate() {
        let own = folder.join(format!("s{}", index / IMAGES + 1));
        let image_path = own.join(format!("{}.png", index % IMAGES + 1));
        write(image, &own, &image_path).map_err(|source| Error::Write { path: image_path, source })?;
    }
    Ok(())
}

fn write(image: &[u8], folder: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    image::save_buffer(path, image, SIDE as u32, SIDE as u32, ExtendedColorType::L8).map_err(|error| match error {
        image::ImageError::IoError(error) => error,
        error => io::Error::other(error),
    })
}

/// The pixels of every image, row by row.
fn images(bytes: &[u8], people: usize) -> Result<Vec<Vec<u8>>, MatrixError> {
    let matrix = read_matrix(bytes, NAME)?;
    let (found, expected) = ([matrix.rows, matrix.columns], [SIDE * SIDE, people * IMAGES]);
    if found != expected {
        return Err(MatrixError::Shape { name: NAME, found, expected });
    }
    let grey = |value: f64| match (0.0..=255.0).contains(&value) && value.fract() == 0.0 {
        true => Ok(value as u8),
        false => Err(MatrixError::GreyLevel { value }),
    };
    let greys = matrix.values.into_iter().map(grey).collect::<Result<Vec<u8>, _>>()?;
    // A image is stored column by column, as MATLAB stores matrices.
    let image = |column: &[u8]| (0..SIDE * SIDE).map(|at| column[at % SIDE * SIDE + at / SIDE]).collect();
    Ok(greys.chunks_exact(SIDE * SIDE).map(image).collect())
}

#[cfg(test)]
mod tests;
