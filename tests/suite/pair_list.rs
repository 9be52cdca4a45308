//! Verification on pair lists: synthetic people as files, against scores computed from single
//! embeddings.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use approx::{assert_abs_diff_eq, assert_relative_eq};
use facenet_data::{LandmarkList, PairList, SyntheticFaces};
use facenet_metrics::{Error as MetricsError, PairScores};
use facenet_network::{Description, Initializer, Network};
use facenet_recognition::{Calibration, Embed, Embedder, FaceSourceCounts};
use facenet_tests::write_image;
use facenet_training::{Error, LfwView, PairListEvaluation, evaluate_lfw, evaluate_pair_list};
use ndarray::{Array3, Axis, s};

const PEOPLE: u64 = 6;
const IMAGES: u64 = 3;

const DESCRIPTION: &str = r#"
name = "tiny"
input = [16, 14]
embedding = 6
layers = [
    { layer = "convolution", name = "conv1", kernel = 3, stride = 2, padding = 1, channels = 8 },
    { layer = "convolution", name = "conv2", kernel = 3, stride = 2, padding = 1, channels = 12 },
]
"#;

/// Two folds of six pairs each; an untrained network confuses some of the people.
const LIST: &str = "\
2\t3
p1\t1\t2
p2\t1\t3
p3\t2\t3
p1\t1\tp2\t1
p2\t2\tp3\t1
p3\t3\tp1\t3
p4\t1\t2
p5\t1\t2
p6\t2\t3
p4\t1\tp5\t1
p5\t2\tp6\t1
p6\t3\tp4\t3
";

fn embedder(description: &str) -> Embedder {
    Embedder::new(&Network::new(Description::from_toml(description).unwrap(), Initializer::HeNormal, 5).unwrap())
        .unwrap()
}

/// An image of the network's input size, so that it is not resized.
fn image(person: u64, number: u64) -> Array3<u8> {
    SyntheticFaces::new(1).portrait(person, number, [16, 14])
}

/// An image of the size of LFW's central part.
fn large_image(person: u64, number: u64) -> Array3<u8> {
    SyntheticFaces::new(1).portrait(person, number, [160, 160])
}

/// The part that is embedded: its central 70 %.
fn center_of_large_image(person: u64, number: u64) -> Array3<u8> {
    large_image(person, number).slice(s![24..136, 24..136, ..]).as_standard_layout().into_owned()
}

/// A folder per person with LFW's file names: `p1/p1_0001.png`.
fn write_people(images: &Path, image: impl Fn(u64, u64) -> Array3<u8>) {
    for person in 1..=PEOPLE {
        fs::create_dir_all(images.join(format!("p{person}"))).unwrap();
        for number in 1..=IMAGES {
            write_image(&images.join(format!("p{person}/p{person}_{number:04}.png")), &image(person, number));
        }
    }
}

fn counts(landmark_list: usize, center_crop: usize) -> FaceSourceCounts {
    FaceSourceCounts { landmark_list, center_crop, ..FaceSourceCounts::default() }
}

fn evaluate(list: &str, images: &Path) -> Result<PairListEvaluation, Error> {
    let list = PairList::parse(list, Path::new("list.txt")).unwrap();
    evaluate_pair_list(&embedder(DESCRIPTION), &list, images, None, None, &|_| ())
}

/// Squared distance of each pair and whether it is genuine, one embedding at a time.
fn distances(list: &str, embedder: &Embedder, image: impl Fn(u64, u64) -> Array3<u8>) -> Vec<(f64, bool)> {
    let embed = |person: &str, number: &str| {
        let face = image(person[1..].parse().unwrap(), number.parse().unwrap());
        embedder.embed(face.insert_axis(Axis(0)).view()).unwrap().row(0).mapv(f64::from)
    };
    let pairs = list.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let (other, number) = if fields.len() == 3 { (fields[0], fields[2]) } else { (fields[2], fields[3]) };
        let difference = embed(fields[0], fields[1]) - embed(other, number);
        (difference.dot(&difference), fields.len() == 3)
    });
    pairs.collect()
}

fn correct(pairs: &[(f64, bool)], threshold: f64) -> usize {
    pairs.iter().filter(|&&(distance, same)| (distance <= threshold) == same).count()
}

