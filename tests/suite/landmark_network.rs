//! Landmarks found by the network against LFW's list, and its false detections.

use facenet_data::{FaceSet, LandmarkList, Landmarks, PeopleList, images_below, read_image};
use facenet_network::Network;
use facenet_recognition::{ForeignNetwork, FoundFaces, LandmarkNetwork, read_weights};
use facenet_tests::data;
use ndarray::{Array3, s};
use rayon::prelude::*;

/// Every 24th of the 9,525 training images.
const STEP: usize = 24;

fn network() -> Option<LandmarkNetwork> {
    let weights = data("weights/landmarks-regression-retail-0009/landmarks-regression-retail-0009.xml")?;
    Some(
        LandmarkNetwork::new(
            &Network::from_checkpoint(read_weights(&weights, &ForeignNetwork::default()).unwrap()).unwrap(),
        )
        .unwrap(),
    )
}

/// Mean distance of five points to the reference, in units of the reference's eye distance.
fn error(points: Landmarks, others: Landmarks) -> f64 {
    let between = |one: [f32; 2], other: [f32; 2]| f64::from(one[0] - other[0]).hypot(f64::from(one[1] - other[1]));
    let sum: f64 = points.0.iter().zip(others.0).map(|(one, other)| between(*one, other)).sum();
    sum / 5.0 / between(others.0[0], others.0[1])
}

#[test]
fn landmarks_match_the_list() {
    let (Some(network), Some(list), Some(images), Some(people)) = (
        network(),
        data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt"),
        data("lfw/images"),
        data("lfw/protocol/peopleDevTrain.txt"),
    ) else {
        return;
    };
    let list = LandmarkList::read(&list).unwrap();
    let set = FaceSet::from_people_list(&PeopleList::read(&people).unwrap(), &images).unwrap();
    let sample: Vec<_> = set.images.iter().step_by(STEP).collect();
    let found = sample.par_iter().map(|path| {
        let image = read_image(path).unwrap();
        // The list is in pixels of the originals; the images may be their central part.
        let offset = (image.dim().0 as f32 - 250.0) / 2.0;
        let expected = list.get(path.strip_prefix(&images).unwrap()).unwrap().translated([offset, offset]);
        let FoundFaces { landmarks, count } = network.find(image.view());
        (count, landmarks.map(|landmarks| error(landmarks, expected)))
    });
    let found: Vec<(usize, Option<f64>)> = found.collect();
    let one = found.iter().filter(|(count, _)| *count == 1).count() as f64 / found.len() as f64;
    let mut errors: Vec<f64> = found.iter().map(|(_, error)| error.unwrap_or(1.0)).collect();
    errors.sort_by(f64::total_cmp);
    let [median, most] = [0.5, 0.98].map(|share| errors[(share * errors.len() as f64) as usize]);
    println!("{} images: one face in {one:.3}; error {median:.3}, 98th percentile {most:.3}", found.len());
    assert!(one > 0.99, "one face in {one:.3}");
    assert!(median < 0.05 && most < 0.15, "error {median:.3} at the median, {most:.3} at the 98th percentile");
}

/// At other positions and sizes.
#[test]
fn a_face_off_center_is_found() {
    let (Some(network), Some(images)) = (network(), data("lfw/images")) else { return };
    let face = read_image(&images.join("Aaron_Peirsol/Aaron_Peirsol_0001.jpg")).unwrap();
    let (height, width, _) = face.dim();
    let expected = network.find(face.view()).landmarks.unwrap();
    for [top, left] in [[0, 0], [0, 260], [180, 30], [200, 300]] {
        let mut image = Array3::from_elem((400, 500, 3), 90);
        image.slice_mut(s![top..top + height, left..left + width, ..]).assign(&face);
        let FoundFaces { landmarks, count } = network.find(image.view());
        let moved = expected.translated([left as f32, top as f32]);
        let error = landmarks.map(|landmarks| error(landmarks, moved));
        assert!(count == 1 && error.is_some_and(|error| error < 0.1), "at {top}, {left}: {count} faces, {error:?}");
    }
    // Two faces.
    let mut image = Array3::from_elem((height, 2 * width, 3), 90);
    image.slice_mut(s![.., ..width, ..]).assign(&face);
    image.slice_mut(s![.., width.., ..]).assign(&face);
    assert_eq!(network.find(image.view()).count, 2);
    // Larger than the search resolution.
    let large = facenet_data::Crop::Whole.apply(face.view(), [7 * height, 7 * width]);
    let FoundFaces { landmarks, count } = network.find(large.view());
    let error = error(landmarks.unwrap(), Landmarks(expected.0.map(|point| point.map(|at| 7.0 * (at + 0.5) - 0.5))));
    assert!(count == 1 && error < 0.05, "{count} faces, {error}");
}

#[test]
fn background_is_no_face() {
    let Some(network) = network() else { return };
    let nobody = FoundFaces { landmarks: None, count: 0 };
    for size in [[1, 1], [1, 300], [40, 40], [200, 300]] {
        let shape = (size[0], size[1], 3);
        assert_eq!(network.find(Array3::zeros(shape).view()), nobody, "black, {size:?}");
        let stripes = Array3::from_shape_fn(shape, |(row, column, _)| if (row + column) % 16 < 8 { 30 } else { 220 });
        assert_eq!(network.find(stripes.view()), nobody, "stripes, {size:?}");
        let mut state = 1_u64;
        let noise = Array3::from_shape_simple_fn(shape, || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 56) as u8
        });
        assert_eq!(network.find(noise.view()), nobody, "noise, {size:?}");
    }
    // The corners of LFW's originals show background.
    let Some(folder) = data("photos/krasserm_lfw10") else { return };
    let images: Vec<_> = images_below(&folder).unwrap().into_iter().step_by(5).collect();
    let corners = images.par_iter().map(|path| {
        let image = read_image(path).unwrap();
        let (height, width, _) = image.dim();
        let starts = [[0, 0], [0, width - 80], [height - 80, 0], [height - 80, width - 80]];
        let seen = starts.map(|[top, left]| {
            let corner = image.slice(s![top..top + 80, left..left + 80, ..]).as_standard_layout().to_owned();
            network.find(corner.view()).count
        });
        seen.iter().filter(|count| **count > 0).count()
    });
    let (seen, all) = (corners.sum::<usize>(), 4 * images.len());
    println!("a face in {seen} of {all} corners");
    assert!(seen * 50 <= all, "a face in {seen} of {all} corners");
}
