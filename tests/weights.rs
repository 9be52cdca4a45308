//! Published weights: files of one network in several formats, and embeddings and scores against golden ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use approx::{assert_abs_diff_eq, assert_relative_eq};
use facenet::{Calibration, Embed, Embedder, ForeignNetwork, calibration, read_weights, weights_sha256};
use facenet_data::{Alignment, Coordinates, Crop, Framing, LandmarkList, Landmarks, LoadOptions, PairList, load_faces};
use facenet_metrics::{Pair, PairScores, ThresholdSearch, squared_distances};
use facenet_network::{ForeignTensor, ForeignTensors, FrozenNetwork, NameMap, Network, built_in, import};
use facenet_tests::data;
use ndarray::{Array2, Array4, ArrayView1, Axis, s};

/// Every so many pictures are embedded; all of them take half a minute.
const STEP: usize = 8;

/// The golden embeddings of all pictures that `pairs.txt` names, made unit length, and their paths below `lfw/images`.
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

/// Embeddings of LFW's pictures, aligned.
fn embed(embedder: &Embedder, images: &Path, names: &[&Path], landmarks: &LandmarkList) -> Array2<f32> {
    let paths: Vec<PathBuf> = names.iter().map(|name| images.join(name)).collect();
    let landmarks: Vec<Option<Landmarks>> = names.iter().map(|name| landmarks.get(name)).collect();
    assert!(landmarks.iter().all(Option::is_some));
    let template = Landmarks(embedder.description().preprocessing.template.unwrap());
    let framing = Framing {
        crop: Crop::Whole,
        alignment: Some(Alignment { template, landmarks: &landmarks }),
        coordinates: Coordinates::Lfw,
    };
    let faces = load_faces(&paths, framing, embedder.input_size(), &LoadOptions::default()).unwrap();
    embedder.embed(faces.view()).unwrap()
}

