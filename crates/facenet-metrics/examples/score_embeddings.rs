//! Scores synthetic embeddings on verification, identification and clustering.
//!
//! Thirty people are split in two: the threshold and the calibration are fitted on the first
//! fifteen and applied to the others.
//!
//! Run with `cargo run --example score_embeddings`.

use facenet_metrics::{
    Calibration, ClusteringReport, Error, IdentificationReport, IdentityBootstrap, LabeledEmbeddings, PairScores,
    ThresholdSearch, VerificationReport, balanced_pairs, clustering_report, search,
};
use ndarray::{Array1, Array2, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;

const PEOPLE: usize = 15;
const IMAGES_PER_PERSON: usize = 6;
const DIMENSION: usize = 16;

/// The scores of the held-out people.
struct Scores {
    verification: VerificationReport,
    calibration: Calibration,
    identification: IdentificationReport,
    clustering: ClusteringReport,
}

fn main() -> Result<(), Error> {
    let Scores { verification, calibration, identification, clustering } = score()?;
    println!(
        "verification: accuracy {:.3} ± {:.3} at threshold {:.2}, AUC {:.3}, EER {:.3}",
        verification.accuracy, verification.standard_error, verification.threshold, verification.auc, verification.eer
    );
    for squared_distance in [0.5, 1.0, 1.5] {
        let probability = calibration.probability(squared_distance);
        println!("a pair at squared distance {squared_distance} is genuine with probability {probability:.3}");
    }
    println!("identification: rank 1 {:.3}, rank 5 {:.3}", identification.rank1, identification.rank5);
    println!("clustering: B-cubed F {:.3}, AMI {:.3}", clustering.bcubed_f, clustering.ami);
    Ok(())
}

fn score() -> Result<Scores, Error> {
    let people: Vec<usize> = (0..PEOPLE * IMAGES_PER_PERSON).map(|image| image % PEOPLE).collect();
    let pairs = balanced_pairs(&people, 0)?;

    let validation = PairScores::from_embeddings(synthetic_embeddings(1).view(), &pairs)?;
    let threshold = validation.best_threshold(ThresholdSearch::Exact).threshold;
    let calibration = Calibration::fit(&validation)?;

    let embeddings = synthetic_embeddings(2);
    let scores = PairScores::from_embeddings(embeddings.view(), &pairs)?;
    let errors = IdentityBootstrap::default().standard_errors(&scores, &pairs, &people, threshold);
    let verification = VerificationReport::at_threshold(&scores, threshold, errors.accuracy);

    // The first image of each person is enrolled, the others are probes.
    let labeled = |rows: std::ops::Range<usize>| LabeledEmbeddings {
        embeddings: embeddings.slice(s![rows.clone(), ..]),
        identities: &people[rows],
    };
    let results = search(labeled(0..PEOPLE), labeled(PEOPLE..people.len()))?;
    let identification = results.report(threshold);

    // Each probe joins the cluster of its nearest enrolled image.
    let nearest: Vec<usize> = results.outcomes.iter().map(|outcome| outcome.nearest_identity).collect();
    let clustering = clustering_report(&nearest, &people[PEOPLE..])?;
    Ok(Scores { verification, calibration, identification, clustering })
}

/// Unit vectors: image `i` shows person `i % PEOPLE`, as the direction of the person plus noise.
fn synthetic_embeddings(seed: u64) -> Array2<f32> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let directions: Array2<f32> = Array2::random_using((PEOPLE, DIMENSION), StandardNormal, &mut generator);
    let mut embeddings = Array2::zeros((PEOPLE * IMAGES_PER_PERSON, DIMENSION));
    for (image, mut embedding) in embeddings.outer_iter_mut().enumerate() {
        let noise: Array1<f32> = Array1::random_using(DIMENSION, StandardNormal, &mut generator);
        embedding.assign(&(&directions.row(image % PEOPLE) + &(noise * 0.7)));
        let norm = embedding.dot(&embedding).sqrt();
        embedding /= norm;
    }
    embeddings
}

#[test]
fn people_are_told_apart() {
    let Scores { verification, calibration, identification, clustering } = score().unwrap();
    assert!(verification.accuracy > 0.9 && verification.auc > 0.95, "{verification:?}");
    assert!(calibration.probability(0.5) > 0.5 && calibration.probability(2.0) < 0.5, "{calibration:?}");
    assert!(identification.rank1 > 0.8 && identification.rank5 >= identification.rank1, "{identification:?}");
    assert!(clustering.bcubed_f > 0.7, "{clustering:?}");
}
