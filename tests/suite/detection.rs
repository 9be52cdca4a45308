//! The face detector against the outputs of ONNX Runtime.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use approx::assert_abs_diff_eq;
use facenet_data::{Crop, MarkedFaces, read_image};
use facenet_metrics::{BoundingBox, PhotoDetections, average_precision};
use facenet_network::{ForeignTensors, FrozenNetwork, Mode, Network, Workspace};
use facenet_recognition::{
    Detect, DetectedFace, DetectionOptions, FaceDetector, FaceQuality, ForeignNetwork, MinFace, Orientations,
    read_weights,
};
use facenet_tensor::Scalar;
use facenet_tests::data;
use ndarray::{Array3, Array4, ArrayView3, Axis, s};
use rayon::prelude::*;
use safetensors::SafeTensors;
use serde::Deserialize;

/// The golden canvases.
const PICTURES: [&str; 4] = [
    "0_Parade_Parade_0_102",
    "2_Demonstration_Demonstration_Or_Protest_2_242",
    "2_Demonstration_Protesters_2_163",
    "4_Dancing_Dancing_4_769",
];

fn detector() -> Option<Network<f32>> {
    let weights = data("weights/yunet_n/yunet_n.pth")?;
    Some(Network::from_checkpoint(read_weights(&weights, &ForeignNetwork::default()).unwrap()).unwrap())
}

/// The preprocessed canvas in a golden file: `[1, 640, 640, 3]`.
fn canvas(file: &Path, network: &Network<f32>) -> Array4<f32> {
    let bytes = fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let canvas = tensors.tensor("canvas").unwrap().data().to_vec();
    let canvas = Array4::from_shape_vec((1, 640, 640, 3), canvas).unwrap();
    let mut x = Array4::zeros(canvas.raw_dim());
    network.description().preprocessing.apply(canvas.view(), x.view_mut());
    x
}

#[test]
fn raw_outputs_are_those_of_onnx_runtime() {
    let Some(network) = detector() else { return };
    let (frozen, mut largest) = (FrozenNetwork::new(&network), 0.0_f32);
    let mut workspace = frozen.workspace();
    for picture in PICTURES {
        let Some(file) = data(&format!("detection/golden/{picture}.safetensors")) else { return };
        let x = canvas(&file, &network);
        let y = frozen.forward(x.view(), &mut workspace);
        let golden = ForeignTensors::from_safetensors(&fs::read(file).unwrap()).unwrap();
        for output in network.plan().outputs() {
            let ours = ArrayView3::from_shape(output.shape, &y.as_slice().unwrap()[output.range.clone()]).unwrap();
            let stride = output.name.strip_prefix("stride_").unwrap();
            for (name, channels, is_logit) in
                [("cls", 0..1, true), ("obj", 1..2, true), ("bbox", 2..6, false), ("kps", 6..16, false)]
            {
                let theirs = &golden.tensors[&format!("{name}_{stride}")].values;
                let ours = ours.slice(s![.., .., channels]);
                assert_eq!(ours.len(), theirs.len(), "{name}_{stride}");
                // ONNX Runtime's scores are probabilities.
                let ours = ours.mapv(|value| if is_logit { 1.0 / (1.0 + (-value).exp()) } else { value });
                let differences = ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs());
                largest = differences.fold(largest, f32::max);
            }
        }
    }
    println!("largest difference {largest:e}");
    assert!(largest <= 1e-4, "{largest}");
}

/// On the canvases of the golden faces: photos of the original proportions, scaled to a longer side of 640,
/// black elsewhere.
#[test]
fn faces_are_found_as_by_onnx_runtime() {
    let Some(network) = detector() else { return };
    let (Some(golden), Some(folder)) = (data("detection/golden/faces.jsonl"), data("detection")) else { return };
    let options = DetectionOptions { min_score: 0.05, ..DetectionOptions::default() };
    let detector = FaceDetector::new(&network, options).unwrap();
    let golden: BTreeMap<String, Vec<GoldenFace>> = fs::read_to_string(golden)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|GoldenFaces { picture, faces }| (picture, faces))
        .collect();
    let list = MarkedFaces::read(&folder.join("faces.txt")).unwrap();
    let photos = list.photos.par_iter().map(|photo| {
        let image = read_image(&folder.join("images").join(&photo.name)).unwrap();
        let scale = 640.0 / photo.size[0].max(photo.size[1]) as f64;
        let [height, width] = photo.size.map(|side| (side as f64 * scale).round() as usize);
        let mut canvas = Array3::zeros((640, 640, 3));
        canvas.slice_mut(s![..height, ..width, ..]).assign(&Crop::Whole.apply(image.view(), [height, width]));
        let found = detector.detect_unscaled(canvas.view()).unwrap();
        let marked: Vec<BoundingBox> = photo.faces.iter().map(|&face| bounding_box(face).scaled(scale)).collect();
        let ours = found.iter().map(|face| (face.bounding_box, face.score.into())).collect();
        let theirs = golden[&photo.name].iter().map(|face| (bounding_box(face.bounds), face.score)).collect();
        [ours, theirs].map(|found| PhotoDetections { marked: marked.clone(), found })
    });
    let (ours, theirs): (Vec<_>, Vec<_>) = photos.map(|[ours, theirs]| (ours, theirs)).unzip();
    for (side, printed) in [(16.0, 0.8847), (24.0, 0.9352), (40.0, 0.9659)] {
        let [ours, theirs] = [&ours, &theirs].map(|photos| average_precision(photos, side).unwrap());
        println!("{side}: {ours:?}, by ONNX Runtime {theirs:?}");
        assert_abs_diff_eq!(theirs.average_precision, printed, epsilon = 5e-5);
        // Our JPEG decoder rounds differently. On canvases decoded by libjpeg-turbo the difference is 3e-6.
        assert_abs_diff_eq!(ours.average_precision, theirs.average_precision, epsilon = 4e-3);
    }
}

