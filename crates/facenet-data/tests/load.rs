//! Cropping, resizing and loading.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use facenet_data::{
    Alignment, Coordinates, Crop, Error, Framing, Landmarks, LoadOptions, align, load_faces, read_picture,
};
use ndarray::{Array3, Axis, s};
use proptest::prelude::*;
use tempfile::TempDir;

const QUIET: LoadOptions<'static> = LoadOptions { memory_limit: 1 << 30, progress: None };

fn picture(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(row, column, channel)| (row * 31 + column * 7 + channel * 97) as u8)
}

/// `count` PPM pictures of 20 x 10 pixels; picture `i` is all of level `i`.
fn plain_pictures(count: usize) -> (TempDir, Vec<PathBuf>) {
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
    let source = picture(12, 10);
    assert_eq!(Crop::Whole.apply(source.view(), [12, 10]), source);
    let crop = Crop::Rectangle { left: 3, top: 2, width: 4, height: 5 };
    assert_eq!(crop.apply(source.view(), [5, 4]), source.slice(s![2..7, 3..7, ..]));
    let crop = Crop::Center { fraction: 0.5 };
    assert_eq!(crop.rectangle([12, 10], [6, 5]), [2, 3, 5, 6]);
    assert_eq!(crop.apply(source.view(), [6, 5]), source.slice(s![3..9, 2..7, ..]));
}

#[test]
fn a_centred_crop_keeps_proportions() {
    // ORL's 92 x 112 to a square: all columns, the middle rows.
    assert_eq!(Crop::Center { fraction: 1.0 }.rectangle([112, 92], [64, 64]), [0, 10, 92, 92]);
    assert_eq!(Crop::Center { fraction: 0.5 }.rectangle([100, 200], [10, 10]), [75, 25, 50, 50]);
    assert_eq!(Crop::Center { fraction: 1e-6 }.rectangle([100, 200], [10, 10]), [99, 49, 1, 1]);
    assert_eq!(Crop::Whole.rectangle([100, 200], [10, 10]), [0, 0, 200, 100]);
}

#[test]
fn shrinking_averages_and_does_not_alias() {
    // Columns 0 and 255 in turn: any sampling of single pixels gives one of the two.
    let stripes = Array3::from_shape_fn((32, 32, 3), |(_, column, _)| if column % 2 == 0 { 0 } else { 255 });
    let shrunk = Crop::Whole.apply(stripes.view(), [4, 4]);
    assert!(shrunk.iter().all(|&level| (118..=138).contains(&level)), "{shrunk:?}");
}

#[test]
fn crops_that_do_not_fit() {
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
    fn rectangles_lie_within_the_picture(
        picture in prop::array::uniform2(1..3000_usize),
        size in prop::array::uniform2(1..400_usize),
        fraction in 0.0001..=1.0_f32,
    ) {
        let [left, top, width, height] = Crop::Center { fraction }.rectangle(picture, size);
        prop_assert!(width > 0 && height > 0 && left + width <= picture[1] && top + height <= picture[0]);
    }

    #[test]
    fn resizing_keeps_a_plain_picture_plain(
        level in any::<u8>(),
        picture in prop::array::uniform2(1..60_usize),
        size in prop::array::uniform2(1..40_usize),
    ) {
        let plain = Array3::from_elem((picture[0], picture[1], 3), level);
        let face = Crop::Center { fraction: 0.7 }.apply(plain.view(), size);
        prop_assert!(face.iter().all(|&value| value == level));
    }
}

#[test]
fn faces_come_in_order_with_progress() {
    let (_folder, paths) = plain_pictures(50);
    let calls = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let progress = |loaded: usize| {
        calls.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(loaded, Ordering::Relaxed);
    };
    let options = LoadOptions { progress: Some(&progress), ..QUIET };
    let faces = load_faces(&paths, &Crop::Center { fraction: 1.0 }, [8, 8], &options).unwrap();
    assert_eq!(faces.dim(), (50, 8, 8, 3));
    for (index, face) in faces.outer_iter().enumerate() {
        assert!(face.iter().all(|&level| level == index as u8));
    }
    assert_eq!((calls.into_inner(), most.into_inner()), (50, 50));
    assert_eq!(load_faces::<PathBuf>(&[], &Crop::Whole, [8, 8], &QUIET).unwrap().dim(), (0, 8, 8, 3));
}

