//! Training history in bounded space.

use serde::{Deserialize, Serialize};

use crate::step_report::StepReport;

/// Maximum number of points.
const POINTS: usize = 512;

/// Training history: means over runs of equally many steps, at most 512 points.
///
/// Each step is a point until there are 512; then neighboring points are merged pairwise,
/// repeatedly. A history therefore takes little room in a checkpoint, and a resumed run has the
/// history of an uninterrupted one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// Steps per point; the last point may have fewer.
    steps_per_point: u64,
    /// Total number of steps.
    steps: u64,
    // Sums over the steps of each point.
    losses: Vec<f64>,
    active_triplets: Vec<f64>,
    squared_distances: Vec<f64>,
}

/// Means over consecutive steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistoryPoint {
    /// First step, from 0.
    pub first_step: u64,
    /// Number of steps.
    pub steps: u64,
    /// Loss.
    pub loss: f64,
    /// Triplets of a batch with a positive loss.
    pub active_triplets: f64,
    /// Mean squared distance over all pairs of a batch, genuine and impostor; near 0 the embeddings
    /// have collapsed.
    pub mean_squared_distance: f64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            steps_per_point: 1,
            steps: 0,
            losses: Vec::new(),
            active_triplets: Vec::new(),
            squared_distances: Vec::new(),
        }
    }
}

impl History {
    /// Adds the report of the next step.
    pub fn add(&mut self, step: &StepReport) {
        let new_point = self.steps.is_multiple_of(self.steps_per_point);
        if new_point && self.losses.len() == POINTS {
            self.columns().into_iter().for_each(halve);
            self.steps_per_point *= 2;
        }
        let loss = &step.loss;
        let values = [loss.loss, loss.active_triplets as f64, loss.mean_squared_distance];
        for (column, value) in self.columns().into_iter().zip(values) {
            match column.last_mut() {
                Some(last) if !new_point => *last += value,
                _ => column.push(value),
            }
        }
        self.steps += 1;
    }

    /// Total number of steps.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The points in order of steps.
    pub fn points(&self) -> impl ExactSizeIterator<Item = HistoryPoint> {
        (0..self.losses.len()).map(|point| {
            let first_step = point as u64 * self.steps_per_point;
            let steps = self.steps_per_point.min(self.steps - first_step);
            let mean = |column: &[f64]| column[point] / steps as f64;
            HistoryPoint {
                first_step,
                steps,
                loss: mean(&self.losses),
                active_triplets: mean(&self.active_triplets),
                mean_squared_distance: mean(&self.squared_distances),
            }
        })
    }

    /// The history as text for a checkpoint.
    pub(crate) fn to_text(&self) -> String {
        toml::to_string(self).expect("a history can be written as TOML")
    }

    /// Parses the text of a checkpoint written after `steps` steps; `None` if it is malformed or of
    /// another number of steps.
    pub(crate) fn from_text(text: &str, steps: u64) -> Option<Self> {
        let mut history: Self = toml::from_str(text).ok()?;
        let whole = history.steps_per_point.is_power_of_two() && history.steps == steps;
        let points = if whole { steps.div_ceil(history.steps_per_point) } else { u64::MAX };
        let fits = |column: &mut Vec<f64>| column.len() as u64 == points && column.iter().all(|sum| sum.is_finite());
        (points <= POINTS as u64 && history.columns().into_iter().all(fits)).then_some(history)
    }

    fn columns(&mut self) -> [&mut Vec<f64>; 3] {
        [&mut self.losses, &mut self.active_triplets, &mut self.squared_distances]
    }
}

/// Replaces each pair of neighbors by its sum.
fn halve(column: &mut Vec<f64>) {
    *column = column.chunks(2).map(|sums| sums.iter().sum()).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use facenet_triplet::LossStatistics;

    fn step(step: u64) -> StepReport {
        let loss = LossStatistics {
            loss: 1.0 / (step + 1) as f64,
            triplets: 100,
            active_triplets: (step % 7) as usize,
            mean_anchor_positive: 0.5,
            mean_anchor_negative: 1.5,
            mean_squared_distance: 2.0,
        };
        StepReport { step, images: 9, learning_rate: 0.1, gradient_norm: 1.0, loss }
    }

    fn history(steps: u64) -> History {
        let mut history = History::default();
        (0..steps).for_each(|index| history.add(&step(index)));
        history
    }

    #[test]
    fn points_are_means_over_consecutive_steps() {
        for (steps, points, steps_per_point) in
            [(0, 0, 1), (1, 1, 1), (512, 512, 1), (513, 257, 2), (1024, 512, 2), (1025, 257, 4), (5000, 313, 16)]
        {
            let history = history(steps);
            assert_eq!(history.steps(), steps);
            let found: Vec<HistoryPoint> = history.points().collect();
            assert_eq!(found.len(), points, "{steps} steps");
            let mut next = 0;
            for point in found {
                let range = point.first_step..point.first_step + point.steps;
                assert_eq!(point.first_step, next);
                assert!(point.steps == steps_per_point || range.end == steps, "{steps} steps: {point:?}");
                let losses: f64 = range.clone().map(|index| step(index).loss.loss).sum();
                let active: u64 = range.clone().map(|index| index % 7).sum();
                assert!((point.loss - losses / point.steps as f64).abs() < 1e-12);
                assert!((point.active_triplets - active as f64 / point.steps as f64).abs() < 1e-12);
                assert_eq!(point.mean_squared_distance, 2.0);
                next = range.end;
            }
            assert_eq!(next, steps);
        }
    }

    #[test]
    fn a_resumed_history_equals_an_uninterrupted_one() {
        for steps in [0, 1, 511, 513, 1029] {
            let mut resumed = History::from_text(&history(steps).to_text(), steps).unwrap();
            (steps..steps + 700).for_each(|index| resumed.add(&step(index)));
            assert_eq!(resumed, history(steps + 700), "{steps} steps");
        }
    }

    #[test]
    fn malformed_text_is_rejected() {
        let text = history(3).to_text();
        assert!(History::from_text(&text, 3).is_some());
        assert!(History::from_text(&text, 4).is_none());
        for (from, to) in [
            ("steps_per_point = 1", "steps_per_point = 0"),
            ("steps_per_point = 1", "steps_per_point = 3"),
            ("steps_per_point = 1", "steps_per_point = 2"),
            ("steps = 3", "steps = -3"),
            ("losses = [1.0, ", "losses = ["),
            ("losses = [1.0", "losses = [nan"),
            ("losses", "gains"),
        ] {
            let other = text.replace(from, to);
            assert_ne!(other, text, "{from}");
            assert!(History::from_text(&other, 3).is_none(), "{other}");
        }
    }
}