#[derive(Deserialize)]
struct GoldenFaces {
    picture: String,
    faces: Vec<GoldenFace>,
}

#[derive(Deserialize)]
struct GoldenFace {
    #[serde(rename = "box")]
    bounds: [f64; 4],
    score: f64,
}

fn bounding_box([left, top, right, bottom]: [f64; 4]) -> BoundingBox {
    BoundingBox { left, top, right, bottom }
}

/// The folded network against the definition with running statistics, in `f64`.
#[test]
fn folding_is_exact_in_double_precision() {
    let Some(network) = detector() else { return };
    let network = network.cast::<f64>().with_input([96, 160]).unwrap();
    let x = Array4::from_shape_fn((2, 96, 160, 3), |(n, h, w, c)| ((n * 31 + h * 7 + w * 13 + c * 101) % 256) as f64);
    let frozen = FrozenNetwork::new(&network);
    let mut frozen_workspace = frozen.workspace();
    let mut workspace = Workspace::new(network.plan());
    let folded = frozen.forward(x.view(), &mut frozen_workspace);
    let defined = network.forward(x.view(), Mode::Eval, &mut workspace);
    let largest = folded.iter().zip(defined).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("largest difference {largest:e}");
    assert!(largest <= 1e-9, "{largest}");
    assert_eq!(network.plan().outputs()[0].shape, [12, 20, 16]);
    // Each image has its own outputs.
    let alone = frozen.forward(x.slice(s![1.., .., .., ..]), &mut frozen_workspace).to_owned();
    assert_eq!(alone, network_rows(&frozen, x.view()).slice(s![1.., ..]));
}

/// A portrait of 250 x 250 pixels with a face of 82 x 120, and the search of upright faces.
fn portrait_and_options() -> Option<(Array3<u8>, DetectionOptions)> {
    let file = data("photos/krasserm_lfw10/Jacques_Chirac/Jacques_Chirac_0001.jpg")?;
    let options = DetectionOptions { orientations: Orientations::Upright, ..DetectionOptions::default() };
    Some((read_image(&file).unwrap(), options))
}

/// Pastes a square picture, scaled to a side, into a photo.
fn paste(picture: &Array3<u8>, side: usize, [left, top]: [usize; 2], photo: &mut Array3<u8>) {
    let scaled = Crop::Whole.apply(picture.view(), [side; 2]);
    photo.slice_mut(s![top..top + side, left..left + side, ..]).assign(&scaled);
}

/// The number of faces found with a center within a square.
fn count_within(faces: &[DetectedFace], side: usize, [left, top]: [usize; 2]) -> usize {
    let is_within = |face: &&DetectedFace| {
        let BoundingBox { left: x, top: y, right, bottom } = face.bounding_box;
        let is_between = |center: f64, start: usize| (start as f64..(start + side) as f64).contains(&center);
        is_between((x + right) / 2.0, left) && is_between((y + bottom) / 2.0, top)
    };
    faces.iter().filter(is_within).count()
}

