//! The head of the page: what came out, in four numbers and a table.

use maud::{Markup, html};

use crate::page::text::{count, grouped};
use facenet_training::{Evaluation, RunReport};

/// The scores in large, then all of them beside those of raw pixels.
pub(super) fn section(run: &RunReport) -> Markup {
    let (learned, pixels) = (&run.embeddings, &run.pixels);
    let [f, f_of_pixels] = [learned, pixels].map(|scores| scores.clustering.agglomerative.report.bcubed_f);
    html! {
        header {
            p.kind { "FaceNet run report" }
            h1 { (run.dataset) }
            p.lead {
                (count(run.train.people, "person", "people")) " taught the network " (run.network) ", "
                (run.validation.people) " more set its thresholds, and "
                (count(run.unseen.people, "person", "people")) " whom it has never seen, in "
                (count(run.unseen.images, "picture", "pictures")) ", judge it here."
            }
        }
        .tiles {
            (tile("verification accuracy", learned.verification.accuracy, Some(learned.verification.standard_error), pixels.verification.accuracy,
                "one person or two, at one threshold for all"))
            (tile("area under the ROC curve", learned.verification.auc, None, pixels.verification.auc,
                "how often one person is nearer than two"))
            (tile("rank 1", learned.identification.rank1, None, pixels.identification.rank1,
                "the nearest enrolled picture shows the right person"))
            (tile("B-cubed F of clusters", f, None, f_of_pixels, "how well groups of pictures are people"))
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
    let strangers: Score = |e| match e.identification.open_set.false_positive_identification_rate {
        Some(rate) => format!("{rate:.3}"),
        None => "no strangers".to_owned(),
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
        ("identification: found and within the threshold", open_set),
        ("identification: strangers given a name", strangers),
        ("k-means, number of people given: B-cubed F", |e| format!("{:.3}", e.clustering.kmeans.bcubed_f)),
        ("agglomerative: B-cubed F", |e| format!("{:.3}", e.clustering.agglomerative.report.bcubed_f)),
        ("agglomerative: pairwise F", |e| format!("{:.3}", e.clustering.agglomerative.report.pairwise_f)),
        ("agglomerative: cut (squared distance)", |e| format!("{:.3}", e.clustering.agglomerative.squared_distance)),
        ("agglomerative: clusters, of the people there are", |e| {
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
