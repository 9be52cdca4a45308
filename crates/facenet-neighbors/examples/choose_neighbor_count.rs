//! Which k suits a collection? The accuracy of k-NN classification by leave-one-out, for k from 1 to 10:
//! each face is identified among all others.
//!
//! Run with `cargo run --release --example choose_neighbor_count -- DIR`, where DIR is the output of
//! `facenet embed` for a folder of people, one folder each; without DIR on synthetic embeddings.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::{env, fs};

use facenet_neighbors::{PreparedRows, Votes, choose_neighbor_count, leave_one_out_accuracies};
use ndarray::Array2;
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};

const MAX_K: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let (embeddings, people) = match env::args_os().nth(1) {
        Some(folder) => read(Path::new(&folder))?,
        None => synthetic(),
    };
    let rows = PreparedRows::new(embeddings)?;
    let [plain, weighted] =
        [Votes::Plain, Votes::DistanceWeighted].map(|votes| leave_one_out_accuracies(&rows, &people, votes, MAX_K));
    println!(" k  plain votes  distance-weighted votes");
    for (k, (plain, weighted)) in (1..).zip(plain.iter().zip(&weighted)) {
        println!("{k:2}      {:5.2} %                  {:5.2} %", 100.0 * plain, 100.0 * weighted);
    }
    println!("best with plain votes: k = {}", choose_neighbor_count(&rows, &people, Votes::Plain, MAX_K));
    Ok(())
}

/// The embeddings in an output folder of `facenet embed`, with an identity for each folder of photos.
fn read(folder: &Path) -> Result<(Array2<f32>, Vec<usize>), Box<dyn Error>> {
    let bytes = fs::read(folder.join("embeddings.safetensors"))?;
    let file = SafeTensors::deserialize(&bytes)?;
    let tensor = file.tensor("embeddings")?;
    let (Dtype::F32, &[rows, dimension]) = (tensor.dtype(), tensor.shape()) else {
        return Err("the tensor `embeddings` is not a matrix of F32".into());
    };
    let values = tensor.data().chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().expect("four bytes")));
    let embeddings = Array2::from_shape_vec((rows, dimension), values.collect())?;
    let mut folders = BTreeMap::new();
    let mut people = Vec::new();
    let mut index = csv::Reader::from_path(folder.join("index.csv"))?;
    let column = index.headers()?.iter().position(|name| name == "photo").ok_or("index.csv has no column `photo`")?;
    for record in index.records() {
        let record = record?;
        let image = Path::new(&record[column]);
        let person = image.parent().filter(|parent| !parent.as_os_str().is_empty());
        let person = person.ok_or_else(|| format!("{} is in no folder of a person", image.display()))?;
        let next = folders.len();
        people.push(*folders.entry(person.to_owned()).or_insert(next));
    }
    if people.len() != rows {
        return Err("index.csv does not have a row for each embedding".into());
    }
    Ok((embeddings, people))
}

/// Twenty people with eight faces each: the direction of the person plus noise.
fn synthetic() -> (Array2<f32>, Vec<usize>) {
    let (people, dimension) = (20, 16);
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let directions: Array2<f32> = Array2::random_using((people, dimension), StandardNormal, &mut generator);
    let identities: Vec<usize> = (0..8 * people).map(|face| face % people).collect();
    let mut embeddings: Array2<f32> =
        Array2::random_using((identities.len(), dimension), StandardNormal, &mut generator);
    for (mut embedding, &person) in embeddings.outer_iter_mut().zip(&identities) {
        embedding += &directions.row(person);
        let norm = embedding.dot(&embedding).sqrt();
        embedding /= norm;
    }
    (embeddings, identities)
}

#[test]
fn more_neighbors_outvote_noise() {
    let (embeddings, people) = synthetic();
    let rows = PreparedRows::new(embeddings).unwrap();
    let accuracies = leave_one_out_accuracies(&rows, &people, Votes::Plain, MAX_K);
    assert_eq!(accuracies.len(), MAX_K);
    let best = choose_neighbor_count(&rows, &people, Votes::Plain, MAX_K);
    assert!(best > 1 && accuracies[best - 1] > accuracies[0] + 0.02, "{accuracies:?}");
}
