//! The pairs that were judged most wrongly.

use facenet_metrics::Pair;
use maud::{Markup, html};

use super::thumbnails::Thumbnails;
use super::{Report, count};

/// The most pairs of each kind that are shown.
const SHOWN: usize = 12;

/// The worst false accepts and the worst false rejects, side by side as pictures.
pub(super) fn section(report: &Report<'_>, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let [accepts, rejects] = [false, true].map(|same| worst(report, same));
    html! {
        section {
            h2 { "Where it was wrong" }
            h3 { "Two people taken for one: " (count(accepts.len(), "pair", "pairs")) }
            (pairs(report, &accepts, "The nearest of these first.", thumbnails))
            h3 { "One person taken for two: " (count(rejects.len(), "pair", "pairs")) }
            (pairs(report, &rejects, "The farthest of these first.", thumbnails))
        }
    }
}

/// Wrongly judged pairs of one kind with their distances, the worst first.
fn worst(report: &Report<'_>, same: bool) -> Vec<(Pair, f64)> {
    let threshold = report.run.embeddings.verification.threshold;
    let distances = report.embeddings.pair_scores.squared_distances();
    let pairs = report.unseen_pairs.iter().copied().zip(distances.iter().copied());
    let mut wrong: Vec<_> =
        pairs.filter(|(pair, distance)| pair.same == same && (*distance <= threshold) != same).collect();
    wrong.sort_by(|a, b| if same { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) });
    wrong
}

fn pairs(report: &Report<'_>, pairs: &[(Pair, f64)], order: &str, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let names = &report.unseen.pictures;
    html! {
        @if pairs.is_empty() {
            p { "None." }
        } @else {
            p.order { (order) @if pairs.len() > SHOWN { " The first " (SHOWN) " are shown." } }
            .pairs {
                @for (pair, distance) in pairs.iter().take(SHOWN) {
                    figure.pair {
                        .faces { (thumbnails.picture(pair.first)) (thumbnails.picture(pair.second)) }
                        figcaption {
                            strong { (format!("{distance:.3}")) }
                            span { (names[pair.first]) }
                            span { (names[pair.second]) }
                        }
                    }
                }
            }
        }
    }
}
