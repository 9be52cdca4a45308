//! Similarities, aligned faces, and aligned faces that another program made.

use std::path::{Path, PathBuf};

use facenet_data::{
    Alignment, Coordinates, Crop, FaceSet, Framing, LandmarkList, Landmarks, LoadOptions, Similarity, align,
    load_faces, read_picture,
};
use ndarray::{Array3, Axis, s};
use proptest::prelude::*;

/// A path among the data sets; `None`, with a printed reason, if it is not there.
fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FACENET_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is missing", path.display());
        return None;
    }
    Some(path)
}

/// Where the two networks of the golden faces expect the five points.
const MOBILE_FACE_NET: Landmarks =
    Landmarks([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]);
/// In parts of the side, which is 128.
const RETAIL_0095: [[f64; 2]; 5] = [
    [0.31556875, 0.46157411],
    [0.68262292, 0.46157411],
    [0.5002625, 0.64050536],
    [0.34947188, 0.82469196],
    [0.65343646, 0.82325089],
];

/// Points anywhere, farther apart than rounding can tell.
fn points() -> impl Strategy<Value = [[f64; 2]; 5]> {
    prop::array::uniform5(prop::array::uniform2(-100.0..100.0)).prop_filter("points apart", |points: &[[f64; 2]; 5]| {
        let [x, y] = points[0];
        points.iter().any(|point| (point[0] - x).hypot(point[1] - y) > 1.0)
    })
}

fn squared_distance(map: &Similarity, from: &[[f64; 2]], to: &[[f64; 2]]) -> f64 {
    let moved = from.iter().map(|&point| map.apply(point));
    moved.zip(to).map(|([x, y], to)| (x - to[0]).powi(2) + (y - to[1]).powi(2)).sum()
}

/// Rotates by degrees and scales about 0, then shifts.
fn turned([x, y]: [f64; 2], degrees: f64, scale: f64, shift: [f64; 2]) -> [f64; 2] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    [scale * (cos * x - sin * y) + shift[0], scale * (sin * x + cos * y) + shift[1]]
}

proptest! {
    #[test]
    fn a_similarity_is_recovered(
        points in points(),
        degrees in -180.0..180.0,
        scale in 0.01..100.0,
        shift in prop::array::uniform2(-500.0..500.0),
    ) {
        let moved = points.map(|point| turned(point, degrees, scale, shift));
        let map = Similarity::nearest(&points, &moved).expect("points apart");
        prop_assert!((map.scale() / scale - 1.0).abs() < 1e-9);
        for (point, moved) in points.into_iter().zip(moved) {
            let [x, y] = map.apply(point);
            prop_assert!((x - moved[0]).hypot(y - moved[1]) < 1e-8 * (1.0 + scale));
            let [x, y] = map.inverse().expect("a scale above 0").apply(moved);
            prop_assert!((x - point[0]).hypot(y - point[1]) < 1e-8 * (1.0 + 10.0 / scale));
        }
    }

    /// No other rotation, scale or shift comes nearer.
    #[test]
    fn it_is_the_nearest(
        from in points(),
        to in points(),
        degrees in -20.0..20.0,
        scale in 0.8..1.25,
        shift in prop::array::uniform2(-3.0..3.0),
    ) {
        let map = Similarity::nearest(&from, &to);
        prop_assume!(map.is_some());
        let map = map.expect("some");
        let least = squared_distance(&map, &from, &to);
        // The same map followed by another one.
        let others = from.map(|point| turned(map.apply(point), degrees, scale, shift));
        let other = Similarity::nearest(&from, &others).expect("a scale above 0");
        prop_assert!(squared_distance(&other, &from, &to) >= least * (1.0 - 1e-9));
    }

    /// A triangle keeps its turning sense, whatever it is to be taken to.
    #[test]
    fn it_never_reflects(from in points(), to in points(), mirrored: bool) {
        let to = if mirrored { from.map(|[x, y]| [-x, y + 3.0]) } else { to };
        if let Some(map) = Similarity::nearest(&from, &to) {
            let [origin, right, down] = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]].map(|point| map.apply(point));
            let area = (right[0] - origin[0]) * (down[1] - origin[1]) - (right[1] - origin[1]) * (down[0] - origin[0]);
            prop_assert!(area > 0.0, "{map:?}");
        }
    }
}