#[test]
fn the_first_broken_picture_is_named_on_any_number_of_threads() {
    let (_folder, paths) = plain_pictures(60);
    fs::write(&paths[23], b"P6 20 10 255 cut").unwrap();
    fs::write(&paths[24], b"text").unwrap();
    fs::write(&paths[59], b"").unwrap();
    for threads in [1, 2, 7] {
        for _ in 0..10 {
            let error = on_threads(threads, || load_faces(&paths, &Crop::Whole, [8, 8], &QUIET)).unwrap_err();
            assert!(matches!(&error, Error::Truncated { path } if *path == paths[23]), "{error}");
        }
    }
}

#[test]
fn a_crop_outside_a_picture_is_an_error_that_names_it() {
    let (_folder, paths) = plain_pictures(2);
    let crop = Crop::Rectangle { left: 0, top: 0, width: 20, height: 11 };
    let error = load_faces(&paths, &crop, [8, 8], &QUIET).unwrap_err();
    assert!(matches!(&error, Error::CropOutside { path, width: 20, height: 10, .. } if *path == paths[0]), "{error}");
}

#[test]
fn memory_limits() {
    let (_folder, paths) = plain_pictures(40);
    let load = |memory_limit| load_faces(&paths, &Crop::Whole, [8, 8], &LoadOptions { memory_limit, progress: None });
    let faces = 40 * 8 * 8 * 3;
    assert!(matches!(load(faces - 1), Err(Error::FacesOverMemory { pictures: 40, .. })));
    // A decoded picture alone takes 600 bytes.
    match load(faces + 500) {
        Err(Error::PictureOverMemory { path, needed, available: 500 }) => {
            assert_eq!(path, paths[0]);
            assert!(needed >= 600);
            // With room for just one picture the threads take turns.
            let one_by_one = on_threads(4, || load(faces + needed)).unwrap();
            assert_eq!(one_by_one, load(1 << 30).unwrap());
        }
        other => panic!("{other:?}"),
    }
    let huge = [usize::MAX / 2, 3];
    assert!(matches!(load_faces(&paths, &Crop::Whole, huge, &QUIET), Err(Error::FacesOverMemory { .. })));
}

/// A face in the middle of a picture of 20 x 10 pixels.
const FACE: Landmarks = Landmarks([[8.0, 3.0], [12.0, 3.0], [10.0, 5.0], [8.5, 7.0], [11.5, 7.0]]);
/// The same in a face of 12 x 12.
const TEMPLATE: Landmarks = Landmarks([[4.0, 4.0], [8.0, 4.0], [6.0, 6.0], [4.5, 8.0], [7.5, 8.0]]);

fn ppm(picture: &Array3<u8>) -> Vec<u8> {
    let (height, width, _) = picture.dim();
    [format!("P6 {width} {height} 255 ").into_bytes(), picture.iter().copied().collect()].concat()
}

#[test]
fn landmarks_align_and_pictures_without_are_cropped() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [0, 1, 2].map(|index| folder.path().join(format!("{index}.ppm")));
    for path in &paths {
        fs::write(path, ppm(&picture(10, 20))).unwrap();
    }
    let source = read_picture(&paths[0]).unwrap();
    let crop = Crop::Center { fraction: 0.8 };
    let turned = Landmarks(FACE.0.map(|[x, y]| [x + 0.2 * y, y - 0.2 * x + 2.0]));
    let landmarks = [Some(FACE), None, Some(turned)];
    let framing = Framing {
        crop,
        alignment: Some(Alignment { template: TEMPLATE, landmarks: &landmarks }),
        coordinates: Coordinates::Picture,
    };
    let faces = load_faces(&paths, framing, [12, 12], &QUIET).unwrap();
    let expected = [
        align(source.view(), &FACE, &TEMPLATE, [12, 12]).unwrap(),
        crop.apply(source.view(), [12, 12]),
        align(source.view(), &turned, &TEMPLATE, [12, 12]).unwrap(),
    ];
    for (face, expected) in faces.outer_iter().zip(&expected) {
        assert_eq!(face, expected);
    }
    assert!(expected[0] != expected[1] && expected[0] != expected[2]);
    let cropped = load_faces(&paths, Framing { alignment: None, ..framing }, [12, 12], &QUIET).unwrap();
    assert!(cropped.outer_iter().all(|face| face == expected[1]));
}

