//! Embeddings and published results of real faces. The data are not part of the repository; without
//! them the tests are skipped with a message.

use approx::assert_abs_diff_eq;
use facenet_metrics::*;
use facenet_tests::data;
use ndarray::{Array2, Axis};
use std::collections::BTreeMap;
use std::fs;

/// Embedding rows by file name without folder.
struct Images {
    rows: BTreeMap<String, usize>,
    identities: Vec<usize>,
}

impl Images {
    fn new(paths: impl Iterator<Item = String>) -> Images {
        let names: Vec<String> = paths.map(|path| path.rsplit('/').next().unwrap().to_string()).collect();
        let mut people = BTreeMap::new();
        let identities = names
            .iter()
            .map(|name| {
                let next = people.len();
                *people.entry(name.rsplit_once('_').unwrap().0.to_string()).or_insert(next)
            })
            .collect();
        Images { rows: names.into_iter().enumerate().map(|(row, name)| (name, row)).collect(), identities }
    }

    fn row(&self, person: &str, number: &str) -> usize {
        let name = format!("{person}_{:04}.jpg", number.parse::<u32>().unwrap());
        *self.rows.get(&name).unwrap_or_else(|| panic!("{name} has no embedding"))
    }
}

/// The pairs of LFW's pairs.txt and the lengths of its folds.
fn read_pairs(text: &str, images: &Images) -> (Vec<Pair>, Vec<usize>) {
    let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let header: Vec<usize> = lines.next().unwrap().iter().map(|number| number.parse().unwrap()).collect();
    let pairs = lines.map(|line| match line[..] {
        [person, i, j] => Pair { first: images.row(person, i), second: images.row(person, j), genuine: true },
        [one, i, other, j] => Pair { first: images.row(one, i), second: images.row(other, j), genuine: false },
        _ => panic!("{line:?}"),
    });
    (pairs.collect(), vec![2 * header[1]; header[0]])
}

fn normalize(embeddings: &mut Array2<f32>) {
    for mut row in embeddings.axis_iter_mut(Axis(0)) {
        let norm = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        row.mapv_inplace(|x| (f64::from(x) / norm) as f32);
    }
}

/// MobileFaceNet "y1" on LFW's View 2. The expected results come from independent implementations
/// of both protocols.
#[test]
fn lfw_view_2_matches_independent_implementations() {
    let Some(list) = data("lfw/protocol/pairs.txt") else { return };
    let Some(tensors) = data("golden/mobilefacenet_y1/lfw_pairs_images_7701.safetensors") else { return };
    let Some(names) = data("golden/mobilefacenet_y1/lfw_pairs_images_7701.txt") else { return };
    let bytes = fs::read(tensors).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(file.names()[0]).unwrap();
    let values = tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    let mut embeddings = Array2::from_shape_vec((tensor.shape()[0], tensor.shape()[1]), values).unwrap();
    normalize(&mut embeddings);
    let images = Images::new(fs::read_to_string(names).unwrap().lines().map(str::to_string));
    let (pairs, folds) = read_pairs(&fs::read_to_string(list).unwrap(), &images);
    assert_eq!((pairs.len(), folds.len()), (6000, 10));

    let scores = PairScores::from_embeddings(embeddings.view(), &pairs).unwrap();
    let exact = scores.cross_validate(&folds, ThresholdSearch::Exact).unwrap();
    assert_abs_diff_eq!(exact.accuracy, 0.993167, epsilon = 1e-6);
    assert_abs_diff_eq!(exact.standard_error, 0.001899, epsilon = 1e-6);
    let grid = scores.cross_validate(&folds, ThresholdSearch::Grid { step: 0.01, end: 4.0 }).unwrap();
    assert_abs_diff_eq!(grid.accuracy, 0.992500, epsilon = 1e-6);
    assert_abs_diff_eq!(grid.standard_deviation, 0.00611, epsilon = 1e-5);
    let report = VerificationReport::cross_validated(&scores, &exact);
    assert_abs_diff_eq!(report.auc, 0.99880, epsilon = 1e-5);

    let bootstrap = IdentityBootstrap::default().standard_errors(&scores, &pairs, &images.identities, report.threshold);
    println!("{report:?}\n{bootstrap:?}\n{:?}", scores.roc().validation_rate_at(1e-3));
    // The pairs are nearly independent: the error is slightly above that of 6,000 Bernoulli trials.
    let binomial = (report.accuracy * (1.0 - report.accuracy) / 6000.0).sqrt();
    assert!((binomial..3.0 * binomial).contains(&bootstrap.accuracy), "{} vs. {binomial}", bootstrap.accuracy);
}

/// 1,000 embeddings published by OpenFace. The mean squared distance is 0.528 over all 7,234
/// genuine pairs and 1.773 over the impostor pairs.
#[test]
fn openface_embeddings_match_published_distances() {
    let Some(values) = data("golden/openface_nn4.small2_reps/reps.csv") else { return };
    let Some(labels) = data("golden/openface_nn4.small2_reps/labels.csv") else { return };
    let rows: Vec<f32> =
        fs::read_to_string(values).unwrap().split_terminator(['\n', ',']).map(|value| value.parse().unwrap()).collect();
    let embeddings = Array2::from_shape_vec((1000, 128), rows).unwrap();
    let images = Images::new(fs::read_to_string(labels).unwrap().lines().map(str::to_string));
    let pairs = balanced_pairs(&images.identities, 1).unwrap();
    let scores = PairScores::from_embeddings(embeddings.view(), &pairs).unwrap();
    assert_eq!((scores.genuine_pairs(), scores.impostor_pairs()), (7234, 7234));
    let mean = |distances: &[f64]| distances.iter().sum::<f64>() / distances.len() as f64;
    let (genuine, impostor) = scores.squared_distances().split_at(7234);
    assert_abs_diff_eq!(mean(genuine), 0.528, epsilon = 5e-4);
    // A sample of the 492,266 impostor pairs.
    assert_abs_diff_eq!(mean(impostor), 1.773, epsilon = 0.02);

    let set = LabeledEmbeddings { embeddings: embeddings.view(), identities: &images.identities };
    assert_eq!(search(set, set).unwrap().identification_rate(1), 1.0, "each image finds itself");
}

/// Per-fold accuracies published by OpenFace, rounded to 0.01, with the mean and population
/// deviation of the unrounded ones.
#[test]
fn openface_folds_match_published_summary() {
    for name in ["nn4.v1", "nn4.v2", "nn4.small1.v1", "nn4.small2.v1"] {
        let Some(path) = data(&format!("golden/openface_lfw_accuracies/{name}.txt")) else { return };
        let text = fs::read_to_string(path).unwrap();
        let fields = |line: &str| line.split(", ").map(str::to_string).collect::<Vec<_>>();
        let accuracies: Vec<f64> =
            text.lines().skip(1).take(10).map(|line| fields(line)[2].trim().parse().unwrap()).collect();
        let average = fields(text.lines().find(|line| line.starts_with("avg")).unwrap())[1].clone();
        let (mean, deviation) = average.split_once(" +/- ").unwrap();
        let summary = FoldSummary::new(&accuracies);
        assert_abs_diff_eq!(summary.accuracy, mean.parse().unwrap(), epsilon = 0.005);
        assert_abs_diff_eq!(summary.standard_deviation, deviation.trim().parse().unwrap(), epsilon = 0.005);
        assert_abs_diff_eq!(summary.standard_error, summary.standard_deviation / 3.0, epsilon = 1e-12);
    }
}
