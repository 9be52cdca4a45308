//! The training curves.

use maud::{Markup, html};

use crate::page::text::grouped;
use crate::report::chart::{Axis, Chart, coordinate, round_up};
use facenet_training::{History, HistoryPoint};

/// The curves of the loss, the active triplets and the mean distance.
pub(super) fn section(history: &History) -> Markup {
    let points: Vec<HistoryPoint> = history.points().collect();
    let loss = Curve::new(points.iter().map(|point| point.loss).collect());
    let active = Curve::new(points.iter().map(|point| point.active_triplets).collect());
    let spread = Curve::new(points.iter().map(|point| point.mean_squared_distance).collect());
    html! {
        section {
            h2 { "Training" }
            p {
                "A triplet is active if its negative is not farther from the anchor than its positive by at least the margin; "
                "only active triplets have a gradient. Thick lines are means over neighboring steps."
            }
            .charts {
                figure {
                    (loss.chart(&points, "triplet loss", "The triplet loss, step by step"))
                    @if let Some([first, last]) = loss.ends() {
                        figcaption { "Triplet loss: from " (format!("{first:.3}")) " to " (format!("{last:.3}")) " in " (grouped(history.steps() as usize)) " steps." }
                    }
                }
                figure {
                    (active.chart(&points, "active triplets per batch", "Active triplets per batch, step by step"))
                    @if let Some([first, last]) = active.ends() {
                        figcaption { "Active triplets per batch: from " (grouped(first.round() as usize)) " to " (grouped(last.round() as usize)) "." }
                    }
                }
                figure {
                    (spread.chart(&points, "mean squared distance", "The mean squared distance between images of a batch, step by step"))
                    @if let Some([first, last]) = spread.ends() {
                        figcaption {
                            "Mean squared distance between images of a batch: from " (format!("{first:.2}")) " to " (format!("{last:.2}"))
                            ". A value near 0 would mean that the embeddings have collapsed."
                        }
                    }
                }
            }
        }
    }
}

/// Values over the steps, and their moving average.
struct Curve {
    values: Vec<f64>,
    /// Means over windows that reach a fortieth of all values to either side.
    means: Vec<f64>,
}

impl Curve {
    fn new(values: Vec<f64>) -> Self {
        let reach = values.len() / 40;
        let around = |index: usize| &values[index.saturating_sub(reach)..values.len().min(index + reach + 1)];
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let means = (0..values.len()).map(|index| mean(around(index))).collect();
        Self { values, means }
    }

    /// The first and the last mean.
    fn ends(&self) -> Option<[f64; 2]> {
        Some([*self.means.first()?, *self.means.last()?])
    }

    fn chart(&self, points: &[HistoryPoint], label: &'static str, title: &str) -> Markup {
        let steps = points.last().map_or(1, |point| point.first_step + point.steps);
        let highest = self.values.iter().copied().fold(0.0, f64::max);
        let chart = Chart::new(
            240.0,
            Axis { label: "step", from: 0.0, to: steps as f64 },
            Axis { label, from: 0.0, to: round_up(highest) },
        );
        let path = |values: &[f64]| {
            let middles = points.iter().map(|point| point.first_step as f64 + point.steps as f64 / 2.0);
            chart.path(middles.zip(values.iter().copied()))
        };
        chart.draw(title, &html! {
            path class="line raw" d=(path(&self.values)) {}
            path.line d=(path(&self.means)) {}
            @if let ([point], [value]) = (points, &self.values[..]) {
                circle.operating-point cx=(coordinate(chart.x(point.steps as f64 / 2.0))) cy=(coordinate(chart.y(*value))) r="4" {}
            }
        })
    }
}