#[test]
fn landmarks_that_are_not_those_of_the_picture_are_errors() {
    let (_folder, paths) = plain_pictures(3);
    let load = |wrong: Landmarks| {
        let landmarks = [Some(FACE), Some(wrong), Some(wrong)];
        let alignment = Some(Alignment { template: TEMPLATE, landmarks: &landmarks });
        load_faces(&paths, Framing { alignment, ..Framing::from(&Crop::Whole) }, [12, 12], &QUIET).unwrap_err()
    };
    // Equal ones, and shares of the picture's sides.
    let shares = FACE.0.map(|[x, y]| [x / 20.0, y / 10.0]);
    for wrong in [Landmarks([[7.0, 7.0]; 5]), Landmarks(shares)] {
        let error = load(wrong);
        assert!(matches!(&error, Error::LandmarksDegenerate { path } if *path == paths[1]), "{error}");
    }
    let error = load(FACE.shifted([0.0, 200.0]));
    assert!(matches!(&error, Error::LandmarksOutside { path, width: 20, height: 10 } if *path == paths[1]), "{error}");
}

#[test]
#[should_panic(expected = "landmarks, or none, for each picture")]
fn as_many_landmarks_as_pictures() {
    let (_folder, paths) = plain_pictures(3);
    let alignment = Some(Alignment { template: TEMPLATE, landmarks: &[Some(FACE)] });
    let _ = load_faces(&paths, Framing { alignment, ..Framing::from(&Crop::Whole) }, [12, 12], &QUIET);
}

#[test]
fn lfw_is_told_by_the_size_of_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["original", "middle", "other"].map(|name| folder.path().join(name));
    let original = picture(250, 250);
    let middle = original.slice(s![45..205, 45..205, ..]).to_owned();
    for (path, picture) in paths.iter().zip([&original, &middle, &picture(160, 250)]) {
        fs::write(path, ppm(picture)).unwrap();
    }
    // In pixels of the original, well inside of its middle.
    let landmarks = [Some(Landmarks(TEMPLATE.0.map(|point| point.map(|at| 5.0 * at + 95.0)))); 2];
    let load = |paths: &[PathBuf], alignment, crop, coordinates| {
        load_faces(paths, Framing { crop, alignment, coordinates }, [12, 12], &QUIET)
    };
    let alignment = Some(Alignment { template: TEMPLATE, landmarks: &landmarks });
    for (alignment, crop) in [
        (alignment, Crop::Whole),
        (None, Crop::Center { fraction: 0.7 }),
        (None, Crop::Rectangle { left: 100, top: 20, width: 50, height: 120 }),
    ] {
        let faces = load(&paths[..2], alignment, crop, Coordinates::Lfw).unwrap();
        // But for the rounding of levels in the midst between two. (At the border of the middle a crop of an original
        // would be filtered with pixels beyond it.)
        let [original, middle] = [0, 1].map(|index| faces.index_axis(Axis(0), index));
        assert!(original.iter().zip(middle).all(|(a, &b)| a.abs_diff(b) <= 1), "{crop}: {original} {middle}");
        let own = load(&paths[1..2], None, crop, Coordinates::Picture).unwrap();
        assert_eq!(faces.index_axis(Axis(0), 1) == own.index_axis(Axis(0), 0), alignment.is_none());
    }
    let faces = load(&paths[..2], alignment, Crop::Whole, Coordinates::Lfw).unwrap();
    let expected = align(original.view(), &landmarks[0].unwrap(), &TEMPLATE, [12, 12]).unwrap();
    assert_eq!(faces.index_axis(Axis(0), 0), expected);

    let error = load(&paths[2..], None, Crop::Whole, Coordinates::Lfw).unwrap_err();
    assert!(matches!(&error, Error::LfwSize { path, width: 250, height: 160 } if *path == paths[2]), "{error}");
    // A crop is a part of the middle, also of an original.
    let crop = Crop::Rectangle { left: 0, top: 0, width: 161, height: 160 };
    let error = load(&paths[..1], None, crop, Coordinates::Lfw).unwrap_err();
    assert!(matches!(&error, Error::CropOutside { width: 160, height: 160, .. }), "{error}");
}