/// The figures are those that an independent implementation of the rule gave for these embeddings.
#[test]
fn golden_embeddings_score_as_they_should_on_view_2() {
    let (Some((embeddings, names)), Some(list)) = (golden(), data("lfw/protocol/pairs.txt")) else { return };
    let list = PairList::read(&list).unwrap();
    let row = |picture: usize| {
        let picture = &list.pictures[picture];
        let file = format!("{0}/{0}_{1:04}.jpg", picture.person, picture.number);
        names.iter().position(|name| *name == file).unwrap_or_else(|| panic!("no {file}"))
    };
    let rows: Vec<usize> = (0..list.pictures.len()).map(row).collect();
    let pairs: Vec<Pair> = list
        .pairs
        .iter()
        .map(|pair| Pair { first: rows[pair.left], second: rows[pair.right], same: pair.same })
        .collect();
    let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
    let scores = PairScores::new(&squared_distances(embeddings.view(), &pairs), &same).unwrap();
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
    println!("{} pictures: mean cosine {mean:.6}, least {least:.6}", embeddings.len_of(Axis(0)));
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

impl Published {
    /// From its safetensors file, after a check that the OpenVINO files hold the same.
    fn import(&self) -> Option<Network<f32>> {
        let [safetensors, xml, bin] =
            ["safetensors", "xml", "bin"].map(|extension| data(&format!("weights/{}.{extension}", self.weights)));
        let [safetensors, xml, bin] = [safetensors?, xml?, bin?].map(|path| fs::read(path).unwrap());
        let start = Instant::now();
        let from_safetensors = ForeignTensors::from_safetensors(&safetensors).unwrap();
        let from_openvino = ForeignTensors::from_openvino(&xml, &bin).unwrap();
        println!("{}: read in {:?}, others {:?}", self.network, start.elapsed(), from_openvino.others);
        assert!(from_safetensors.tensors.len() > 100);
        assert!(from_safetensors.tensors == from_openvino.tensors, "{}: the files differ", self.network);
        let map = NameMap::built_in(self.network).unwrap();
        let [one, other] = [from_safetensors, from_openvino]
            .map(|tensors| import(built_in(self.network).unwrap(), &tensors, &map).unwrap());
        assert_eq!((&one.parameters, &one.statistics), (&other.parameters, &other.statistics));
        Some(one)
    }
}

fn cosine(one: ArrayView1<'_, f32>, other: ArrayView1<'_, f32>) -> f64 {
    let product = |a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    product(one, other) / (product(one, one) * product(other, other)).sqrt()
}

/// The 100 aligned faces against what OpenVINO put out for them.
#[test]
fn published_networks_give_the_embeddings_of_another_program() {
    for published in &PUBLISHED {
        let name = published.network;
        let (Some(network), Some(golden), Some(faces)) = (
            published.import(),
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
        // The wrong order of colours shows.
        x.invert_axis(Axis(3));
        let reversed = frozen.forward(x.view(), &mut frozen.workspace()).to_owned();
        assert!(cosine(reversed.row(0), golden.row(0)) < 0.999, "{name}");
    }
}

/// OpenFace's weights, of which five kernels are lost: all others fit, and the lost ones are missed.
#[test]
fn every_tensor_of_openface_has_its_place() {
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
    let import = |tensors: &ForeignTensors| import(built_in(name).unwrap(), tensors, &NameMap::built_in(name).unwrap());
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

/// A network in single precision that is none of ours.
#[test]
fn both_formats_of_one_network_hold_the_same() {
    let file = |extension: &str| {
        data(&format!("weights/landmarks-regression-retail-0009/landmarks-regression-retail-0009.{extension}"))
    };
    let (Some(safetensors), Some(xml), Some(bin)) = (file("safetensors"), file("xml"), file("bin")) else { return };
    let [safetensors, xml, bin] = [safetensors, xml, bin].map(|path| fs::read(path).unwrap());
    let tensors = ForeignTensors::from_safetensors(&safetensors).unwrap();
    assert_eq!(tensors.tensors.len(), 42);
    assert!(tensors == ForeignTensors::from_openvino(&xml, &bin).unwrap());
}

/// The built-in network is known by its tensors, in either format.
#[test]
fn a_published_network_in_both_formats() {
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

/// What is built in for published weights is what the pairs of LFW's View 1 for training give.
#[test]
fn calibrations_of_published_networks() {
    let (Some(list), Some(images), Some(landmarks)) =
        (data("lfw/protocol/pairsDevTrain.txt"), data("lfw/images"), data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt"))
    else {
        return;
    };
    let (list, landmarks) = (PairList::read(&list).unwrap(), LandmarkList::read(&landmarks).unwrap());
    let paths = list.resolve(&images).unwrap();
    let names: Vec<&Path> = paths.iter().map(|path| path.strip_prefix(&images).unwrap()).collect();
    let pairs: Vec<Pair> =
        list.pairs.iter().map(|pair| Pair { first: pair.left, second: pair.right, same: pair.same }).collect();
    let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
    for published in &PUBLISHED {
        let Some(path) = data(&format!("weights/{}.safetensors", published.weights)) else { continue };
        let checkpoint = read_weights(&path, &ForeignNetwork::default()).unwrap();
        let built_in = calibration(&checkpoint, &path).unwrap();
        // It does not hold where the same numbers see other pixels.
        let mut description = checkpoint.description.clone();
        description.preprocessing.template = None;
        let foreign = ForeignNetwork { network: Some(description), map: None };
        assert_eq!(read_weights(&path, &foreign).unwrap().calibration, None);
        let network = Network::from_checkpoint(checkpoint).unwrap();
        let embeddings = embed(&Embedder::new(&network).unwrap(), &images, &names, &landmarks);
        let fitted = Calibration::fit(&squared_distances(embeddings.view(), &pairs), &same).unwrap();
        println!("{}: {fitted:?}, weights {}", published.network, weights_sha256(&network));
        let built_in = built_in.unwrap_or_else(|| panic!("{} has none", published.network));
        assert_abs_diff_eq!(fitted.threshold, built_in.threshold, epsilon = 1e-3);
        assert_relative_eq!(fitted.slope, built_in.slope, max_relative = 1e-3);
    }
}
