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

/// A share in percent.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if (0.0..0.95).contains(&percent) && percent > 0.0 {
        format!("{percent:.1}\u{a0}%")
    } else {
        format!("{percent:.0}\u{a0}%")
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
