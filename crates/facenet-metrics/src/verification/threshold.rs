use super::{PairScores, Step};
use serde::Serialize;

/// Which thresholds are tried. Of equally good ones the lowest is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ThresholdSearch {
    /// Every threshold that tells two sets of accepted pairs apart: halfway between neighbouring distances, one below all, one above all.
    Exact,
    /// `0, step, 2 step, ..` below `end`; `step: 0.01, end: 4.0` is the grid that davidsandberg/facenet made customary
    /// for embeddings of unit length.
    Grid {
        /// Distance between neighbours.
        step: f64,
        /// First value that is not tried.
        end: f64,
    },
}

/// A threshold and the accuracy it reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ThresholdAccuracy {
    /// Squared distance up to which a pair is called "same".
    pub threshold: f64,
    /// Share of pairs decided rightly.
    pub accuracy: f64,
}

impl PairScores {
    /// The threshold of the highest accuracy on all pairs, the lowest of equals.
    ///
    /// # Panics
    /// If a grid's step is not positive or its end is not a finite number above 0.
    #[track_caller]
    pub fn best_threshold(&self, search: ThresholdSearch) -> ThresholdAccuracy {
        best_threshold(&self.steps(|_| true), search)
    }
}

/// See [`PairScores::best_threshold`]; `steps` is not empty.
#[track_caller]
pub(crate) fn best_threshold(steps: &[Step], search: ThresholdSearch) -> ThresholdAccuracy {
    let candidates: Vec<f64> = match search {
        ThresholdSearch::Exact => std::iter::once(below(steps[0].squared_distance))
            .chain((0..steps.len()).map(|last| threshold_behind(steps, last)))
            .collect(),
        ThresholdSearch::Grid { step, end } => {
            assert!(step > 0.0 && end > 0.0 && end.is_finite(), "a grid of step {step} up to {end}");
            (0u32..).map(|i| f64::from(i) * step).take_while(|&threshold| threshold < end).collect()
        }
    };
    let pairs: usize = steps.iter().map(|step| step.same + step.different).sum();
    // Accepting nothing decides exactly the different pairs rightly.
    let mut correct: usize = steps.iter().map(|step| step.different).sum();
    let mut rest = steps.iter().peekable();
    let (mut most, mut best) = (0, candidates[0]);
    for threshold in candidates {
        while let Some(accepted) = rest.next_if(|next| next.squared_distance <= threshold) {
            correct = correct + accepted.same - accepted.different;
        }
        if correct > most {
            (most, best) = (correct, threshold);
        }
    }
    ThresholdAccuracy { threshold: best, accuracy: most as f64 / pairs as f64 }
}

/// A threshold that accepts `steps[..=last]` and nothing else.
pub(crate) fn threshold_behind(steps: &[Step], last: usize) -> f64 {
    let low = steps[last].squared_distance;
    match steps.get(last + 1) {
        None => low + 1.0,
        Some(next) => {
            let middle = low.midpoint(next.squared_distance);
            // Between neighbouring floating-point numbers the middle may round up to the next distance and so accept it.
            if middle < next.squared_distance { middle } else { low }
        }
    }
}

/// A threshold that accepts nothing: 1 below the lowest distance, or the next number below where 1 is lost in rounding.
pub(crate) fn below(lowest: f64) -> f64 {
    (lowest - 1.0).min(lowest.next_down())
}
