//! Synthetic people as image files.

use std::fs;
use std::path::Path;

use facenet_data::SyntheticFaces;
use image::ExtendedColorType;
use ndarray::Array3;

/// Writes a folder per synthetic person, `p1`, `p2` and so on, with images `1.png`, `2.png` and so
/// on of 20 x 18 pixels.
///
/// # Panics
///
/// If a file can't be written.
pub fn write_people(folder: &Path, people: u64, images: u64) {
    let world = SyntheticFaces::new(1);
    for person in 1..=people {
        let folder = folder.join(format!("p{person}"));
        fs::create_dir_all(&folder).expect("a new folder");
        for image in 1..=images {
            write_image(&folder.join(format!("{image}.png")), &world.portrait(person, image, [20, 18]));
        }
    }
}

/// Writes an RGB image `[height, width, 3]` in the format of the path's extension.
///
/// # Panics
///
/// If the file can't be written.
pub fn write_image(path: &Path, image: &Array3<u8>) {
    let (height, width, _) = image.dim();
    let side = |length: usize| u32::try_from(length).expect("a small image");
    let pixels = image.as_slice().expect("an image in standard layout");
    image::save_buffer(path, pixels, side(width), side(height), ExtendedColorType::Rgb8).expect("a new image");
}
