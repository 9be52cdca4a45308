//! Embeddings to search and to cluster: made around identities, or from a file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use facenet_data::escape_path;
use facenet_network::ForeignTensors;
use ndarray::{Array1, Array2};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;

/// How many people of Labeled Faces in the Wild have how many images: (images, people).
const LFW_SIZES: [(usize, usize); 53] = [
    (530, 1),
    (236, 1),
    (144, 1),
    (121, 1),
    (109, 1),
    (77, 1),
    (71, 1),
    (60, 1),
    (55, 1),
    (53, 1),
    (52, 2),
    (49, 1),
    (48, 1),
    (44, 1),
    (42, 2),
    (41, 2),
    (39, 2),
    (37, 1),
    (36, 1),
    (35, 1),
    (33, 3),
    (32, 3),
    (31, 2),
    (30, 2),
    (29, 2),
    (28, 2),
    (27, 1),
    (26, 2),
    (25, 1),
    (24, 3),
    (23, 3),
    (22, 5),
    (21, 4),
    (20, 5),
    (19, 7),
    (18, 5),
    (17, 8),
    (16, 3),
    (15, 11),
    (14, 10),
    (13, 11),
    (12, 10),
    (11, 16),
    (10, 15),
    (9, 26),
    (8, 33),
    (7, 39),
    (6, 55),
    (5, 112),
    (4, 187),
    (3, 291),
    (2, 779),
    (1, 4069),
];

/// Spread of the images of a person: squared distances between them are about 0.53, between people
/// about 2.
const SPREAD: f32 = 0.6;

/// Unit vectors around random identities with the sizes of LFW's, again and again; always the same.
pub fn synthetic(rows: usize, dimension: usize) -> Array2<f32> {
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut embeddings = Array2::zeros((rows, dimension));
    let sizes = LFW_SIZES.iter().flat_map(|&(images, people)| std::iter::repeat_n(images, people));
    let mut identities = sizes.cycle();
    let (mut left, mut center) = (0, Array1::zeros(dimension));
    for mut embedding in embeddings.outer_iter_mut() {
        if left == 0 {
            left = identities.next().expect("an endless cycle");
            center = unit(Array1::random_using(dimension, StandardNormal, &mut generator));
        }
        left -= 1;
        let noise = unit(Array1::random_using(dimension, StandardNormal, &mut generator));
        embedding.assign(&unit(&center + &(noise * SPREAD)));
    }
    embeddings
}

fn unit(vector: Array1<f32>) -> Array1<f32> {
    let length = vector.dot(&vector).sqrt();
    vector / length
}

/// The tensor `embeddings` of a safetensors file: `[n, dimension]`.
pub fn read(path: &Path) -> Result<Array2<f32>> {
    let named = || format!("in {}", escape_path(path));
    let bytes = fs::read(path).with_context(|| format!("can't read {}", escape_path(path)))?;
    let mut tensors = ForeignTensors::from_safetensors(&bytes).with_context(named)?.tensors;
    let Some(tensor) = tensors.remove("embeddings") else { bail!("{} has no tensor `embeddings`", escape_path(path)) };
    let [rows, dimension] = tensor.shape[..] else {
        bail!("`embeddings` of {} has the shape {:?}, not [n, dimension]", escape_path(path), tensor.shape)
    };
    Ok(Array2::from_shape_vec((rows, dimension), tensor.values)?)
}