/// Faces with a shorter side of 12 pixels among 12 megapixels.
#[test]
fn small_faces_are_found_if_asked_for() {
    let Some(network) = detector() else { return };
    let Some((portrait, options)) = portrait_and_options() else { return };
    let mut photo = Array3::from_elem((3000, 4000, 3), 128);
    let side = 36;
    let corners: Vec<[usize; 2]> = (0..24).map(|index| [90 + 650 * (index % 6), 120 + 870 * (index / 6)]).collect();
    for &corner in &corners {
        paste(&portrait, side, corner, &mut photo);
    }
    let found = |min_face| {
        let options = DetectionOptions { min_face, ..options };
        FaceDetector::new(&network, options).unwrap().detect(photo.view()).unwrap()
    };
    assert_eq!(found(MinFace::default()), [], "the default looks for faces of 50 pixels");
    let faces = found(MinFace::Pixels(12.0));
    let counts: Vec<usize> = corners.iter().map(|&corner| count_within(&faces, side, corner)).collect();
    assert_eq!(counts, [1; 24]);
    assert_eq!(faces.len(), counts.len());
    let sides = faces.iter().map(DetectedFace::shorter_side);
    let mean = sides.sum::<f64>() / faces.len() as f64;
    assert!((10.0..14.0).contains(&mean), "{mean}");
}

#[test]
fn a_face_at_a_border_of_tiles_is_found_once() {
    let Some(network) = detector() else { return };
    let Some((portrait, options)) = portrait_and_options() else { return };
    // Two tiles of 640 x 128 pixels that overlap from 460 to 640.
    let detector =
        FaceDetector::new(&network, DetectionOptions { min_face: MinFace::Pixels(12.0), ..options }).unwrap();
    let side = 72;
    for left in (400..640).step_by(3) {
        let mut photo = Array3::from_elem((128, 1100, 3), 128);
        paste(&portrait, side, [left, 28], &mut photo);
        let faces = detector.detect(photo.view()).unwrap();
        assert_eq!((faces.len(), count_within(&faces, side, [left, 28])), (1, 1), "at {left}: {faces:?}");
        let [width, height] = faces[0].bounding_box.sides();
        assert!((20.0..36.0).contains(&width) && (24.0..44.0).contains(&height), "cut at {left}: {faces:?}");
    }
}

/// The points of a turned portrait are those of the upright one, turned.
#[test]
fn turned_portraits_are_found_as_such() {
    let Some(network) = detector() else { return };
    let Some(folder) = data("photos/krasserm_lfw10") else { return };
    let detector = FaceDetector::new(&network, DetectionOptions::default()).unwrap();
    for person in ["Ariel_Sharon", "Colin_Powell", "Tony_Blair", "Vladimir_Putin"] {
        let photo = read_image(&folder.join(person).join(format!("{person}_0001.jpg"))).unwrap();
        let (height, width, _) = photo.dim();
        let central = |photo: ArrayView3<'_, u8>| {
            let faces = detector.detect(photo).unwrap();
            let [x, y] = [photo.dim().1, photo.dim().0].map(|side| side as f32 / 2.0);
            let distance = |face: &DetectedFace| {
                let [nose_x, nose_y] = face.landmarks.0[2];
                (nose_x - x).hypot(nose_y - y)
            };
            faces.into_iter().min_by(|one, other| distance(one).total_cmp(&distance(other))).expect("a face")
        };
        let upright = central(photo.view());
        let half = photo.slice(s![..;-1, ..;-1, ..]);
        let quarter = photo.slice(s![..;-1, .., ..]).permuted_axes([1, 0, 2]);
        let three_quarters = photo.slice(s![.., ..;-1, ..]).permuted_axes([1, 0, 2]);
        let [last_row, last_column] = [height as f32 - 1.0, width as f32 - 1.0];
        for (degrees, turned) in [(90.0, quarter), (180.0, half), (-90.0, three_quarters)] {
            let face = central(turned.as_standard_layout().view());
            let eyes = upright.landmarks.0[1][0] - upright.landmarks.0[0][0];
            for (point, [x, y]) in face.landmarks.0.iter().zip(upright.landmarks.0) {
                let [expected_x, expected_y] = match degrees {
                    90.0 => [last_row - y, x],
                    180.0 => [last_column - x, last_row - y],
                    _ => [y, last_column - x],
                };
                let distance = (point[0] - expected_x).hypot(point[1] - expected_y);
                assert!(distance < 0.1 * eyes, "{person} by {degrees}: {face:?}");
            }
            let quality = FaceQuality::measure(turned.as_standard_layout().view(), &face);
            let difference = (quality.roll - degrees).rem_euclid(360.0);
            assert!(difference.min(360.0 - difference) < 30.0, "{person} by {degrees}: {quality:?}");
            assert_eq!(quality.warning(), None);
        }
    }
}

fn network_rows<T: Scalar>(network: &FrozenNetwork<T>, x: ndarray::ArrayView4<'_, T>) -> ndarray::Array2<T> {
    let mut workspace = network.workspace();
    let rows = network.forward(x, &mut workspace).to_owned();
    assert_eq!(rows.len_of(Axis(0)), x.len_of(Axis(0)));
    rows
}
