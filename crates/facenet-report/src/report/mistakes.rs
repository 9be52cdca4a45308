//! The worst errors of verification.

use facenet_metrics::Pair;
use facenet_training::Run;
use maud::{Markup, html};

use crate::page::text::{MAX_NAME, count, shortened};
use crate::report::thumbnails::Thumbnails;

/// Limit on the pairs shown of each kind.
const MAX_SHOWN: usize = 12;

/// The worst false accepts and false rejects.
pub(super) fn section(run: &Run, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let [(accepts, all_accepts), (rejects, all_rejects)] = [false, true].map(|genuine| worst(run, genuine));
    html! {
        section {
            h2 { "Errors" }
            h3 { "False accepts: " (count(all_accepts, "impostor pair", "impostor pairs")) }
            (pairs(run, &accepts, all_accepts, "Nearest first.", thumbnails))
            h3 { "False rejects: " (count(all_rejects, "genuine pair", "genuine pairs")) }
            (pairs(run, &rejects, all_rejects, "Farthest first.", thumbnails))
        }
    }
}

/// The wrongly classified pairs of one kind with their distances, the worst first, up to
/// [`MAX_SHOWN`]; and their total number.
fn worst(run: &Run, genuine: bool) -> (Vec<(Pair, f64)>, usize) {
    let threshold = run.report.embeddings.verification.threshold;
    let distances = run.embeddings.pair_scores.squared_distances();
    let pairs = run.dataset.unseen_pairs.iter().copied().zip(distances.iter().copied());
    let mut wrong: Vec<_> =
        pairs.filter(|(pair, distance)| pair.genuine == genuine && (*distance <= threshold) != genuine).collect();
    let all = wrong.len();
    let order = |a: &(Pair, f64), b: &(Pair, f64)| {
        let by_distance = if genuine { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) };
        by_distance.then(a.0.cmp(&b.0))
    };
    if all > MAX_SHOWN {
        wrong.select_nth_unstable_by(MAX_SHOWN, order);
        wrong.truncate(MAX_SHOWN);
    }
    wrong.sort_by(order);
    (wrong, all)
}

fn pairs(run: &Run, pairs: &[(Pair, f64)], all: usize, order: &str, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let names = &run.dataset.unseen.images;
    html! {
        @if pairs.is_empty() {
            p { "None." }
        } @else {
            p.order { (order) @if all > pairs.len() { " The first " (pairs.len()) " are shown." } }
            .pairs {
                @for (pair, distance) in pairs {
                    figure.pair {
                        .faces { @for index in [pair.first, pair.second] { @if let Some(image) = thumbnails.image(index) { (image) } } }
                        figcaption {
                            strong { (format!("{distance:.3}")) }
                            span { (shortened(&names[pair.first], MAX_NAME)) }
                            span { (shortened(&names[pair.second], MAX_NAME)) }
                        }
                    }
                }
            }
        }
    }
}
