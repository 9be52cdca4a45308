//! Cropping, resizing and loading.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use facenet_data::{
    Alignment, CoordinateSystem, Crop, Error, FaceExtraction, Landmarks, LoadOptions, align, load_faces, read_image,
};
use ndarray::{Array3, Axis, s};
use proptest::prelude::*;
use tempfile::TempDir;

const QUIET: LoadOptions<'static> = LoadOptions { memory_limit: 1 << 30, progress: None };

fn image(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(row, column, channel)| (row * 31 + column * 7 + channel * 97) as u8)
}

/// `count` PPM images of 20 x 10 pixels; image `i` is all of level `i`.
fn plain_images(count: usize) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..count).map(|index| folder.path().join(format!("{index}.ppm"))).collect();
    for (index, path) in paths.iter().enumerate() {
        fs::write(path, [b"P6 20 10 255 ".to_vec(), vec![index as u8; 600]].concat()).unwrap();
    }
    (folder, paths)
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn a_crop_of_the_right_size_copies() {
    let source = image(12, 10);
    assert_eq!(Crop::Whole.apply(source.view(), [12, 10]), source);
    let crop = Crop::Rectangle { left: 3, top: 2, width: 4, height: 5 };
    assert_eq!(crop.apply(source.view(), [5, 4]), source.slice(s![2..7, 3..7, ..]));
    let crop = Crop::Center { fraction: 0.5 };
    assert_eq!(crop.rectangle([12, 10], [6, 5]), [2, 3, 5, 6]);
    assert_eq!(crop.apply(source.view(), [6, 5]), source.slice(s![3..9, 2..7, ..]));
}

#[test]
fn a_centerd_crop_keeps_proportions() {
    // ORL's 92 x 112 to a square: all columns, the middle rows.
    assert_eq!(Crop::Center { fraction: 1.0 }.rectangle([112, 92], [64, 64]), [0, 10, 92, 92]);
    assert_eq!(Crop::Center { fraction: 0.5 }.rectangle([100, 200], [10, 10]), [75, 25, 50, 50]);
    assert_eq!(Crop::Center { fraction: 1e-6 }.rectangle([100, 200], [10, 10]), [99, 49, 1, 1]);
    assert_eq!(Crop::Whole.rectangle([100, 200], [10, 10]), [0, 0, 200, 100]);
}

#[test]
fn downscaling_averages_and_does_not_alias() {
    // Alternating columns of 0 and 255: sampling single pixels would give one of the two.
    let stripes = Array3::from_shape_fn((32, 32, 3), |(_, column, _)| if column % 2 == 0 { 0 } else { 255 });
    let shrunk = Crop::Whole.apply(stripes.view(), [4, 4]);
    assert!(shrunk.iter().all(|&level| (118..=138).contains(&level)), "{shrunk:?}");
}

#[test]
fn crops_outside_the_image_do_not_fit() {
    let rectangle = |left, top, width, height| Crop::Rectangle { left, top, width, height };
    assert!(rectangle(0, 0, 10, 12).fits([12, 10]));
    for crop in [
        rectangle(1, 0, 10, 12),
        rectangle(0, 1, 10, 12),
        rectangle(0, 0, 0, 5),
        rectangle(usize::MAX, 0, 2, 2),
        Crop::Center { fraction: 0.0 },
        Crop::Center { fraction: 1.01 },
        Crop::Center { fraction: f32::NAN },
    ] {
        assert!(!crop.fits([12, 10]), "{crop}");
    }
}

proptest! {
    #[test]
    fn rectangles_lie_within_the_image(
        image in prop::array::uniform2(1..3000_usize),
        size in prop::array::uniform2(1..400_usize),
        fraction in 0.0001..=1.0_f32,
    ) {
        let [left, top, width, height] = Crop::Center { fraction }.rectangle(image, size);
        prop_assert!(width > 0 && height > 0 && left + width <= image[1] && top + height <= image[0]);
    }

    #[test]
    fn resizing_keeps_a_uniform_image_uniform(
        level in any::<u8>(),
        image in prop::array::uniform2(1..60_usize),
        size in prop::array::uniform2(1..40_usize),
    ) {
        let plain = Array3::from_elem((image[0], image[1], 3), level);
        let face = Crop::Center { fraction: 0.7 }.apply(plain.view(), size);
        prop_assert!(face.iter().all(|&value| value == level));
    }
}

