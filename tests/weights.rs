//! Pretrained networks on Labeled Faces in the Wild, from our own alignment to scores, against golden embeddings.

use std::fs;
use std::path::PathBuf;

use approx::assert_abs_diff_eq;
use facenet::{Embed, Embedder, ForeignNetwork, read_weights};
use facenet_data::{Alignment, Coordinates, Crop, Framing, LandmarkList, Landmarks, LoadOptions, PairList, load_faces};
use facenet_metrics::{Pair, PairScores, ThresholdSearch, squared_distances};
use facenet_network::ForeignTensors;
use facenet_tests::data;
use ndarray::{Array2, Axis, s};

/// Every so many pictures are embedded; all of them take a minute.
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
    let embedder = Embedder::new(&read_weights(&weights, &ForeignNetwork::default()).unwrap());
    let list = LandmarkList::read(&landmarks).unwrap();
    let names: Vec<&String> = names.iter().step_by(STEP).collect();
    let paths: Vec<PathBuf> = names.iter().map(|name| images.join(name)).collect();
    let landmarks: Vec<Option<Landmarks>> = names.iter().map(|name| list.get(name.as_ref())).collect();
    assert!(landmarks.iter().all(Option::is_some));
    let template = Landmarks(embedder.description().preprocessing.template.unwrap());
    let framing = Framing {
        crop: Crop::Whole,
        alignment: Some(Alignment { template, landmarks: &landmarks }),
        coordinates: Coordinates::Lfw,
    };
    let faces = load_faces(&paths, framing, embedder.input_size(), &LoadOptions::default()).unwrap();
    let embeddings = embedder.embed(faces.view()).unwrap();
    let golden = golden.slice(s![..;STEP, ..]);
    let cosines: Vec<f64> =
        embeddings.rows().into_iter().zip(golden.rows()).map(|(ours, golden)| f64::from(ours.dot(&golden))).collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let least = cosines.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{} pictures: mean cosine {mean:.6}, least {least:.6}", embeddings.len_of(Axis(0)));
    assert!(mean >= 0.999, "{mean}");
}
