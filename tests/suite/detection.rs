//! The face detector against the outputs of ONNX Runtime.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use approx::assert_abs_diff_eq;
use facenet_data::{Crop, MarkedFaces, read_image};
use facenet_metrics::{BoundingBox, PhotoDetections, average_precision};
use facenet_network::{ForeignTensors, FrozenNetwork, Mode, Network, Workspace};
use facenet_recognition::{DetectionOptions, FaceDetector, ForeignNetwork, read_weights};
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

fn network_rows<T: Scalar>(network: &FrozenNetwork<T>, x: ndarray::ArrayView4<'_, T>) -> ndarray::Array2<T> {
    let mut workspace = network.workspace();
    let rows = network.forward(x, &mut workspace).to_owned();
    assert_eq!(rows.len_of(Axis(0)), x.len_of(Axis(0)));
    rows
}
