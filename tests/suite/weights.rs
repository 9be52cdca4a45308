//! Published weights: several file formats of a network, embeddings and scores against golden
//! values.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use approx::{assert_abs_diff_eq, assert_relative_eq};
use facenet_data::{
    Alignment, CoordinateSystem, Crop, FaceExtraction, LandmarkList, Landmarks, LoadOptions, PairList, load_faces,
};
use facenet_metrics::{Pair, PairScores, ThresholdSearch};
use facenet_network::{
    ForeignTensor, ForeignTensors, FrozenNetwork, LANDMARK_NETWORK, Mode, NameMap, Network, Workspace, built_in,
    import, import_truncated,
};
use facenet_recognition::{Calibration, Embed, Embedder, ForeignNetwork, calibration, read_weights, weights_sha256};
use facenet_tensor::Scalar;
use facenet_tests::data;
use ndarray::{Array2, Array3, Array4, ArrayView1, Axis, s};
use serde::Deserialize;

use reference::{Tensor, named_values};

#[path = "../../crates/facenet-network/tests/pytorch/reference.rs"]
mod reference;

/// Every eighth image is embedded; all of them take half a minute.
const STEP: usize = 8;

/// The golden embeddings of all images in `pairs.txt`, normalized, with their paths below
/// `lfw/images`.
fn golden() -> Option<(Array2<f32>, Vec<String>)> {
    let file = data("golden/mobilefacenet_y1/lfw_pairs_images_7701.safetensors")?;
    let list = fs::read_to_string(file.with_extension("txt")).unwrap();
    let tensors = ForeignTensors::from_safetensors(&fs::read(file).unwrap()).unwrap();
    let tensor = &tensors.tensors["embeddings"];
    let mut embeddings = Array2::from_shape_vec((7_701, 128), tensor.values.clone()).unwrap();
    for mut row in embeddings.rows_mut() {
        row /= row.dot(&row).sqrt();
    }
    Some((embeddings, list.lines().map(str::to_owned).collect()))
}

/// Embeddings of LFW's images, aligned.
fn embed(embedder: &Embedder, images: &Path, names: &[&Path], landmarks: &LandmarkList) -> Array2<f32> {
    let paths: Vec<PathBuf> = names.iter().map(|name| images.join(name)).collect();
    let landmarks: Vec<Option<Landmarks>> = names.iter().map(|name| landmarks.get(name)).collect();
    assert!(landmarks.iter().all(Option::is_some));
    let template = Landmarks(embedder.description().preprocessing.template.unwrap());
    let extraction = FaceExtraction {
        size: embedder.input_size(),
        crop: Crop::Whole,
        alignment: Some(Alignment { template, landmarks: &landmarks }),
        coordinates: CoordinateSystem::Lfw,
    };
    let faces = load_faces(&paths, &extraction, &LoadOptions::default()).unwrap();
    embedder.embed(faces.view()).unwrap()
}

/// The figures are those that an independent implementation of the rule gave for these embeddings.
#[test]
fn golden_embeddings_score_as_they_should_on_view_2() {
    let (Some((embeddings, names)), Some(list)) = (golden(), data("lfw/protocol/pairs.txt")) else { return };
    let list = PairList::read(&list).unwrap();
    let row = |image: usize| {
        let image = &list.images[image];
        let file = format!("{0}/{0}_{1:04}.jpg", image.person, image.number);
        names.iter().position(|name| *name == file).unwrap_or_else(|| panic!("no {file}"))
    };
    let rows: Vec<usize> = (0..list.images.len()).map(row).collect();
    let pairs: Vec<Pair> = list
        .pairs
        .iter()
        .map(|pair| Pair { first: rows[pair.left], second: rows[pair.right], genuine: pair.same })
        .collect();
    let scores = PairScores::from_embeddings(embeddings.view(), &pairs).unwrap();
    let result = scores.cross_validate(&[600; 10], ThresholdSearch::Exact).unwrap();
    assert_abs_diff_eq!(result.accuracy, 0.993_167, epsilon = 1e-6);
    assert_abs_diff_eq!(result.standard_error, 0.001_899, epsilon = 1e-6);
}

