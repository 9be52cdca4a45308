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
use maud::{Markup, html};

use crate::page::page;
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
        let body = html! {
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
        };
        page(&run.dataset, &body)
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
}
