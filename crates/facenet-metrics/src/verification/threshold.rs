use crate::verification::pair_scores::{DistanceCount, PairScores};
use serde::Serialize;

/// The candidate thresholds. Of several with the highest accuracy the lowest is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ThresholdSearch {
    /// Every threshold that accepts a different set of pairs: midway between neighboring distances,
    /// one below all and one above all.
    Exact,
    /// `0, step, 2 step, ..` below `end`. `step: 0.01, end: 4.0` is the grid introduced by
    /// davidsandberg/facenet for unit embeddings.
    Grid {
        /// Distance between neighboring candidates.
        step: f64,
        /// Exclusive end.
        end: f64,
    },
}

/// A threshold and its accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ThresholdAccuracy {
    /// Largest squared distance that is accepted.
    pub threshold: f64,
    /// Fraction of pairs classified correctly.
    pub accuracy: f64,
}

impl PairScores {
    /// The threshold with the highest accuracy on all pairs, ties to the lowest.
    ///
    /// # Panics
    ///
    /// Panics if the step of a grid is not positive or its end is not positive and finite.
    #[track_caller]
    pub fn best_threshold(&self, search: ThresholdSearch) -> ThresholdAccuracy {
        best_threshold(&self.distance_counts(|_| true), search)
    }
}

/// See [`PairScores::best_threshold`]; `counts` is not empty.
#[track_caller]
pub(crate) fn best_threshold(counts: &[DistanceCount], search: ThresholdSearch) -> ThresholdAccuracy {
    let candidates: Vec<f64> = match search {
        ThresholdSearch::Exact => std::iter::once(threshold_below(counts[0].squared_distance))
            .chain((0..counts.len()).map(|last| threshold_after(counts, last)))
            .collect(),
        ThresholdSearch::Grid { step, end } => {
            assert!(step > 0.0 && end > 0.0 && end.is_finite(), "invalid grid: step {step}, end {end}");
            (0u32..).map(|i| f64::from(i) * step).take_while(|&threshold| threshold < end).collect()
        }
    };
    let pairs: usize = counts.iter().map(|count| count.genuine + count.impostor).sum();
    // Accepting no pair classifies exactly the impostor pairs correctly.
    let mut correct: usize = counts.iter().map(|count| count.impostor).sum();
    let mut rest = counts.iter().peekable();
    let (mut most, mut best) = (0, candidates[0]);
    for threshold in candidates {
        while let Some(accepted) = rest.next_if(|next| next.squared_distance <= threshold) {
            correct = correct + accepted.genuine - accepted.impostor;
        }
        if correct > most {
            (most, best) = (correct, threshold);
        }
    }
    ThresholdAccuracy { threshold: best, accuracy: most as f64 / pairs as f64 }
}

/// A threshold that accepts exactly `counts[..=last]`.
pub(crate) fn threshold_after(counts: &[DistanceCount], last: usize) -> f64 {
    let low = counts[last].squared_distance;
    match counts.get(last + 1) {
        None => low + 1.0,
        Some(next) => {
            let midpoint = low.midpoint(next.squared_distance);
            // Between adjacent floating-point values the midpoint may round up to the next
            // distance.
            if midpoint < next.squared_distance { midpoint } else { low }
        }
    }
}

/// A threshold that accepts no pair: 1 below the smallest distance, or the next lower
/// floating-point value if 1 is lost to rounding.
pub(crate) fn threshold_below(smallest: f64) -> f64 {
    (smallest - 1.0).min(smallest.next_down())
}
