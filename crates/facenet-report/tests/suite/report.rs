//! The page of a run, with unusual results.

use facenet_metrics::balanced_pairs;
use facenet_recognition::{FaceSource, FaceSourceCounts};
use facenet_report::{Provenance, Report};
use facenet_training::{
    Dataset, EvaluationDetails, FacesReport, GroupSize, History, LabeledFaces, Recipe, Run, RunReport, StepReport,
    StoppedBy, TrainingSummary, evaluate_embeddings,
};
use facenet_triplet::LossStatistics;
use ndarray::{Array2, Array4};
use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Images of noise of `identities`, with names of `name` characters.
fn group(identities: Vec<usize>, side: usize, name: usize) -> LabeledFaces {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let people = identities.iter().max().map_or(0, |&last| last + 1);
    LabeledFaces {
        faces: Array4::from_shape_simple_fn((identities.len(), side, side, 3), || rng.r#gen()),
        people: (0..people).map(|person| format!("{}{person}", "\"".repeat(name))).collect(),
        images: (0..identities.len()).map(|image| format!("{}{image}", "&".repeat(name))).collect(),
        sources: vec![FaceSource::Synthetic; identities.len()],
        identities,
    }
}

fn dataset(unseen: Vec<usize>, side: usize, name: usize) -> Dataset {
    let validation = vec![0, 0, 1, 1];
    Dataset {
        name: "made up".to_owned(),
        validation_pairs: balanced_pairs(&validation, 1).unwrap(),
        unseen_pairs: balanced_pairs(&unseen, 1).unwrap(),
        training: group(Vec::new(), 1, 0),
        validation: group(validation, 1, 0),
        unseen: group(unseen, side, name),
    }
}

/// The page of a run with these embeddings.
fn page(dataset: &Dataset, validation: &Array2<f32>, unseen: &Array2<f32>, steps: u64) -> (String, EvaluationDetails) {
    let details = evaluate_embeddings(validation.view(), unseen.view(), dataset, 1).unwrap();
    let mut history = History::default();
    for step in 0..steps {
        let loss = LossStatistics {
            loss: 0.2,
            triplets: 9,
            active_triplets: 3,
            mean_anchor_positive: 0.5,
            mean_anchor_negative: 1.5,
            mean_squared_distance: 2.0,
        };
        history.add(&StepReport { step, images: 9, learning_rate: 0.1, gradient_norm: 1.0, loss });
    }
    let size = GroupSize { people: 2, images: 4 };
    let result = RunReport {
        dataset: dataset.name.clone(),
        network: "none".to_owned(),
        seed: 1,
        threads: 1,
        stopped_by: StoppedBy::Minutes,
        seconds_total: 1.0,
        network_sha256: String::new(),
        data_sha256: String::new(),
        weights_sha256: String::new(),
        faces: FacesReport { sources: FaceSourceCounts::default(), seconds_loading: 0.0 },
        train: TrainingSummary { people: 2, images: 4, steps, seconds: 1.0, stopped_by: StoppedBy::Minutes },
        validation: size,
        unseen: size,
        embeddings: details.evaluation.clone(),
        pixels: details.evaluation.clone(),
    };
    let run = Run {
        report: result,
        recipe: Recipe::built_in("orl").unwrap(),
        history,
        dataset: dataset.clone(),
        embeddings: details.clone(),
        pixels: details.clone(),
    };
    let report = Report { run: &run, provenance: &Provenance::now("a test", "a test") };
    let html = report.html();
    assert!(html.ends_with("</html>"));
    // Neither in text nor in attributes; base64 data may contain any letters.
    for number in [">NaN", " NaN", "\"NaN", ">inf", " inf\"", "\"inf", "-inf"] {
        assert!(!html.contains(number), "{number}");
    }
    (html, details)
}

fn noise(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(-0.5..0.5))
}

#[test]
fn thousands_of_images_with_long_names_stay_below_five_megabytes() {
    // Mixed clusters, complete ones and clusters of one image.
    let dataset = dataset((0..6000).map(|image| image / 3).collect(), 80, 400);
    let validation = Array2::from_shape_fn((4, 6), |(row, _)| (row / 2) as f32 * 0.4 + (row % 2) as f32 * 0.05);
    let (html, details) = page(&dataset, &validation, &noise(6000, 6, 2), 5000);
    assert!(details.clusters.iter().max().unwrap() > &10);
    assert!(html.len() > 2_000_000 && html.len() < 5_000_000, "{} bytes", html.len());
    assert!(html.contains("not shown"));
}

#[test]
fn a_single_cluster_of_everything_is_shown_in_part() {
    let dataset = dataset((0..1000).map(|image| image / 10).collect(), 40, 3);
    // Validation people are far apart, unseen people close together.
    let validation = Array2::from_shape_fn((4, 2), |(row, _)| (row / 2 * 100 + row) as f32);
    let (html, details) = page(&dataset, &validation, &(noise(1000, 2, 3) * 0.01), 1);
    assert_eq!(details.clusters.iter().max(), Some(&0));
    assert!(html.contains("more images are not shown") && html.contains("0 clusters are complete"), "{}", html.len());
}

#[test]
fn perfect_results_have_no_errors_to_show() {
    let dataset = dataset(vec![0, 0, 1, 1, 2, 2], 20, 1);
    let validation = Array2::from_shape_fn((4, 3), |(row, column)| f32::from(u8::from(row / 2 == column)));
    let unseen = Array2::from_shape_fn((6, 3), |(row, column)| f32::from(u8::from(row / 2 == column)));
    let (html, details) = page(&dataset, &validation, &unseen, 2);
    assert_eq!(details.evaluation.verification.accuracy, 1.0);
    assert_eq!(html.matches("<p>None.</p>").count(), 2);
    assert!(html.contains("3 clusters are complete") && !html.contains("Clusters with errors"));
}

#[test]
fn thresholds_at_the_ends_of_the_axis_are_drawn() {
    // Validation pairs whose best threshold accepts nothing, or almost nothing.
    let dataset = dataset(vec![0, 0, 1, 1, 2, 2], 20, 1);
    for [a, b, c, d] in
        [[0.0, 1.0, 0.0, 1.0], [0.0, 1e-6, 2e-6, 3e-6], [0.0, 1e-3, 1.0, 1.001], [0.0, 1e9, 2e10, 2.1e10]]
    {
        let validation = Array2::from_shape_vec((4, 1), vec![a, b, c, d]).unwrap();
        let (html, details) = page(&dataset, &validation, &noise(6, 1, 4), 0);
        println!("threshold {}", details.evaluation.verification.threshold);
        assert!(html.matches("<rect").count() < 200, "{}", html.matches("<rect").count());
    }
}
