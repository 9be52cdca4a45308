//! The pairs that were judged most wrongly.

use facenet_metrics::Pair;
use facenet_training::Run;
use maud::{Markup, html};

use crate::page::text::{NAME, count, shortened};
use crate::report::thumbnails::Thumbnails;

/// The most pairs of each kind that are shown.
const SHOWN: usize = 12;

/// The worst false accepts and the worst false rejects, side by side as pictures.
pub(super) fn section(run: &Run, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let [(accepts, all_accepts), (rejects, all_rejects)] = [false, true].map(|genuine| worst(run, genuine));
    html! {
        section {
            h2 { "Where it was wrong" }
            h3 { "Two people taken for one: " (count(all_accepts, "pair", "pairs")) }
            (pairs(run, &accepts, all_accepts, "The nearest of these first.", thumbnails))
            h3 { "One person taken for two: " (count(all_rejects, "pair", "pairs")) }
            (pairs(run, &rejects, all_rejects, "The farthest of these first.", thumbnails))
        }
    }
}

/// The worst of the wrongly judged pairs of one kind with their distances, the worst first; and how many there are in all.
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
    if all > SHOWN {
        wrong.select_nth_unstable_by(SHOWN, order);
        wrong.truncate(SHOWN);
    }
    wrong.sort_by(order);
    (wrong, all)
}

fn pairs(run: &Run, pairs: &[(Pair, f64)], all: usize, order: &str, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let names = &run.dataset.unseen.pictures;
    html! {
        @if pairs.is_empty() {
            p { "None." }
        } @else {
            p.order { (order) @if all > pairs.len() { " The first " (pairs.len()) " are shown." } }
            .pairs {
                @for (pair, distance) in pairs {
                    figure.pair {
                        .faces { @for index in [pair.first, pair.second] { @if let Some(picture) = thumbnails.picture(index) { (picture) } } }
                        figcaption {
                            strong { (format!("{distance:.3}")) }
                            span { (shortened(&names[pair.first], NAME)) }
                            span { (shortened(&names[pair.second], NAME)) }
                        }
                    }
                }
            }
        }
    }
}
