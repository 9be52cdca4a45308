//! A run as a page to look at: one HTML file that opens anywhere.

mod chart;
mod clusters;
mod dendrogram;
mod distances;
mod mistakes;
mod roc;
mod run_card;
mod scores;
mod thumbnails;
mod training_curves;

use facenet_metrics::Pair;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{EvaluationDetails, History, LabelledFaces, Recipe, RunReport};
use thumbnails::Thumbnails;

/// All that the page shows.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The scores, and where they come from.
    pub run: &'a RunReport,
    /// How the network was trained.
    pub recipe: &'a Recipe,
    /// How that went.
    pub history: &'a History,
    /// The people who were scored.
    pub unseen: &'a LabelledFaces,
    /// The pairs by which they were judged.
    pub unseen_pairs: &'a [Pair],
    /// What the embeddings made of them.
    pub embeddings: &'a EvaluationDetails,
    /// What the raw pixels made of them.
    pub pixels: &'a EvaluationDetails,
}

impl Report<'_> {
    /// The page: pictures and style within, no scripts, below 5 MB however many pictures there are.
    #[must_use]
    pub fn html(&self) -> String {
        let mut thumbnails = Thumbnails::new(self.unseen);
        let Self { run, .. } = *self;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { "FaceNet: " (run.dataset) }
                    style { (PreEscaped(include_str!("report/style.css"))) }
                }
                body {
                    (hatching())
                    main {
                        (scores::section(run))
                        section {
                            h2 { "One person or two?" }
                            p {
                                "Each pair of pictures is judged by the squared distance of the two embeddings: at most "
                                (format!("{:.3}", run.embeddings.verification.threshold))
                                " is called one person. That threshold is the one that was best for " (run.validation.people)
                                " other people."
                            }
                            .charts {
                                (distances::chart(&self.embeddings.pair_scores, run.embeddings.verification.threshold))
                                (roc::chart(
                                    &self.embeddings.pair_scores,
                                    &self.pixels.pair_scores,
                                    run.embeddings.verification.threshold,
                                ))
                            }
                        }
                        (mistakes::section(self, &mut thumbnails))
                        (clusters::section(self, &mut thumbnails))
                        (dendrogram::section(self))
                        (training_curves::section(self.history))
                        (run_card::section(run, self.recipe))
                    }
                }
            }
        };
        page.into_string()
    }
}

/// The longest name that is shown, in characters.
const NAME: usize = 120;

/// The pattern that marks mistakes in every chart: it can be told without colour.
fn hatching() -> Markup {
    html! {
        svg.definitions aria-hidden="true" width="0" height="0" {
            defs {
                pattern id="hatched" patternUnits="userSpaceOnUse" width="5" height="5" patternTransform="rotate(45)" {
                    rect.hatched-ground width="5" height="5" {}
                    line.hatched-line x1="0" y1="0" x2="0" y2="5" {}
                }
            }
        }
    }
}

/// A share in percent: what is neither none nor all never looks so.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        _ if percent > 0.0 && percent < 0.1 => "less than 0.1\u{a0}%".to_owned(),
        _ if percent > 99.9 && percent < 100.0 => "more than 99.9\u{a0}%".to_owned(),
        _ if (0.1..0.95).contains(&percent) || (99.05..=99.9).contains(&percent) => format!("{percent:.1}\u{a0}%"),
        _ => format!("{percent:.0}\u{a0}%"),
    }
}

/// The end of a long name, since its start is the same for many; at most `most` characters.
fn shortened(name: &str, most: usize) -> String {
    match name.chars().count() {
        length if length > most => format!("…{}", name.chars().skip(length - most + 1).collect::<String>()),
        _ => name.to_owned(),
    }
}

/// "1 pair", "2 pairs", "12,345 pairs".
fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number with its digits in threes.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_is_not_none_and_most_is_not_all() {
        let texts = [0.0, 0.0002, 0.0062, 0.12, 0.994, 0.9996, 1.0].map(percent);
        let expected = [
            "0\u{a0}%",
            "less than 0.1\u{a0}%",
            "0.6\u{a0}%",
            "12\u{a0}%",
            "99.4\u{a0}%",
            "more than 99.9\u{a0}%",
            "100\u{a0}%",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn long_names_lose_their_start() {
        assert_eq!(shortened("s31/4.pgm", 22), "s31/4.pgm");
        assert_eq!(shortened("somebody/0001.jpg", 9), "…0001.jpg");
    }

    #[test]
    fn digits_are_in_threes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