#[test]
fn faces_are_in_order_and_progress_is_reported() {
    let (_folder, paths) = plain_images(50);
    let calls = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let progress = |loaded: usize| {
        calls.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(loaded, Ordering::Relaxed);
    };
    let options = LoadOptions { progress: Some(&progress), ..QUIET };
    let faces = load_faces(&paths, &FaceExtraction::crop(Crop::Center { fraction: 1.0 }, [8, 8]), &options).unwrap();
    assert_eq!(faces.dim(), (50, 8, 8, 3));
    for (index, face) in faces.outer_iter().enumerate() {
        assert!(face.iter().all(|&level| level == index as u8));
    }
    assert_eq!((calls.into_inner(), most.into_inner()), (50, 50));
    assert_eq!(
        load_faces::<PathBuf>(&[], &FaceExtraction::crop(Crop::Whole, [8, 8]), &QUIET).unwrap().dim(),
        (0, 8, 8, 3)
    );
}

#[test]
fn the_error_is_that_of_the_first_broken_image_on_any_number_of_threads() {
    let (_folder, paths) = plain_images(60);
    fs::write(&paths[23], b"P6 20 10 255 cut").unwrap();
    fs::write(&paths[24], b"text").unwrap();
    fs::write(&paths[59], b"").unwrap();
    for threads in [1, 2, 7] {
        for _ in 0..10 {
            let error = on_threads(threads, || load_faces(&paths, &FaceExtraction::crop(Crop::Whole, [8, 8]), &QUIET))
                .unwrap_err();
            assert!(matches!(&error, Error::Truncated { path } if *path == paths[23]), "{error}");
        }
    }
}

#[test]
fn a_crop_outside_a_image_is_an_error_that_names_it() {
    let (_folder, paths) = plain_images(2);
    let crop = Crop::Rectangle { left: 0, top: 0, width: 20, height: 11 };
    let error = load_faces(&paths, &FaceExtraction::crop(crop, [8, 8]), &QUIET).unwrap_err();
    assert!(matches!(&error, Error::CropOutside { path, width: 20, height: 10, .. } if *path == paths[0]), "{error}");
}

#[test]
fn the_memory_limit_is_respected() {
    let (_folder, paths) = plain_images(40);
    let load = |memory_limit| {
        load_faces(&paths, &FaceExtraction::crop(Crop::Whole, [8, 8]), &LoadOptions { memory_limit, progress: None })
    };
    let faces = 40 * 8 * 8 * 3;
    assert!(matches!(load(faces - 1), Err(Error::FacesOverMemory { faces: 40, .. })));
    // A decoded image alone takes 600 bytes.
    match load(faces + 500) {
        Err(Error::ImageOverMemory { path, needed, available: 500 }) => {
            assert_eq!(path, paths[0]);
            assert!(needed >= 600);
            // With memory for only one image, the threads decode one at a time.
            let one_by_one = on_threads(4, || load(faces + needed)).unwrap();
            assert_eq!(one_by_one, load(1 << 30).unwrap());
        }
        other => panic!("{other:?}"),
    }
    let huge = [usize::MAX / 2, 3];
    assert!(matches!(
        load_faces(&paths, &FaceExtraction::crop(Crop::Whole, huge), &QUIET),
        Err(Error::FacesOverMemory { .. })
    ));
}

/// Landmarks in the center of an image of 20 x 10 pixels.
const FACE: Landmarks = Landmarks([[8.0, 3.0], [12.0, 3.0], [10.0, 5.0], [8.5, 7.0], [11.5, 7.0]]);
/// The corresponding template in a face of 12 x 12.
const TEMPLATE: Landmarks = Landmarks([[4.0, 4.0], [8.0, 4.0], [6.0, 6.0], [4.5, 8.0], [7.5, 8.0]]);

fn ppm(image: &Array3<u8>) -> Vec<u8> {
    let (height, width, _) = image.dim();
    [format!("P6 {width} {height} 255 ").into_bytes(), image.iter().copied().collect()].concat()
}

#[test]
fn images_are_aligned_by_their_landmarks_or_cropped_without() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [0, 1, 2].map(|index| folder.path().join(format!("{index}.ppm")));
    for path in &paths {
        fs::write(path, ppm(&image(10, 20))).unwrap();
    }
    let source = read_image(&paths[0]).unwrap();
    let crop = Crop::Center { fraction: 0.8 };
    let rotated = Landmarks(FACE.0.map(|[x, y]| [x + 0.2 * y, y - 0.2 * x + 2.0]));
    let landmarks = [Some(FACE), None, Some(rotated)];
    let extraction = FaceExtraction {
        size: [12, 12],
        crop,
        alignment: Some(Alignment { template: TEMPLATE, landmarks: &landmarks }),
        coordinates: CoordinateSystem::Image,
    };
    let faces = load_faces(&paths, &extraction, &QUIET).unwrap();
    let expected = [
        align(source.view(), &FACE, &TEMPLATE, [12, 12]).unwrap(),
        crop.apply(source.view(), [12, 12]),
        align(source.view(), &rotated, &TEMPLATE, [12, 12]).unwrap(),
    ];
    for (face, expected) in faces.outer_iter().zip(&expected) {
        assert_eq!(face, expected);
    }
    assert!(expected[0] != expected[1] && expected[0] != expected[2]);
    let cropped = load_faces(&paths, &FaceExtraction { alignment: None, ..extraction }, &QUIET).unwrap();
    assert!(cropped.outer_iter().all(|face| face == expected[1]));
}

