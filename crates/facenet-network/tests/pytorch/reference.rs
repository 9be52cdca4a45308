//! What the scripts beside this file compute with, and what they keep of a tensor.

use facenet_tensor::Scalar;
use serde::Deserialize;

/// A tensor, reduced to a few numbers.
#[derive(Deserialize)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    /// The square root of the sum of squares.
    pub norm: f64,
    /// Products with vectors of numbers uniform in [-1, 1).
    pub projections: [f64; 8],
}

impl Tensor {
    pub fn of<T: Scalar>(name: String, shape: &[usize], values: &[T]) -> Self {
        let exact = || values.iter().map(|&value| Scalar::to_f64(value));
        let norm = exact().map(|value| value * value).sum::<f64>().sqrt();
        let projections = std::array::from_fn(|k| {
            exact().zip(numbers(&format!("projection {k}"))).map(|(value, number)| value * number).sum()
        });
        Self { name, shape: shape.to_vec(), norm, projections }
    }

    /// The relative difference of the norms, or what the projections tell of |self - expected| / |expected|, whichever is
    /// larger: the product of a difference d with numbers of variance 1/3 has the variance |d|^2 / 3.
    pub fn relative_error(&self, expected: &Self) -> f64 {
        let squares = self.projections.iter().zip(&expected.projections).map(|(p, q)| (p - q) * (p - q));
        let difference = (3.0 * squares.sum::<f64>() / 8.0).sqrt().max((self.norm - expected.norm).abs());
        difference / expected.norm
    }
}

/// The numbers that belong to a name, uniform in [-1, 1): 53 bits each of SplitMix64, started at the name's FNV-1a hash.
///
/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
pub fn numbers(name: &str) -> impl Iterator<Item = f64> + use<> {
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
