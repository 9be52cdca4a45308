//! What was run, so that it can be run again.

use crate::provenance::Provenance;
use maud::{Markup, html};

use crate::page::text::{count, grouped};
use crate::page::{facts, who_may_see_it};
use facenet_training::{Recipe, RunReport, StoppedBy};

/// The facts of the run, and its recipe.
pub(super) fn section(run: &RunReport, recipe: &Recipe, provenance: &Provenance) -> Markup {
    let group =
        |people, images| format!("{}, {}", count(people, "person", "people"), count(images, "picture", "pictures"));
    let card = [
        ("command", provenance.command.clone(), true),
        ("started", provenance.started.clone(), false),
        ("time", format!("{:.0} s in all, {:.0} s of training", run.seconds_total, run.train.seconds), false),
        ("steps", format!("{}, those before a resumption included", grouped(run.train.steps as usize)), false),
        ("training ended", run.stopped_by.to_string(), false),
        ("program", provenance.program.clone(), false),
        ("machine", format!("{}, {}", provenance.machine, count(run.threads, "thread", "threads")), false),
        ("seed", run.seed.to_string(), false),
        ("network", run.network.clone(), false),
        ("network SHA-256", run.network_sha256.clone(), true),
        ("weights SHA-256", run.weights_sha256.clone(), true),
        ("data SHA-256", run.data_sha256.clone(), true),
        ("pictures", run.faces.sources.to_string(), false),
        ("training people", group(run.train.people, run.train.images), false),
        ("validation people", group(run.validation.people, run.validation.images), false),
        ("unseen people", group(run.unseen.people, run.unseen.images), false),
    ];
    html! {
        section {
            h2 { "Run card" }
            @if run.stopped_by == StoppedBy::Steps {
                p { "The same data, recipe and seed give the same weights, bit by bit, on any number of threads of one kind of machine." }
            }
            (facts(&card))
            details { summary { "Recipe" } pre { code { (recipe.to_toml()) } } }
            (who_may_see_it())
        }
    }
}
