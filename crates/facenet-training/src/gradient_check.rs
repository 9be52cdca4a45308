//! Gradient checks of all crates.

use facenet_neighbors::pairwise_squared_distances;
use facenet_network::network_gradient_checks;
use facenet_tensor::{GRADIENT_BOUND, GradientCheck, central_difference, relative_error};
use facenet_triplet::{Reduction, Triplet, TripletLoss};
use ndarray::{Array2, ArrayView2};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;

/// Checks every hand-written gradient in `f64` against central differences: each operation, whole
/// networks and the triplet loss.
pub fn gradient_checks() -> Vec<GradientCheck> {
    let mut checks = facenet_tensor::gradient_checks();
    checks.extend(network_gradient_checks());
    checks.extend([Reduction::Sum, Reduction::Mean, Reduction::MeanActive].map(triplet_loss_check));
    checks
}

/// All triplets of seven images of three people.
fn triplet_loss_check(reduction: Reduction) -> GradientCheck {
    let identities = [0, 0, 0, 1, 1, 2, 2];
    let embeddings: Array2<f64> =
        Array2::random_using((7, 5), Uniform::new(-1.0, 1.0), &mut ChaCha8Rng::seed_from_u64(8));
    let mut loss = TripletLoss::new(0.2, reduction);
    let mut evaluate = |embeddings: ArrayView2<'_, f64>, gradient: &mut Array2<f64>| {
        let distances = pairwise_squared_distances(embeddings).expect("finite embeddings");
        let mut batch = loss.begin(distances.view());
        for anchor in 0..7 {
            for positive in (0..7).filter(|&other| other != anchor && identities[other] == identities[anchor]) {
                for negative in (0..7).filter(|&other| identities[other] != identities[anchor]) {
                    batch.add(Triplet { anchor, positive, negative });
                }
            }
        }
        batch.backward(embeddings, gradient.view_mut()).loss
    };
    let mut gradient = Array2::zeros(embeddings.raw_dim());
    evaluate(embeddings.view(), &mut gradient);
    let mut unused = gradient.clone();
    let expected = central_difference(embeddings.view(), |embeddings| evaluate(embeddings, &mut unused));
    GradientCheck {
        operation: "triplet_loss",
        gradient: "dembeddings",
        case: format!("7 embeddings of 3 people, {reduction:?}"),
        relative_error: relative_error(gradient.view(), expected.view()),
        bound: GRADIENT_BOUND,
    }
}