#[test]
fn our_alignment_and_our_network_give_the_golden_embeddings() {
    let Some((golden, names)) = golden() else { return };
    let (Some(weights), Some(images), Some(landmarks)) = (
        data("weights/mobilefacenet_y1/model-y1-0000.xml"),
        data("lfw/images"),
        data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt"),
    ) else {
        return;
    };
    let network = Network::from_checkpoint(read_weights(&weights, &ForeignNetwork::default()).unwrap()).unwrap();
    let list = LandmarkList::read(&landmarks).unwrap();
    let names: Vec<&Path> = names.iter().step_by(STEP).map(Path::new).collect();
    let embeddings = embed(&Embedder::new(&network).unwrap(), &images, &names, &list);
    let golden = golden.slice(s![..;STEP, ..]);
    let cosines: Vec<f64> =
        embeddings.rows().into_iter().zip(golden.rows()).map(|(ours, golden)| f64::from(ours.dot(&golden))).collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let least = cosines.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{} images: mean cosine {mean:.6}, least {least:.6}", embeddings.len_of(Axis(0)));
    assert!(mean >= 0.999, "{mean}");
}

/// A published network with faces and what OpenVINO makes of them.
struct Published {
    network: &'static str,
    weights: &'static str,
    golden: &'static str,
    faces: &'static str,
}

const PUBLISHED: [Published; 2] = [
    Published {
        network: "mobilefacenet_y1",
        weights: "mobilefacenet_y1/model-y1-0000",
        golden: "mobilefacenet_y1/aligned112_100",
        faces: "mobilefacenet_y1/aligned112",
    },
    Published {
        network: "face_reidentification_retail_0095",
        weights: "face-reidentification-retail-0095/face-reidentification-retail-0095",
        golden: "face-reidentification-retail-0095/aligned128_100",
        faces: "face-reidentification-retail-0095/aligned128",
    },
];

/// A network from its safetensors file, after a check that the OpenVINO files hold the same, and
/// what they hold.
fn import_published(network: &str, weights: &str) -> Option<(Network<f32>, ForeignTensors)> {
    let [safetensors, xml, bin] =
        ["safetensors", "xml", "bin"].map(|extension| data(&format!("weights/{weights}.{extension}")));
    let [safetensors, xml, bin] = [safetensors?, xml?, bin?].map(|path| fs::read(path).unwrap());
    let start = Instant::now();
    let from_safetensors = ForeignTensors::from_safetensors(&safetensors).unwrap();
    let from_openvino = ForeignTensors::from_openvino(&xml, &bin).unwrap();
    println!("{network}: read in {:?}, others {:?}", start.elapsed(), from_openvino.non_float);
    assert!(from_safetensors.tensors.len() > 40);
    assert!(from_safetensors.tensors == from_openvino.tensors, "{network}: the files differ");
    let map = NameMap::built_in(network).remove(0);
    let [one, other] =
        [&from_safetensors, &from_openvino].map(|tensors| import(built_in(network).unwrap(), tensors, &map).unwrap());
    assert_eq!((&one.parameters, &one.statistics), (&other.parameters, &other.statistics));
    Some((one, from_safetensors))
}

fn cosine(one: ArrayView1<'_, f32>, other: ArrayView1<'_, f32>) -> f64 {
    let product = |a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    product(one, other) / (product(one, one) * product(other, other)).sqrt()
}

/// 100 aligned faces against OpenVINO's outputs.
#[test]
fn published_networks_match_openvino() {
    for published in &PUBLISHED {
        let name = published.network;
        let (Some((network, _)), Some(golden), Some(faces)) = (
            import_published(name, published.weights),
            data(&format!("golden/{}.safetensors", published.golden)),
            data(&format!("golden/{}", published.faces)),
        ) else {
            continue;
        };
        let list = fs::read_to_string(golden.with_extension("txt")).unwrap();
        let golden = ForeignTensors::from_safetensors(&fs::read(golden).unwrap()).unwrap();
        let ForeignTensor { shape, values } = &golden.tensors["embeddings"];
        let golden = Array2::from_shape_vec((shape[0], shape[1]), values.clone()).unwrap();
        let [height, width] = network.description().input;
        let mut levels = Vec::new();
        for file in list.lines() {
            let face = image::open(faces.join(file)).unwrap().into_rgb8();
            assert_eq!((face.height() as usize, face.width() as usize), (height, width), "{file}");
            levels.extend(face.into_raw());
        }
        let levels = Array4::from_shape_vec((golden.nrows(), height, width, 3), levels).unwrap();
        let mut x = Array4::zeros(levels.dim());
        network.description().preprocessing.apply(levels.view(), x.view_mut());
        let frozen = FrozenNetwork::new(&network);
        let embeddings = frozen.forward(x.view(), &mut frozen.workspace()).to_owned();
        assert_eq!((golden.nrows(), golden.ncols()), (100, network.plan().dimension()));
        let (mut least, mut largest) = (1.0f64, 0.0f64);
        for (embedding, golden) in embeddings.outer_iter().zip(golden.outer_iter()) {
            let norm = golden.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            least = least.min(cosine(embedding, golden));
            for (&found, &expected) in embedding.iter().zip(golden) {
                largest = largest.max((f64::from(found) - f64::from(expected) / norm).abs());
            }
        }
        println!("{name}: least cosine 1 - {:e}, largest difference {largest:e}", 1.0 - least);
        assert!(least >= 0.99999 && largest <= 2e-3, "{name}: {least}, {largest}");
        // The wrong channel order is noticed.
        x.invert_axis(Axis(3));
        let reversed = frozen.forward(x.view(), &mut frozen.workspace()).to_owned();
        assert!(cosine(reversed.row(0), golden.row(0)) < 0.999, "{name}");
    }
}

