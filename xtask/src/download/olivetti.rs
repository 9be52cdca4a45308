//! The Olivetti faces: columns of a matrix, to be pictures in a folder for each person.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use image::ExtendedColorType;

use super::matlab::read_matrix;

/// More than the file has, in bytes.
const MOST_BYTES: u64 = 16 << 20;
/// Pixels along each side of a picture.
const SIDE: usize = 64;
/// Pictures of each person, one after the other.
const PICTURES: usize = 10;

/// Writes the columns of the matrix `faces` as grey pictures `s1/1.png` to `s40/10.png` into a folder. `file` is what the MATLAB file is called in errors.
///
/// # Errors
/// If the file is not a MATLAB file with the matrix of that many people, or if a picture can't be written.
pub fn write_pictures(opened: File, file: &Path, people: usize, folder: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    let read = opened.take(MOST_BYTES).read_to_end(&mut bytes);
    read.with_context(|| format!("can't read {}", file.display()))?;
    let pictures = pictures(&bytes, people).with_context(|| format!("{} can't be used", file.display()))?;
    for (number, picture) in pictures.iter().enumerate() {
        let own = folder.join(format!("s{}", number / PICTURES + 1));
        let path = own.join(format!("{}.png", number % PICTURES + 1));
        let side = SIDE as u32;
        fs::create_dir_all(&own)
            .map_err(image::ImageError::IoError)
            .and_then(|()| image::save_buffer(&path, picture, side, side, ExtendedColorType::L8))
            .with_context(|| format!("can't write {}; is the disk full?", path.display()))?;
    }
    Ok(())
}

/// Every picture, row by row.
fn pictures(bytes: &[u8], people: usize) -> Result<Vec<Vec<u8>>> {
    let matrix = read_matrix(bytes, "faces")?;
    let expected = (SIDE * SIDE, people * PICTURES);
    ensure!(
        (matrix.rows, matrix.columns) == expected,
        "the matrix `faces` is {} x {}, expected {} x {}",
        matrix.rows,
        matrix.columns,
        expected.0,
        expected.1
    );
    let grey = |value: f64| {
        ensure!((0.0..=255.0).contains(&value) && value.fract() == 0.0, "{value} is no grey level from 0 to 255");
        Ok(value as u8)
    };
    let greys = matrix.values.into_iter().map(grey).collect::<Result<Vec<u8>>>()?;
    // A picture is stored column by column, as matrices of MATLAB are.
    let picture = |column: &[u8]| (0..SIDE * SIDE).map(|at| column[at % SIDE * SIDE + at / SIDE]).collect();
    Ok(greys.chunks_exact(SIDE * SIDE).map(picture).collect())
}

#[cfg(test)]
pub(super) mod tests;
