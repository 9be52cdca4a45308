//! The head of the page: the main scores and a table of all scores.

use maud::{Markup, html};

use crate::page::text::{count, grouped, images};
use facenet_training::{Evaluation, RunReport};

/// The main scores, then all scores beside those of raw pixels.
pub(super) fn section(run: &RunReport) -> Markup {
    let (learned, pixels) = (&run.embeddings, &run.pixels);
    let [f, pixels_f] = [learned, pixels].map(|scores| scores.clustering.agglomerative.report.bcubed_f);
    html! {
        header {
            p.kind { "FaceNet run report" }
            h1 { (run.dataset) }
            p.lead {
                "Network " (run.network) ". Trained on " (count(run.train.people, "person", "people"))
                "; thresholds chosen on " (grouped(run.validation.people)) "; scored on "
                (images(run.unseen.images)) " of " (count(run.unseen.people, "unseen person", "unseen people")) "."
            }
        }
        .tiles {
            (tile("verification accuracy", learned.verification.accuracy, Some(learned.verification.standard_error), pixels.verification.accuracy,
                "same person or not, with one threshold for all pairs"))
            (tile("area under the ROC curve", learned.verification.auc, None, pixels.verification.auc,
                "probability that a genuine pair is nearer than an impostor pair"))
            (tile("rank 1", learned.identification.rank1, None, pixels.identification.rank1,
                "the nearest enrolled image shows the right person"))
            (tile("B-cubed F of clusters", f, None, pixels_f, "agreement of clusters and people"))
        }
        details {
            summary { "All scores" }
            (table(run))
        }
    }
}

fn tile(name: &str, score: f64, standard_error: Option<f64>, pixels: f64, meaning: &str) -> Markup {
    html! {
        .tile {
            .name { (name) }
            .score { (format!("{score:.3}")) @if let Some(error) = standard_error { small { " ± " (format!("{error:.3}")) } } }
            .meaning { (meaning) }
            .pixels { "raw pixels: " (format!("{pixels:.3}")) }
        }
    }
}

fn table(run: &RunReport) -> Markup {
    type Score = fn(&Evaluation) -> String;
    let open_set: Score = |e| format!("{:.3}", e.identification.open_set.detection_and_identification_rate);
    let false_positives: Score = |e| match e.identification.open_set.false_positive_identification_rate {
        Some(rate) => format!("{rate:.3}"),
        None => "no such probes".to_owned(),
    };
    let rows: [(&str, Score); 13] = [
        ("verification: accuracy ± standard error", |e| {
            format!("{:.3} ± {:.3}", e.verification.accuracy, e.verification.standard_error)
        }),
        ("verification: area under the ROC curve", |e| format!("{:.3}", e.verification.auc)),
        ("verification: equal error rate", |e| format!("{:.3}", e.verification.eer)),
        ("verification: threshold (squared distance)", |e| format!("{:.3}", e.verification.threshold)),
        ("identification: rank 1", |e| format!("{:.3}", e.identification.rank1)),
        ("identification: rank 5", |e| format!("{:.3}", e.identification.rank5)),
        ("identification: enrolled probes found within the threshold", open_set),
        ("identification: unenrolled probes given a name", false_positives),
        ("k-means with the true number of people: B-cubed F", |e| format!("{:.3}", e.clustering.kmeans.bcubed_f)),
        ("agglomerative: B-cubed F", |e| format!("{:.3}", e.clustering.agglomerative.report.bcubed_f)),
        ("agglomerative: pairwise F", |e| format!("{:.3}", e.clustering.agglomerative.report.pairwise_f)),
        ("agglomerative: cut (squared distance)", |e| format!("{:.3}", e.clustering.agglomerative.squared_distance)),
        ("agglomerative: clusters / people", |e| {
            let report = &e.clustering.agglomerative.report;
            format!("{} / {}", grouped(report.clusters), grouped(report.identities))
        }),
    ];
    html! {
        .scroll tabindex="0" {
            table {
                thead { tr { th {} th { "embeddings" } th { "raw pixels" } } }
                tbody {
                    @for (name, score) in &rows {
                        tr { th scope="row" { (name) } td { (score(&run.embeddings)) } td { (score(&run.pixels)) } }
                    }
                }
            }
        }
        p.order { (count(run.embeddings.verification.pairs, "pair", "pairs")) "; ± is the standard error over people." }
    }
}