/// OpenFace's weights lack five kernels: all others fit, and the missing ones are reported.
#[test]
fn every_tensor_of_openface_is_mapped() {
    const LOST: [(&str, [usize; 4]); 5] = [
        ("inception_3c_3x3_conv2_w", [256, 128, 3, 3]),
        ("inception_4e_3x3_conv2_w", [256, 160, 3, 3]),
        ("inception_5a_1x1_conv_w", [256, 1024, 1, 1]),
        ("inception_5a_3x3_conv2_w", [384, 96, 3, 3]),
        ("inception_5b_3x3_conv2_w", [384, 96, 3, 3]),
    ];
    let Some(path) = data("weights/nn4.small2_partial/nn4.small2.v1.partial.safetensors") else { return };
    let mut tensors = ForeignTensors::from_safetensors(&fs::read(path).unwrap()).unwrap();
    let name = "openface_nn4_small2_v1";
    let import = |tensors: &ForeignTensors| import(built_in(name).unwrap(), tensors, &NameMap::built_in(name)[0]);
    for (lost, shape) in LOST {
        let error = import(&tensors).unwrap_err().to_string();
        assert!(
            error.contains("the file has no tensor") && LOST.iter().any(|(lost, _)| error.ends_with(lost)),
            "{error}"
        );
        tensors.tensors.insert(
            lost.to_owned(),
            ForeignTensor { shape: shape.to_vec(), values: vec![0.0; shape.iter().product()] },
        );
    }
    import(&tensors).unwrap();
}

/// PyTorch's outputs of the branches of inception_3b, with OpenFace's weights.
#[derive(Deserialize)]
struct OpenFace {
    faces: Vec<usize>,
    /// With the original weights.
    exact: Vec<Tensor>,
    /// With running means less biases in `f32`, as an import keeps them.
    rounded: Vec<Tensor>,
}

impl OpenFace {
    fn read() -> Self {
        serde_json::from_str(include_str!("../../crates/facenet-network/tests/pytorch/openface.json")).unwrap()
    }

    /// The branches as `network` computes them, in the order of `exact`.
    fn branches<T: Scalar>(&self, network: &Network<T>) -> Vec<Tensor> {
        let levels =
            |k: &usize| named_values(&format!("face {k}")).take(96 * 96 * 3).map(|v| T::from_f64((v + 1.0) / 2.0));
        let x: Vec<T> = self.faces.iter().flat_map(levels).collect();
        let x = Array4::from_shape_vec((self.faces.len(), 96, 96, 3), x).unwrap();
        let mut workspace = Workspace::new(network.plan());
        let y = network.forward(x.view(), Mode::Eval, &mut workspace);
        let y = y.into_shape_with_order((self.faces.len(), 12, 12, 320)).unwrap();
        let branches = [("3x3", 64..192), ("5x5", 192..256), ("pool", 256..320), ("1x1", 0..64)];
        let branches = branches.map(|(name, channels)| {
            let values: Vec<T> = y.slice(s![.., .., .., channels.clone()]).iter().copied().collect();
            Tensor::of(format!("branch_{name}"), &[self.faces.len(), 12, 12, channels.len()], &values)
        });
        branches.into()
    }
}

/// The largest relative error of a branch.
fn worst(found: &[Tensor], expected: &[Tensor]) -> f64 {
    let tables = [found, expected].map(|tensors| -> Vec<(&str, &[usize])> {
        tensors.iter().map(|tensor| (&*tensor.name, &*tensor.shape)).collect()
    });
    assert_eq!(tables[0], tables[1]);
    let errors = found.iter().zip(expected).map(|(found, expected)| {
        let error = found.relative_error(expected);
        assert!(error.is_finite(), "{}", found.name);
        error
    });
    errors.fold(0.0, f64::max)
}

