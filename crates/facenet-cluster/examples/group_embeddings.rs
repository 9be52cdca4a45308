//! Groups the embeddings of an unknown number of people.
//!
//! A dendrogram is built once and cut at several squared distances. K-means needs the number of
//! clusters, which the best cut provides.
//!
//! Run with `cargo run --example group_embeddings`.

use facenet_cluster::{Cluster, Cut, Dendrogram, Error, KMeans, Linkage};
use ndarray::{Array1, Array2};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;

const PEOPLE: usize = 20;
const IMAGES_PER_PERSON: usize = 8;
const DIMENSION: usize = 128;

fn main() -> Result<(), Error> {
    let embeddings = synthetic_embeddings();
    let dendrogram = Dendrogram::build(embeddings.view(), Linkage::Average)?;
    for squared_distance in [0.1, 0.5, 1.0, 1.5, 3.0] {
        let labels = dendrogram.cut(Cut::SquaredDistance(squared_distance))?;
        println!("cut at {squared_distance:.1}: {:3} clusters", cluster_count(&labels));
    }
    let (agglomerative, k_means) = group(&embeddings)?;
    println!("k-means finds the same groups: {}", agglomerative == k_means);
    Ok(())
}

/// Labels by a cut halfway between genuine and impostor distances, and by k-means with as many
/// clusters.
fn group(embeddings: &Array2<f32>) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let agglomerative = Dendrogram::build(embeddings.view(), Linkage::Average)?.cut(Cut::SquaredDistance(1.0))?;
    let k_means = KMeans::new(cluster_count(&agglomerative)).runs(10).cluster(embeddings.view())?;
    Ok((agglomerative, k_means))
}

/// Unit vectors: image `i` shows person `i % PEOPLE`, as the direction of the person plus noise.
fn synthetic_embeddings() -> Array2<f32> {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let directions: Array2<f32> = Array2::random_using((PEOPLE, DIMENSION), StandardNormal, &mut generator);
    let mut embeddings = Array2::zeros((PEOPLE * IMAGES_PER_PERSON, DIMENSION));
    for (image, mut embedding) in embeddings.outer_iter_mut().enumerate() {
        let noise: Array1<f32> = Array1::random_using(DIMENSION, StandardNormal, &mut generator);
        embedding.assign(&(&directions.row(image % PEOPLE) + &(noise * 0.5)));
        let norm = embedding.dot(&embedding).sqrt();
        embedding /= norm;
    }
    embeddings
}

/// Number of clusters, given labels from 0 upwards.
fn cluster_count(labels: &[usize]) -> usize {
    labels.iter().max().map_or(0, |last| last + 1)
}

#[test]
fn both_algorithms_find_the_people() {
    let people: Vec<usize> = (0..PEOPLE * IMAGES_PER_PERSON).map(|image| image % PEOPLE).collect();
    let (agglomerative, k_means) = group(&synthetic_embeddings()).unwrap();
    assert_eq!(agglomerative, people);
    assert_eq!(k_means, people);
}