#[test]
fn points_that_span_nothing_have_no_similarity() {
    let face = MOBILE_FACE_NET.0.map(|point| point.map(f64::from));
    assert_eq!(Similarity::nearest(&[[3.0, 4.0]; 5], &face), None);
    assert_eq!(Similarity::nearest(&face, &[[3.0, 4.0]; 5]), None);
    // An upright square and one that is gone through the other way round.
    let square = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
    assert_eq!(Similarity::nearest(&square, &square.map(|[x, y]| [-x, y])), None);

    let picture = Array3::zeros((9, 9, 3));
    for landmarks in [Landmarks([[4.0; 2]; 5]), Landmarks(MOBILE_FACE_NET.0.map(|point| point.map(|at| at * 1e6)))] {
        assert_eq!(align(picture.view(), &landmarks, &MOBILE_FACE_NET, [112, 112]), None);
    }
}

fn picture(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(row, column, channel)| (row * 31 + column * 7 + channel * 97) as u8)
}

/// The template in the middle of a face of 12 x 12.
const SMALL: Landmarks = Landmarks([[4.0, 4.0], [8.0, 4.0], [6.0, 6.0], [4.5, 8.0], [7.5, 8.0]]);

#[test]
fn landmarks_come_to_lie_on_the_template() {
    let source = picture(40, 50);
    // A face in its place is copied, and so is one that lies elsewhere, by whole pixels.
    let face = align(source.view(), &SMALL, &SMALL, [12, 12]).unwrap();
    assert_eq!(face, source.slice(s![..12, ..12, ..]));
    let face = align(source.view(), &SMALL.shifted([20.0, 9.0]), &SMALL, [12, 12]).unwrap();
    assert_eq!(face, source.slice(s![9..21, 20..32, ..]));
    // A picture that lies on its side is turned upright.
    let upright = source.slice(s![..12, ..12, ..]);
    let on_its_side = upright.permuted_axes([1, 0, 2]).slice(s![.., ..;-1, ..]).as_standard_layout().to_owned();
    let landmarks = Landmarks(SMALL.0.map(|[x, y]| [11.0 - y, x]));
    assert_eq!(align(on_its_side.view(), &landmarks, &SMALL, [12, 12]).unwrap(), upright);
}

#[test]
fn outside_the_picture_is_black() {
    let white = Array3::from_elem((20, 20, 3), 255);
    // Half a pixel beyond the outermost centres the picture ends.
    for (shift, first) in [(-2.4, 2), (-2.6, 3), (0.0, 0)] {
        let face = align(white.view(), &SMALL.shifted([shift, 0.0]), &SMALL, [12, 12]).unwrap();
        for ((_, column, _), &level) in face.indexed_iter() {
            assert_eq!(level, if column < first { 0 } else { 255 }, "column {column} for a shift of {shift}");
        }
    }
    let far = align(white.view(), &SMALL.shifted([500.0, 0.0]), &SMALL, [12, 12]).unwrap();
    assert!(far.iter().all(|&level| level == 0));
}

#[test]
fn shrinking_by_two_and_more_does_not_alias() {
    // Columns 0 and 255 in turn: samples of single pixels would give one of the two.
    let stripes = Array3::from_shape_fn((96, 96, 3), |(_, column, _)| if column % 2 == 0 { 0 } else { 255 });
    for factor in [2.0, 4.0, 7.0] {
        let landmarks = Landmarks(SMALL.0.map(|point| point.map(|at| (at + 0.5) * factor - 0.5)));
        let face = align(stripes.view(), &landmarks, &SMALL, [12, 12]).unwrap();
        assert!(face.iter().all(|level| (90..=165).contains(level)), "{factor}: {face:?}");
    }
}