/// No tensor is missing up to inception_3b. `pytorch/openface.py` computed the same with OpenFace's
/// own names and channel order.
#[test]
fn the_first_layers_of_openface_match_pytorch() {
    let Some(path) = data("weights/nn4.small2_partial/nn4.small2.v1.partial.safetensors") else { return };
    let tensors = ForeignTensors::from_safetensors(&fs::read(path).unwrap()).unwrap();
    let name = "openface_nn4_small2_v1";
    let import = |layer: &str, map| import_truncated(built_in(name).unwrap(), layer, &tensors, map);
    let map = NameMap::built_in(name).remove(0);
    let network = import("inception_3b", &map).unwrap();
    let reference = OpenFace::read();
    let single = reference.branches(&network);
    let double = reference.branches(&network.cast::<f64>());
    let [by_rounded, by_exact] = [&reference.rounded, &reference.exact].map(|expected| worst(&double, expected));
    let in_single = worst(&single, &reference.exact);
    println!("inception_3b: off by {by_rounded:.1e} in f64, {by_exact:.1e} by exact means, {in_single:.1e} in f32");
    assert!(by_rounded <= 1e-9 && by_exact <= 1e-6 && in_single <= 1e-4);
    // A name map that takes the branches of inception_3a in our channel order is noticed.
    let mut unordered = map.clone();
    unordered.tensors.values_mut().for_each(|source| source.inputs = None);
    let unordered = reference.branches(&import("inception_3b", &unordered).unwrap());
    assert!(worst(&unordered, &reference.exact) > 0.1);
    // The next layer lacks a kernel.
    let error = import("inception_3c", &map).unwrap_err().to_string();
    assert!(error.ends_with("the file has no tensor inception_3c_3x3_conv2_w"), "{error}");
}

/// PyTorch's outputs of the landmark network.
#[derive(Deserialize)]
struct LandmarkPoints {
    faces: Vec<usize>,
    points: Vec<[f64; 10]>,
}

/// Faces `[n, 48, 48, 3]` of 6 x 6 squares of one RGB color each.
fn squares(faces: &[usize]) -> Array4<u8> {
    let faces: Vec<_> = faces
        .iter()
        .map(|k| {
            let levels =
                named_values(&format!("face {k}")).take(6 * 6 * 3).map(|number| (128.0 * (number + 1.0)) as u8);
            let squares = Array3::from_shape_vec((6, 6, 3), levels.collect()).unwrap();
            Array3::from_shape_fn((48, 48, 3), |(y, x, c)| squares[[y / 8, x / 8, c]])
        })
        .collect();
    ndarray::stack(Axis(0), &faces.iter().map(Array3::view).collect::<Vec<_>>()).unwrap()
}

/// Largest difference of a coordinate, in units of the face's side.
fn apart<T: Scalar, U: Scalar>(found: &Array2<T>, expected: &Array2<U>) -> f64 {
    assert_eq!(found.dim(), expected.dim());
    let differences = found.iter().zip(expected).map(|(&found, &expected)| {
        let difference = (Scalar::to_f64(found) - Scalar::to_f64(expected)).abs();
        if difference.is_nan() { f64::INFINITY } else { difference }
    });
    differences.fold(0.0, f64::max)
}

fn evaluate<T: Scalar>(network: &Network<T>, x: &Array4<T>) -> Array2<T> {
    network.forward(x.view(), Mode::Eval, &mut Workspace::new(network.plan())).to_owned()
}

fn evaluate_frozen<T: Scalar>(network: &Network<T>, x: &Array4<T>) -> Array2<T> {
    let frozen = FrozenNetwork::new(network);
    frozen.forward(x.view(), &mut frozen.workspace()).to_owned()
}

