//! The ROC curve.

use facenet_metrics::{PairScores, RocCurve, RocPoint};
use maud::{Markup, html};

use crate::page::text::percent;
use crate::report::chart::{Axis, Chart, coordinate};

/// The ROC curves of embeddings and of raw pixels, with the threshold marked on the first.
pub(super) fn chart(embeddings: &PairScores, pixels: &PairScores, threshold: f64) -> Markup {
    let chart = Chart::new(
        380.0,
        Axis { label: "false accept rate: impostor pairs accepted", from: 0.0, to: 1.0 },
        Axis { label: "validation rate: genuine pairs accepted", from: 0.0, to: 1.0 },
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
    // Keeps the label within the axes.
    let (right, down) = (if x < 300.0 { 1.0 } else { -1.0 }, if y < 250.0 { 1.0 } else { -1.0 });
    let legend = [
        ("line", format!("embeddings, area {area:.3}")),
        ("line baseline", format!("raw pixels, area {baseline_area:.3}")),
        ("line chance", "chance, area 0.5".to_owned()),
    ];
    html! {
        figure {
            (chart.draw("ROC curves of embeddings and raw pixels", &html! {
                path class="line chance" d=(chart.path([(0.0, 0.0), (1.0, 1.0)])) {}
                path class="line baseline" d=(baseline) {}
                path class="line" d=(curve) {}
                circle.operating-point cx=(coordinate(x)) cy=(coordinate(y)) r="5" {}
                line.pointer x1=(coordinate(x + 7.0 * right)) y1=(coordinate(y + 5.0 * down)) x2=(coordinate(x + 26.0 * right)) y2=(coordinate(y + 20.0 * down)) {}
                text.note x=(coordinate(x + 30.0 * right)) y=(coordinate(y + 23.0 * down + 4.0)) text-anchor=(if right > 0.0 { "start" } else { "end" }) {
                    "at the threshold"
                }
                @for (index, (class, label)) in legend.iter().enumerate() {
                    @let y = 262.0 + 22.0 * index as f64;
                    line class=(class) x1="208" x2="244" y1=(y) y2=(y) {}
                    text.note x="252" y=(y + 4.0) { (label) }
                }
            }))
            figcaption {
                "The threshold accepts " (percent(here.validation_rate)) " of the genuine pairs and "
                (percent(here.false_accept_rate)) " of the impostor pairs."
            }
        }
    }
}

/// The point of a threshold on the curve.
fn at(curve: &RocCurve, threshold: f64) -> RocPoint {
    let next = curve.points.partition_point(|point| point.threshold <= threshold);
    curve.points[next.saturating_sub(1)]
}
