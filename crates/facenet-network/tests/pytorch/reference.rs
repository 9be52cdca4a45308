//! Pseudorandom inputs and tensor summaries shared with the Python scripts in this folder.

use facenet_tensor::Scalar;
use serde::Deserialize;

/// A tensor, summarized by its norm and random projections.
#[derive(Deserialize)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    /// L2 norm.
    pub norm: f64,
    /// Dot products with vectors uniform in [-1, 1).
    pub projections: [f64; 8],
}

impl Tensor {
    pub fn of<T: Scalar>(name: String, shape: &[usize], values: &[T]) -> Self {
        let exact = || values.iter().map(|&value| Scalar::to_f64(value));
        let norm = exact().map(|value| value * value).sum::<f64>().sqrt();
        let projections = std::array::from_fn(|k| {
            exact().zip(named_values(&format!("projection {k}"))).map(|(value, other)| value * other).sum()
        });
        Self { name, shape: shape.to_vec(), norm, projections }
    }

    /// The larger of the relative difference of the norms and the estimate of |self - expected| /
    /// |expected| from the projections: the dot product of a difference d with a vector of variance 1/3
    /// has variance |d|^2 / 3.
    pub fn relative_error(&self, expected: &Self) -> f64 {
        let squares = self.projections.iter().zip(&expected.projections).map(|(p, q)| (p - q) * (p - q));
        let difference = (3.0 * squares.sum::<f64>() / 8.0).sqrt().max((self.norm - expected.norm).abs());
        difference / expected.norm
    }
}

/// Values uniform in [-1, 1) that depend on a name: 53 bits each of SplitMix64, seeded with the
/// name's FNV-1a hash.
///
/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
pub fn named_values(name: &str) -> impl Iterator<Item = f64> + use<> {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (0..).map(move |index| {
        let x = hash.wrapping_add(index).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = (x ^ (x >> 31)) >> 11;
        bits as f64 * 2.0_f64.powi(-53) * 2.0 - 1.0
    })
}
