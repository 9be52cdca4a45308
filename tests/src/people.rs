//! People to test with: those of data sets, and painted ones as files.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::SyntheticFaces;
use image::ExtendedColorType;
use ndarray::Array3;

/// A recipe that trains in a moment, on faces of 16 x 16.
pub const TINY_RECIPE: &str = r#"
steps = 6
margin = 0.2

[batch]
people = 2
faces = 2

[triplets]
from = "online"
miner = "batch_hard"

[learning_rate]
base = 0.005

[network]
name = "tiny"
input = [16, 16]
embedding = 8
layers = [
    { layer = "convolution", name = "conv1", kernel = 3, stride = 2, padding = 1, channels = 8 },
    { layer = "convolution", name = "conv2", kernel = 3, stride = 2, padding = 1, channels = 16 },
]
"#;

/// A path among the data sets, in `$FACENET_DATA` or else in `shared/data` beside the workspace; `None`, with a printed
/// reason, if it is not there.
#[must_use]
pub fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FACENET_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is missing", path.display());
        return None;
    }
    Some(path)
}

/// A folder for each of some painted people, `p1`, `p2` and so on, with pictures `1.png`, `2.png` of 20 x 18 pixels.
///
/// # Panics
///
/// If a file can't be written.
pub fn write_people(folder: &Path, people: u64, pictures: u64) {
    let world = SyntheticFaces::new(1);
    for person in 1..=people {
        let own = folder.join(format!("p{person}"));
        fs::create_dir_all(&own).expect("a new folder");
        for picture in 1..=pictures {
            write_picture(&own.join(format!("{picture}.png")), &world.portrait(person, picture, [20, 18]));
        }
    }
}

/// Writes a picture `[height, width, 3]`, in the format that the extension says.
///
/// # Panics
///
/// If the file can't be written.
pub fn write_picture(path: &Path, picture: &Array3<u8>) {
    let (height, width, _) = picture.dim();
    let side = |length: usize| u32::try_from(length).expect("a small picture");
    let pixels = picture.as_slice().expect("a picture in standard layout");
    image::save_buffer(path, pixels, side(width), side(height), ExtendedColorType::Rgb8).expect("a new picture");
}
