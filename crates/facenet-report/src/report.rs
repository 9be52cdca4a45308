//! The page of a training run.

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

use facenet_training::Run;
use maud::{Markup, html};

use crate::page::page;
use crate::provenance::Provenance;
use thumbnails::Thumbnails;

/// The page of a training run.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The run.
    pub run: &'a Run,
    /// What was run, when, by which program and on which machine.
    pub provenance: &'a Provenance,
}

impl Report<'_> {
    /// The page as self-contained HTML without scripts, below 5 MB for any number of images.
    #[must_use]
    pub fn html(&self) -> String {
        let Self { run, provenance } = *self;
        let mut thumbnails = Thumbnails::new(&run.dataset.unseen);
        let threshold = run.report.embeddings.verification.threshold;
        let body = html! {
            (hatching())
            main {
                (scores::section(&run.report))
                section {
                    h2 { "Verification: the same person?" }
                    p {
                        "A pair of images is accepted as the same person if the squared distance of its embeddings is at most "
                        (format!("{threshold:.3}"))
                        ", the threshold with the highest accuracy on " (run.report.validation.people) " other people."
                    }
                    .charts {
                        (distances::chart(&run.embeddings.pair_scores, threshold))
                        (roc::chart(&run.embeddings.pair_scores, &run.pixels.pair_scores, threshold))
                    }
                }
                (mistakes::section(run, &mut thumbnails))
                (clusters::section(run, &mut thumbnails))
                (dendrogram::section(run))
                (training_curves::section(&run.history))
                (run_card::section(&run.report, &run.recipe, provenance))
            }
        };
        page(&run.report.dataset, &body)
    }
}

/// The pattern that marks errors in every chart, recognizable without color.
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