/// By brute force: the lowest of the best thresholds, midway between distances and beyond the
/// extremes.
fn best_threshold(pairs: &[(f64, bool)]) -> f64 {
    let mut sorted: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    sorted.sort_by(f64::total_cmp);
    let between = sorted.windows(2).map(|two| f64::midpoint(two[0], two[1]));
    let candidates = [sorted[0] - 1.0].into_iter().chain(between).chain([sorted[sorted.len() - 1] + 1.0]);
    let mut best = (0, 0.0);
    for threshold in candidates {
        let correct = correct(pairs, threshold);
        if correct > best.0 {
            best = (correct, threshold);
        }
    }
    best.1
}

#[test]
fn each_fold_is_scored_at_the_threshold_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    write_people(folder.path(), image);
    let found = evaluate(LIST, folder.path()).unwrap();
    let pairs = distances(LIST, &embedder(DESCRIPTION), image);
    let folds = [&pairs[..6], &pairs[6..]];
    let thresholds = [best_threshold(folds[1]), best_threshold(folds[0])];
    let [one, other] = [0, 1].map(|fold| correct(folds[fold], thresholds[fold]) as f64 / 6.0);
    println!("{found:?}");
    assert_eq!((found.pairs, found.thresholds.len()), (12, 2));
    for (found, expected) in found.thresholds.iter().zip(thresholds) {
        assert_abs_diff_eq!(*found, expected, epsilon = 1e-5);
    }
    assert_abs_diff_eq!(found.accuracy, f64::midpoint(one, other), epsilon = 1e-12);
    // For two values the sample deviation is |a - b| / sqrt(2), and over sqrt(2) half their
    // distance.
    assert_abs_diff_eq!(found.standard_error, (one - other).abs() / 2.0, epsilon = 1e-12);
    assert_abs_diff_eq!(found.standard_deviation.unwrap(), (one - other).abs() / 2.0, epsilon = 1e-12);
    // The fraction of (genuine, impostor) in which the genuine pair is closer.
    let [same, different] = [true, false].map(|kind| pairs.iter().filter(move |pair| pair.1 == kind));
    let nearer = same.clone().flat_map(|one| different.clone().map(move |other| one.0 < other.0));
    assert_abs_diff_eq!(found.auc, nearer.filter(|&nearer| nearer).count() as f64 / 36.0, epsilon = 1e-12);
    // None is resolved by six impostor pairs.
    assert_eq!(found.val_at_far.iter().map(|rate| rate.far).collect::<Vec<_>>(), [1e-3, 1e-2, 1e-1]);
    assert!(found.val_at_far.iter().all(|rate| (rate.achieved_far, rate.val) == (None, None)), "{found:?}");
    // Each image is embedded once, however many pairs it is in.
    assert_eq!(found.faces, counts(0, 17));
    assert!(found.seconds > 0.0);
}

#[test]
fn people_with_equal_images_are_verified_perfectly() {
    let folder = tempfile::tempdir().unwrap();
    write_people(folder.path(), |person, _| image(person, 1));
    let found = evaluate(LIST, folder.path()).unwrap();
    assert_eq!((found.accuracy, found.standard_error, found.standard_deviation), (1.0, 0.0, Some(0.0)));
    assert_eq!((found.auc, found.eer), (1.0, 0.0));
    assert!(found.thresholds.iter().all(|&threshold| threshold > 0.0), "{found:?}");
}

#[test]
fn faces_are_aligned_where_there_are_landmarks_and_a_template() {
    let folder = tempfile::tempdir().unwrap();
    write_people(folder.path(), image);
    let points = "4\t6\t9\t6\t6.5\t9\t4.5\t12\t8.5\t12";
    let text = format!("p1/p1_0001.png\t{points}\np6/p6_0003.png\t{points}\n");
    let landmarks = LandmarkList::parse(&text, Path::new("landmarks.txt")).unwrap();
    let with_template = DESCRIPTION.replace(
        "embedding = 6",
        "embedding = 6\npreprocessing = { template = [[5, 6], [10, 6], [7.5, 9], [5.5, 12], [9.5, 12]] }",
    );
    let list = PairList::parse(LIST, Path::new("list.txt")).unwrap();
    let faces = |description: &str| {
        let landmarks = Some(landmarks.clone());
        evaluate_pair_list(&embedder(description), &list, folder.path(), landmarks, None, &|_| ()).unwrap().faces
    };
    assert_eq!(faces(&with_template), counts(2, 15));
    assert_eq!(faces(DESCRIPTION), counts(0, 17));
}

