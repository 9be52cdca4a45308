//! The distances of genuine and impostor pairs.

use facenet_metrics::PairScores;
use maud::{Markup, html};

use crate::page::text::{count, grouped, percent};
use crate::report::chart::{Axis, Chart, coordinate, round_up};

/// Approximate number of bars of a histogram.
const BARS: f64 = 36.0;

/// Both histograms, one above the other, with the threshold; errors are hatched.
pub(super) fn chart(scores: &PairScores, threshold: f64) -> Markup {
    let pairs = || scores.squared_distances().iter().copied().zip(scores.genuine().iter().copied());
    let of = |kind: bool| pairs().filter(move |&(_, genuine)| genuine == kind).map(|(distance, _)| distance);
    let farthest = scores.squared_distances().iter().copied().fold(threshold, f64::max);
    let width = bar_width(threshold, round_up(farthest));
    let bars = (farthest / width).ceil().max(1.0) as usize;
    let histograms = [true, false].map(|genuine| shares(of(genuine), width, bars));
    let end = width * bars as f64;
    let highest = round_up(histograms.iter().flatten().copied().fold(0.0, f64::max));

    // A distance of exactly the threshold is accepted.
    let rejected = of(true).filter(|&distance| distance > threshold).count();
    let accepted = of(false).filter(|&distance| distance <= threshold).count();
    let (genuine, impostor) = (scores.genuine_pairs(), scores.impostor_pairs());
    let share = |wrong: usize, all: usize| percent(wrong as f64 / all as f64);

    html! {
        figure {
            @for (is_genuine, shares) in [(true, &histograms[0]), (false, &histograms[1])] {
                @let label = "squared distance";
                @let chart = Chart::new(190.0, Axis { label, from: 0.0, to: end }, Axis { label: "share of pairs", from: 0.0, to: highest });
                @let title = if is_genuine { "Squared distances of genuine pairs" } else { "Squared distances of impostor pairs" };
                (chart.draw(title, &html! {
                    @for (index, &share) in shares.iter().enumerate() {
                        @let from = index as f64 * width;
                        @let wrong = (index as f64 + 0.5 > (threshold / width).round()) == is_genuine;
                        @if share > 0.0 {
                            rect class=(match (wrong, is_genuine) { (true, _) => "bar wrong", (_, true) => "bar same", (_, false) => "bar different" })
                                x=(coordinate(chart.x(from))) width=(coordinate((chart.x(from + width) - chart.x(from) - 1.0).max(0.5)))
                                y=(coordinate(chart.y(share))) height=(coordinate(chart.y(0.0) - chart.y(share))) {}
                        }
                    }
                    line.threshold x1=(coordinate(chart.x(threshold))) x2=(coordinate(chart.x(threshold))) y1=(coordinate(chart.y(0.0))) y2=(coordinate(chart.y(highest))) {}
                    @let right = chart.x(threshold) < 240.0;
                    text.note.kind x="426" y="42" text-anchor="end" { (if is_genuine { "genuine pairs" } else { "impostor pairs" }) }
                    text.note x=(coordinate(chart.x(threshold) + if right { 6.0 } else { -6.0 })) y="24" text-anchor=(if right { "start" } else { "end" }) {
                        "threshold " (format!("{threshold:.3}"))
                    }
                }))
            }
            figcaption {
                "Errors are hatched: " (grouped(rejected)) " of " (count(genuine, "genuine pair", "genuine pairs")) " rejected ("
                (share(rejected, genuine)) "), " (grouped(accepted)) " of " (count(impostor, "impostor pair", "impostor pairs"))
                " accepted (" (share(accepted, impostor)) ")."
            }
        }
    }
}

/// A bar width that puts the threshold on the edge of a bar, so that a bar is either right or
/// wrong. A threshold within the first bar is moved to its upper edge.
fn bar_width(threshold: f64, end: f64) -> f64 {
    let rough = end / BARS;
    let bars = (threshold / rough).round();
    if bars >= 1.0 { threshold / bars } else { rough }
}

/// The fraction of the distances in each bar. A distance on an edge belongs to the bar below, as at
/// the threshold.
fn shares(distances: impl Iterator<Item = f64>, width: f64, bars: usize) -> Vec<f64> {
    let (mut counts, mut all) = (vec![0_usize; bars], 0);
    for distance in distances {
        let bar = (distance / width - 1e-9).ceil().max(1.0) as usize - 1;
        counts[bar.min(bars - 1)] += 1;
        all += 1;
    }
    counts.into_iter().map(|count| count as f64 / all as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_on_the_edge_of_a_bar() {
        for (threshold, end) in [(0.9, 3.0), (1.234, 4.0), (0.06, 4.0), (4.0, 4.0)] {
            let width = bar_width(threshold, end);
            let bars = threshold / width;
            assert!((bars - bars.round()).abs() < 1e-9 && bars >= 0.999, "{threshold}, {end}: {bars}");
            assert!((BARS / 2.0..=BARS * 2.0).contains(&(end / width)), "{threshold}, {end}: {width}");
        }
        for threshold in [-0.1, 0.0, 1e-12, 0.04] {
            assert_eq!(bar_width(threshold, 3.6), 0.1);
        }
        assert_eq!(shares([0.0, 0.5, 0.500_1, 1.0, 7.0].into_iter(), 0.5, 3), [0.4, 0.4, 0.2]);
    }
}
