//! Decodes all images of Labeled Faces in the Wild and aligns them by their landmarks to faces of
//! 96 x 96 pixels.
//!
//! ```sh
//! cargo run --release -p facenet-data --example align_lfw -- data/lfw
//! ```
//!
//! The folder contains `images` (originals of 250 x 250 pixels or their central 160 x 160) and the
//! list of landmarks, `lfw_landmark_5pt_mtcnn_raw250.txt`. `RAYON_NUM_THREADS=2` limits the threads
//! to two.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use facenet_data::{
    Alignment, CoordinateSystem, Crop, FaceExtraction, FaceSet, LandmarkList, Landmarks, LoadOptions, load_faces,
};

/// The side of a face in pixels.
const SIDE: usize = 96;
/// The landmark template, in pixels of a face.
const TEMPLATE: Landmarks = Landmarks([[32.5, 40.0], [62.5, 40.0], [47.5, 57.0], [35.0, 74.0], [60.0, 74.0]]);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: align_lfw FOLDER_OF_LFW")?);
    let images = folder.join("images");
    let start = Instant::now();

    let paths = FaceSet::from_folders(&images)?.images;
    let list = LandmarkList::read(&folder.join("lfw_landmark_5pt_mtcnn_raw250.txt"))?;
    let landmarks = paths
        .iter()
        .map(|path| Ok(list.get(path.strip_prefix(&images)?)))
        .collect::<Result<Vec<Option<Landmarks>>, Box<dyn Error>>>()?;
    let extraction = FaceExtraction {
        size: [SIDE, SIDE],
        crop: Crop::Center { fraction: 0.7 },
        alignment: Some(Alignment { template: TEMPLATE, landmarks: &landmarks }),
        coordinates: CoordinateSystem::Lfw,
    };
    let faces = load_faces(&paths, &extraction, &LoadOptions::default())?;

    let (seconds, threads) = (start.elapsed().as_secs_f64(), rayon::current_num_threads());
    let aligned = landmarks.iter().flatten().count();
    let count = faces.dim().0;
    println!("{count} faces of {SIDE} x {SIDE}, {aligned} of them aligned, in {seconds:.2} s on {threads} threads");
    println!("{:.0} images per second", count as f64 / seconds);
    Ok(())
}