#[test]
fn the_views_of_lfw() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    write_people(&images, large_image);
    let description = DESCRIPTION.replace("[16, 14]", "[112, 112]").replace("stride = 2", "stride = 9");
    let embedder = embedder(&description);
    let protocol = folder.path().join("protocol");
    fs::create_dir(&protocol).unwrap();
    // Each fold as a list of its own, without a number of folds.
    let lines: Vec<&str> = LIST.lines().skip(1).collect();
    let [train, test] = [&lines[..6], &lines[6..]].map(|lines| {
        let mut list = "3\n".to_owned();
        lines.iter().for_each(|line| writeln!(list, "{line}").unwrap());
        list
    });
    for (name, list) in [("pairs.txt", LIST), ("pairsDevTrain.txt", &train), ("pairsDevTest.txt", &test)] {
        fs::write(protocol.join(name), list).unwrap();
    }
    let view = |view| evaluate_lfw(&embedder, folder.path(), view, None, &|_| ()).unwrap();

    let two = view(LfwView::Two);
    assert_eq!(two.calibration, None);
    let list = PairList::parse(LIST, Path::new("list.txt")).unwrap();
    let centers = folder.path().join("centers");
    write_people(&centers, center_of_large_image);
    let expected = evaluate_pair_list(&embedder, &list, &centers, None, None, &|_| ()).unwrap();
    assert_eq!(PairListEvaluation { seconds: 0.0, ..two }, PairListEvaluation { seconds: 0.0, ..expected });

    let one = view(LfwView::One);
    let train = distances(&train, &embedder, center_of_large_image);
    let threshold = best_threshold(&train);
    let test = distances(&test, &embedder, center_of_large_image);
    let accuracy = correct(&test, threshold) as f64 / 6.0;
    assert_eq!((one.pairs, one.thresholds.len(), one.standard_deviation), (6, 1, None));
    assert_abs_diff_eq!(one.thresholds[0], threshold, epsilon = 1e-5);
    let (train, genuine): (Vec<f64>, Vec<bool>) = train.into_iter().unzip();
    let scores = PairScores::new(&train, &genuine).unwrap();
    let (found, expected) = (one.calibration.unwrap(), Calibration::fit(&scores).unwrap());
    println!("{found:?}");
    assert_relative_eq!(found.threshold, expected.threshold, max_relative = 1e-3);
    assert_relative_eq!(found.slope, expected.slope, max_relative = 1e-3);
    assert_abs_diff_eq!(one.accuracy, accuracy, epsilon = 1e-12);
    assert_abs_diff_eq!(one.standard_error, (accuracy * (1.0 - accuracy) / 6.0).sqrt(), epsilon = 1e-12);

    // A person on both lists.
    let list = fs::read_to_string(protocol.join("pairsDevTest.txt")).unwrap().replace("p6\t2\t3", "p3\t2\t3");
    fs::write(protocol.join("pairsDevTest.txt"), list).unwrap();
    let error = evaluate_lfw(&embedder, folder.path(), LfwView::One, None, &|_| ()).unwrap_err();
    assert!(matches!(&error, Error::SeenAndUnseen { person, .. } if person == "p3"), "{error}");
}

#[test]
fn unusable_lists_and_images_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    write_people(folder.path(), image);
    // A single fold leaves no pairs to choose a threshold on, in either form of header.
    for header in ["6", "1\t6"] {
        let mut pairs: Vec<&str> = LIST.lines().skip(1).collect();
        pairs.sort_by_key(|line| line.split('\t').count());
        let list = format!("{header}\n{}\n", pairs.join("\n"));
        let error = evaluate(&list, folder.path()).unwrap_err();
        assert!(matches!(error, Error::Metrics(MetricsError::TooFewFolds { folds: 1 })), "{error}");
    }
    let missing = folder.path().join("p5").join("p5_0002");
    fs::remove_file(missing.with_extension("png")).unwrap();
    let error = evaluate(LIST, folder.path()).unwrap_err().to_string();
    // The first line that names it.
    assert!(error.starts_with("list.txt:9: ") && error.contains(missing.to_str().unwrap()), "{error}");
    fs::write(missing.with_extension("png"), "no image").unwrap();
    let error = evaluate(LIST, folder.path()).unwrap_err().to_string();
    assert!(error.contains(missing.to_str().unwrap()), "{error}");
    let error = evaluate(LIST, &folder.path().join("nowhere")).unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}
