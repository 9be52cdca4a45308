//! Decodes all pictures of Labeled Faces in the Wild, aligns them by their landmarks and cuts out faces of 96 x 96.
//!
//! ```sh
//! cargo run --release -p facenet-data --example align_lfw -- data/lfw
//! ```
//!
//! The folder holds `images` (the originals of 250 x 250 or their middle 160 x 160) and the list of landmarks,
//! `lfw_landmark_5pt_mtcnn_raw250.txt`. With `RAYON_NUM_THREADS=2` two threads work.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use facenet_data::{Alignment, Coordinates, Crop, FaceSet, Framing, LandmarkList, Landmarks, LoadOptions, load_faces};

/// The side of a face in pixels.
const SIDE: usize = 96;
/// Where the five points lie in it.
const TEMPLATE: Landmarks = Landmarks([[32.5, 40.0], [62.5, 40.0], [47.5, 57.0], [35.0, 74.0], [60.0, 74.0]]);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("give the folder of LFW, which holds `images`")?);
    let images = folder.join("images");
    let start = Instant::now();

    let pictures = FaceSet::from_folders(&images)?.pictures;
    let list = LandmarkList::read(&folder.join("lfw_landmark_5pt_mtcnn_raw250.txt"))?;
    let landmarks = pictures
        .iter()
        .map(|path| Ok(list.get(path.strip_prefix(&images)?)))
        .collect::<Result<Vec<Option<Landmarks>>, Box<dyn Error>>>()?;
    let framing = Framing {
        crop: Crop::Center { fraction: 0.7 },
        alignment: Some(Alignment { template: TEMPLATE, landmarks: &landmarks }),
        coordinates: Coordinates::Lfw,
    };
    let faces = load_faces(&pictures, framing, [SIDE, SIDE], &LoadOptions::default())?;

    let (seconds, threads) = (start.elapsed().as_secs_f64(), rayon::current_num_threads());
    let aligned = landmarks.iter().flatten().count();
    let count = faces.dim().0;
    println!("{count} faces of {SIDE} x {SIDE}, {aligned} of them aligned, in {seconds:.2} s on {threads} threads");
    println!("{:.0} pictures per second", count as f64 / seconds);
    Ok(())
}