/// Faces of 100 pictures that were aligned in `f64` by Pillow, which takes positions as we do but cuts fractions of levels
/// off where we round: half a level on average. What is beyond that comes from another decoder of JPEG.
#[test]
fn faces_are_those_of_another_program() {
    let (Some(images), Some(list)) = (data("lfw/images"), data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt")) else {
        return;
    };
    let list = LandmarkList::read(&list).unwrap();
    for (folder, template, side) in [
        ("golden/mobilefacenet_y1/aligned112", MOBILE_FACE_NET, 112),
        (
            "golden/face-reidentification-retail-0095/aligned128",
            Landmarks(RETAIL_0095.map(|at| at.map(|x| (x * 128.0) as f32))),
            128,
        ),
    ] {
        let Some(folder) = data(folder) else { return };
        let [mut sum, mut absolute, mut count, mut largest, mut compared] = [0; 5];
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let golden = read_picture(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let person = name.rsplit_once('_').unwrap().0;
            let relative = Path::new(person).join(name).with_extension("jpg");
            let source = read_picture(&images.join(&relative)).unwrap();
            let landmarks = list.get(&relative).unwrap().shifted([-45.0, -45.0]);
            let face = align(source.view(), &landmarks, &template, [side, side]).unwrap();
            assert_eq!(face.dim(), golden.dim());
            compared += 1;
            for (&level, &golden) in face.iter().zip(&golden) {
                let difference = i64::from(level) - i64::from(golden);
                sum += difference;
                absolute += difference.abs();
                largest = largest.max(difference.abs());
                count += 1;
            }
        }
        let [mean, absolute] = [sum, absolute].map(|sum| sum as f64 / count as f64);
        println!("{side}: mean difference {mean:.3}, mean absolute difference {absolute:.3}, largest {largest}");
        assert_eq!(compared, 100);
        // With the centres of pixels at halves of numbers the mean absolute difference is 0.87 to 1.1 and the largest beyond 200.
        assert!((mean - 0.5).abs() < 0.15 && absolute < 0.7 && largest <= 5);
    }
}

/// The faces of ten people, by their landmarks out of the originals and out of the middle of these.
#[test]
fn originals_and_their_middle_give_the_same_faces() {
    let (Some(originals), Some(middles)) = (data("photos/krasserm_lfw10"), data("lfw/images")) else { return };
    let Some(list) = data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt") else { return };
    let list = LandmarkList::read(&list).unwrap();
    let set = FaceSet::from_folders(&originals).unwrap();
    let pictures: Vec<&Path> = set.pictures.iter().map(|path| path.strip_prefix(&originals).unwrap()).collect();
    let landmarks: Vec<Option<Landmarks>> = pictures.iter().map(|picture| list.get(picture)).collect();
    assert!(landmarks.iter().all(Option::is_some));
    let load = |folder: &Path, landmarks| {
        let paths: Vec<PathBuf> = pictures.iter().map(|picture| folder.join(picture)).collect();
        let framing = Framing {
            crop: Crop::Center { fraction: 0.7 },
            alignment: Some(Alignment { template: MOBILE_FACE_NET, landmarks }),
            coordinates: Coordinates::Lfw,
        };
        load_faces(&paths, framing, [112, 112], &LoadOptions::default()).unwrap()
    };
    let cropped = vec![None; pictures.len()];
    // The middles were compressed once more, and each of the four corners of a face may be black that was not before.
    for (landmarks, least_compared) in [(&landmarks, 0.95), (&cropped, 1.0)] {
        let [from_originals, from_middles] = [&originals, &middles].map(|folder| load(folder, landmarks));
        let (mut difference, mut compared) = (0.0, 0);
        for (original, middle) in from_originals.lanes(Axis(3)).into_iter().zip(from_middles.lanes(Axis(3))) {
            if middle.iter().any(|&level| level > 0) || original.iter().all(|&level| level < 10) {
                compared += 1;
                difference += original.iter().zip(middle).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>() / 3.0;
            }
        }
        let (mean, share) = (difference / f64::from(compared), f64::from(compared) / (100.0 * 112.0 * 112.0));
        println!("mean absolute difference {mean:.3} over {share:.4} of the pixels");
        assert!(mean < 2.0 && share >= least_compared);
    }
}