/// `pytorch/landmarks.py` follows the graph, which starts with a factor and a shift per channel;
/// our preprocessing has them as decimals of eight digits. With the graph's own values the rest
/// agrees in `f64`.
#[test]
fn the_landmark_network_matches_pytorch() {
    let weights = "landmarks-regression-retail-0009/landmarks-regression-retail-0009";
    let Some((network, tensors)) = import_published(LANDMARK_NETWORK, weights) else { return };
    let json = include_str!("../../crates/facenet-network/tests/pytorch/landmarks.json");
    let LandmarkPoints { faces, points } = serde_json::from_str(json).unwrap();
    let points = Array2::from(points);
    let levels = squares(&faces);
    assert_eq!((network.plan().dimension(), network.description().embedding), (10, None));

    let [factor, shift] = ["3471/Concat3490", "3473/Concat3498"].map(|constant| {
        let values = &tensors.tensors[&format!("0/reverse_input_channels{constant}_const")].values;
        ArrayView1::from(values).mapv(f64::from)
    });
    let x = levels.slice(s![.., .., .., ..;-1]).mapv(f64::from) * &factor + &shift;
    let double = network.cast::<f64>();
    let in_double = apart(&evaluate(&double, &x), &points);
    let frozen_in_double = apart(&evaluate_frozen(&double, &x), &points);
    let single = evaluate(&network, &x.mapv(|x| x as f32));
    let in_single = apart(&single, &points);

    let mut preprocessed = Array4::zeros(levels.dim());
    network.description().preprocessing.apply(levels.view(), preprocessed.view_mut());
    let from_levels = evaluate(&network, &preprocessed);
    let by_preprocessing = apart(&from_levels, &points);
    let frozen = apart(&evaluate_frozen(&network, &preprocessed), &from_levels);
    println!(
        "points: off by {in_double:.1e} in f64 ({frozen_in_double:.1e} frozen), {in_single:.1e} in f32, \
         {by_preprocessing:.1e} from levels; frozen and trainable {frozen:.1e} apart"
    );
    assert!(in_double <= 1e-9 && frozen_in_double <= 1e-9 && in_single <= 1e-5);
    assert!(by_preprocessing <= 1e-5 && frozen <= 1e-6);
    // The wrong channel order is noticed.
    preprocessed.invert_axis(Axis(3));
    assert!(apart(&evaluate(&network, &preprocessed), &points) > 1e-3);
}

/// The built-in network is recognized by its tensors in either format.
#[test]
fn both_formats_of_a_published_network_agree() {
    let file = |extension: &str| data(&format!("weights/mobilefacenet_y1/model-y1-0000.{extension}"));
    let (Some(safetensors), Some(xml), Some(_)) = (file("safetensors"), file("xml"), file("bin")) else { return };
    let [one, other] = [safetensors, xml].map(|path| {
        let checkpoint = read_weights(&path, &ForeignNetwork::default()).unwrap();
        assert_eq!(checkpoint.description, built_in("mobilefacenet_y1").unwrap());
        assert!(checkpoint.training.is_none());
        checkpoint
    });
    assert_eq!(one, other);
}

/// Built-in calibrations of published weights equal those fitted on the training pairs of LFW's
/// View 1.
#[test]
fn built_in_calibrations_match_fitted_ones() {
    let (Some(list), Some(images), Some(landmarks)) =
        (data("lfw/protocol/pairsDevTrain.txt"), data("lfw/images"), data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt"))
    else {
        return;
    };
    let (list, landmarks) = (PairList::read(&list).unwrap(), LandmarkList::read(&landmarks).unwrap());
    let paths = list.resolve(&images).unwrap();
    let names: Vec<&Path> = paths.iter().map(|path| path.strip_prefix(&images).unwrap()).collect();
    let pairs: Vec<Pair> =
        list.pairs.iter().map(|pair| Pair { first: pair.left, second: pair.right, genuine: pair.same }).collect();
    for published in &PUBLISHED {
        let Some(path) = data(&format!("weights/{}.safetensors", published.weights)) else { continue };
        let checkpoint = read_weights(&path, &ForeignNetwork::default()).unwrap();
        let built_in = calibration(&checkpoint, &path).unwrap();
        // It does not apply where the same weights see other pixels.
        let mut description = checkpoint.description.clone();
        description.preprocessing.template = None;
        let foreign = ForeignNetwork { network: Some(description), ..ForeignNetwork::default() };
        assert_eq!(read_weights(&path, &foreign).unwrap().calibration, None);
        let network = Network::from_checkpoint(checkpoint).unwrap();
        let embeddings = embed(&Embedder::new(&network).unwrap(), &images, &names, &landmarks);
        let fitted = Calibration::fit(&PairScores::from_embeddings(embeddings.view(), &pairs).unwrap()).unwrap();
        println!("{}: {fitted:?}, weights {}", published.network, weights_sha256(&network));
        let built_in = built_in.unwrap_or_else(|| panic!("{} has none", published.network));
        assert_abs_diff_eq!(fitted.threshold, built_in.threshold, epsilon = 1e-3);
        assert_relative_eq!(fitted.slope, built_in.slope, max_relative = 1e-3);
    }
}