#[test]
fn degenerate_landmarks_and_landmarks_outside_the_image_are_errors() {
    let (_folder, paths) = plain_images(3);
    let load = |wrong: Landmarks| {
        let landmarks = [Some(FACE), Some(wrong), Some(wrong)];
        let alignment = Some(Alignment { template: TEMPLATE, landmarks: &landmarks });
        load_faces(&paths, &FaceExtraction { alignment, ..FaceExtraction::crop(Crop::Whole, [12, 12]) }, &QUIET)
            .unwrap_err()
    };
    // Coincident points, and points as fractions of the image size.
    let shares = FACE.0.map(|[x, y]| [x / 20.0, y / 10.0]);
    for wrong in [Landmarks([[7.0, 7.0]; 5]), Landmarks(shares)] {
        let error = load(wrong);
        assert!(matches!(&error, Error::LandmarksDegenerate { path } if *path == paths[1]), "{error}");
    }
    let error = load(FACE.translated([0.0, 200.0]));
    assert!(matches!(&error, Error::LandmarksOutside { path, width: 20, height: 10 } if *path == paths[1]), "{error}");
}

#[test]
#[should_panic(expected = "one landmark entry per image")]
fn a_landmark_entry_is_required_for_each_image() {
    let (_folder, paths) = plain_images(3);
    let alignment = Some(Alignment { template: TEMPLATE, landmarks: &[Some(FACE)] });
    let _ = load_faces(&paths, &FaceExtraction { alignment, ..FaceExtraction::crop(Crop::Whole, [12, 12]) }, &QUIET);
}

#[test]
fn lfw_originals_and_central_regions_are_distinguished_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["original", "center", "other"].map(|name| folder.path().join(name));
    let original = image(250, 250);
    let center = original.slice(s![45..205, 45..205, ..]).to_owned();
    for (path, image) in paths.iter().zip([&original, &center, &image(160, 250)]) {
        fs::write(path, ppm(image)).unwrap();
    }
    // In pixels of the original, well inside its central region.
    let landmarks = [Some(Landmarks(TEMPLATE.0.map(|point| point.map(|at| 5.0 * at + 95.0)))); 2];
    let load = |paths: &[PathBuf], alignment, crop, coordinates| {
        load_faces(paths, &FaceExtraction { size: [12, 12], crop, alignment, coordinates }, &QUIET)
    };
    let alignment = Some(Alignment { template: TEMPLATE, landmarks: &landmarks });
    for (alignment, crop) in [
        (alignment, Crop::Whole),
        (None, Crop::Center { fraction: 0.7 }),
        (None, Crop::Rectangle { left: 100, top: 20, width: 50, height: 120 }),
    ] {
        let faces = load(&paths[..2], alignment, crop, CoordinateSystem::Lfw).unwrap();
        // Equal up to rounding. (At the border of the central region a crop of an original would be
        // filtered with pixels outside it.)
        let [original, center] = [0, 1].map(|index| faces.index_axis(Axis(0), index));
        assert!(original.iter().zip(center).all(|(a, &b)| a.abs_diff(b) <= 1), "{crop}: {original} {center}");
        let own = load(&paths[1..2], None, crop, CoordinateSystem::Image).unwrap();
        assert_eq!(faces.index_axis(Axis(0), 1) == own.index_axis(Axis(0), 0), alignment.is_none());
    }
    let faces = load(&paths[..2], alignment, Crop::Whole, CoordinateSystem::Lfw).unwrap();
    let expected = align(original.view(), &landmarks[0].unwrap(), &TEMPLATE, [12, 12]).unwrap();
    assert_eq!(faces.index_axis(Axis(0), 0), expected);

    let error = load(&paths[2..], None, Crop::Whole, CoordinateSystem::Lfw).unwrap_err();
    assert!(matches!(&error, Error::LfwImageSize { path, width: 250, height: 160 } if *path == paths[2]), "{error}");
    // A crop is relative to the central region, for originals too.
    let crop = Crop::Rectangle { left: 0, top: 0, width: 161, height: 160 };
    let error = load(&paths[..1], None, crop, CoordinateSystem::Lfw).unwrap_err();
    assert!(matches!(&error, Error::CropOutside { width: 160, height: 160, .. }), "{error}");
}
