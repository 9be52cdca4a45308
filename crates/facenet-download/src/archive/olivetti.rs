//! The Olivetti faces: columns of a matrix, written as pictures in a folder per person.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use image::ExtendedColorType;

use crate::archive::matlab::read_matrix;
use crate::error::{Error, MatrixError};

/// How much of a file is read, in bytes: more than the published one has.
const BYTE_LIMIT: u64 = 16 << 20;
/// Height and width of a picture in pixels.
const SIDE: usize = 64;
/// Pictures per person, in consecutive columns.
const PICTURES: usize = 10;
/// The matrix of all pictures.
const NAME: &str = "faces";

/// Writes the columns of the matrix `faces` as grey pictures `s1/1.png` to `s40/10.png` into a
/// folder. `path` names the MATLAB file in errors.
///
/// # Errors
///
/// If the file is not a MATLAB file with the matrix of this number of people; if a picture can't be
/// written.
pub fn write_pictures(file: File, path: &Path, people: usize, folder: &Path) -> Result<(), Error> {
    let mut bytes = Vec::new();
    let read = file.take(BYTE_LIMIT).read_to_end(&mut bytes);
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let pictures = pictures(&bytes, people).map_err(|source| Error::Matrix { path: path.to_owned(), source })?;
    for (index, picture) in pictures.iter().enumerate() {
        let own = folder.join(format!("s{}", index / PICTURES + 1));
        let picture_path = own.join(format!("{}.png", index % PICTURES + 1));
        write(picture, &own, &picture_path).map_err(|source| Error::Write { path: picture_path, source })?;
    }
    Ok(())
}

fn write(picture: &[u8], folder: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    image::save_buffer(path, picture, SIDE as u32, SIDE as u32, ExtendedColorType::L8).map_err(|error| match error {
        image::ImageError::IoError(error) => error,
        error => io::Error::other(error),
    })
}

/// The pixels of every picture, row by row.
fn pictures(bytes: &[u8], people: usize) -> Result<Vec<Vec<u8>>, MatrixError> {
    let matrix = read_matrix(bytes, NAME)?;
    let (found, expected) = ([matrix.rows, matrix.columns], [SIDE * SIDE, people * PICTURES]);
    if found != expected {
        return Err(MatrixError::Shape { name: NAME, found, expected });
    }
    let grey = |value: f64| match (0.0..=255.0).contains(&value) && value.fract() == 0.0 {
        true => Ok(value as u8),
        false => Err(MatrixError::GreyLevel { value }),
    };
    let greys = matrix.values.into_iter().map(grey).collect::<Result<Vec<u8>, _>>()?;
    // A picture is stored column by column, as MATLAB stores matrices.
    let picture = |column: &[u8]| (0..SIDE * SIDE).map(|at| column[at % SIDE * SIDE + at / SIDE]).collect();
    Ok(greys.chunks_exact(SIDE * SIDE).map(picture).collect())
}

#[cfg(test)]
mod tests;
