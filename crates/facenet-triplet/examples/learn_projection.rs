//! Learns a linear projection from 16 noisy features to 2 dimensions with the triplet loss.
//!
//! Twelve people differ in the first two features; the other fourteen are noise of similar size.
//! Gradient descent on mined triplets finds the projection that separates the people.
//!
//! Run with `cargo run --example learn_projection`.

use facenet_neighbors::{PreparedRows, pairwise_squared_distances};
use facenet_triplet::{BatchShape, Error, IdentitySampler, MinerKind, Reduction, TripletLoss, miner_seed};
use ndarray::{Array2, ArrayView2, Axis};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;

const PEOPLE: usize = 12;
const IMAGES_PER_PERSON: usize = 10;
const FEATURES: usize = 16;
const STEPS: u64 = 200;
const LEARNING_RATE: f32 = 0.01;
const SEED: u64 = 7;

fn main() -> Result<(), Error> {
    let (before, after) = train()?;
    println!("nearest image shows the same person: {before:.2} before training, {after:.2} after");
    Ok(())
}

/// Trains the projection. Returns the nearest-neighbor accuracy of its embeddings before and after.
fn train() -> Result<(f64, f64), Error> {
    let mut generator = ChaCha8Rng::seed_from_u64(SEED);
    let (features, identities) = synthetic_people(&mut generator);
    let mut projection = Array2::random_using((FEATURES, 2), StandardNormal, &mut generator) * 0.1_f32;
    let before = nearest_neighbor_accuracy(features.dot(&projection).view(), &identities)?;

    let sampler = IdentitySampler::new(&identities, BatchShape { people: 6, faces: 5, negatives: 0 })?;
    let miner = MinerKind::BatchAll.miner();
    let mut loss = TripletLoss::new(0.5, Reduction::MeanActive);
    for step in 0..STEPS {
        let batch = sampler.batch(SEED, step);
        let x = features.select(Axis(0), &batch);
        let batch_identities: Vec<usize> = batch.iter().map(|&image| identities[image]).collect();

        let embeddings = x.dot(&projection);
        let distances = pairwise_squared_distances(embeddings.view())?;
        let mut batch_loss = loss.begin(distances.view());
        batch_loss.mine(&*miner, &batch_identities, miner_seed(SEED, step));
        let mut dembeddings = Array2::zeros(embeddings.raw_dim());
        let statistics = batch_loss.backward(embeddings.view(), dembeddings.view_mut());
        projection.scaled_add(-LEARNING_RATE, &x.t().dot(&dembeddings));

        if step % 40 == 0 {
            println!("step {step:3}: loss {:.3}, {:4} active triplets", statistics.loss, statistics.active_triplets);
        }
    }
    Ok((before, nearest_neighbor_accuracy(features.dot(&projection).view(), &identities)?))
}

/// Features and identities. The people lie on a circle in the first two dimensions; the others are
/// standard normal noise.
fn synthetic_people(generator: &mut ChaCha8Rng) -> (Array2<f32>, Vec<usize>) {
    let identities: Vec<usize> = (0..PEOPLE * IMAGES_PER_PERSON).map(|image| image % PEOPLE).collect();
    let mut features = Array2::random_using((identities.len(), FEATURES), StandardNormal, generator);
    for (mut row, &identity) in features.outer_iter_mut().zip(&identities) {
        let angle = identity as f32 / PEOPLE as f32 * std::f32::consts::TAU;
        row[0] = 2.0 * angle.cos() + 0.1 * row[0];
        row[1] = 2.0 * angle.sin() + 0.1 * row[1];
    }
    (features, identities)
}

/// Fraction of images whose nearest other image has the same identity.
fn nearest_neighbor_accuracy(embeddings: ArrayView2<'_, f32>, identities: &[usize]) -> Result<f64, Error> {
    let nearest = PreparedRows::new(embeddings)?.k_nearest_others(1);
    let pairs = identities.iter().zip(&nearest.indices);
    Ok(pairs.filter(|&(identity, &other)| *identity == identities[other]).count() as f64 / identities.len() as f64)
}

#[test]
fn training_separates_the_people() {
    let (before, after) = train().unwrap();
    assert!(before < 0.5 && after > 0.9, "{before} {after}");
}
