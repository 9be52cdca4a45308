//! What every other threshold would have done.

use facenet_metrics::{PairScores, RocCurve, RocPoint};
use maud::{Markup, html};

use crate::page::text::percent;
use crate::report::chart::{Axis, Chart, number};

/// The ROC curves of embeddings and of raw pixels, with the threshold marked on the first.
pub(super) fn chart(embeddings: &PairScores, pixels: &PairScores, threshold: f64) -> Markup {
    let chart = Chart::new(
        380.0,
        Axis { label: "false accept rate: two people called one", from: 0.0, to: 1.0 },
        Axis { label: "validation rate: one person found to be one", from: 0.0, to: 1.0 },
    );
    let path = |curve: &RocCurve| {
        chart.path(curve.points.iter().map(|point| (point.false_accept_rate, point.validation_rate)))
    };
    let drawn = |scores: &PairScores| {
        let curve = scores.roc();
        (path(&curve), curve.auc(), at(&curve, threshold))
    };
    let ((curve, area, here), (baseline, baseline_area, _)) = (drawn(embeddings), drawn(pixels));
    let (x, y) = (chart.x(here.false_accept_rate), chart.y(here.validation_rate));
    // The label stays within the axes, wherever the threshold lies.
    let (right, down) = (if x < 300.0 { 1.0 } else { -1.0 }, if y < 250.0 { 1.0 } else { -1.0 });
    let legend = [
        ("line", format!("embeddings, area {area:.3}")),
        ("line baseline", format!("raw pixels, area {baseline_area:.3}")),
        ("line chance", "guessing, area 0.5".to_owned()),
    ];
    html! {
        figure {
            (chart.draw("ROC curves of embeddings and raw pixels", &html! {
                path class="line chance" d=(chart.path([(0.0, 0.0), (1.0, 1.0)])) {}
                path class="line baseline" d=(baseline) {}
                path class="line" d=(curve) {}
                circle.operating-point cx=(number(x)) cy=(number(y)) r="5" {}
                line.pointer x1=(number(x + 7.0 * right)) y1=(number(y + 5.0 * down)) x2=(number(x + 26.0 * right)) y2=(number(y + 20.0 * down)) {}
                text.note x=(number(x + 30.0 * right)) y=(number(y + 23.0 * down + 4.0)) text-anchor=(if right > 0.0 { "start" } else { "end" }) {
                    "at the threshold"
                }
                @for (index, (class, label)) in legend.iter().enumerate() {
                    @let y = 262.0 + 22.0 * index as f64;
                    line class=(class) x1="208" x2="244" y1=(y) y2=(y) {}
                    text.note x="252" y=(y + 4.0) { (label) }
                }
            }))
            figcaption {
                "The threshold accepts " (percent(here.validation_rate)) " of the pairs of one person and "
                (percent(here.false_accept_rate)) " of those of two; another threshold moves along the curve."
            }
        }
    }
}

/// What a threshold accepts.
fn at(curve: &RocCurve, threshold: f64) -> RocPoint {
    let behind = curve.points.partition_point(|point| point.threshold <= threshold);
    curve.points[behind.saturating_sub(1)]
}
