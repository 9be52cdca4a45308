//! What was run, to reproduce it.

use crate::provenance::Provenance;
use maud::{Markup, html};

use crate::page::text::{count, grouped, images};
use crate::page::{Fact, facts, privacy_notice};
use facenet_training::{Recipe, RunReport, StoppedBy};

/// The facts of the run and its recipe.
pub(super) fn section(run: &RunReport, recipe: &Recipe, provenance: &Provenance) -> Markup {
    let group = |people, count_of_images| format!("{}, {}", count(people, "person", "people"), images(count_of_images));
    let card = [
        Fact::code("command", &provenance.command),
        Fact::text("started", &provenance.started),
        Fact::text("time", format!("{:.0} s, {:.0} s of it training", run.seconds_total, run.train.seconds)),
        Fact::text("steps", format!("{}, including those before a resume", grouped(run.train.steps as usize))),
        Fact::text("training ended", run.stopped_by.to_string()),
        Fact::text("program", &provenance.program),
        Fact::text("machine", format!("{}, {}", provenance.machine, count(run.threads, "thread", "threads"))),
        Fact::text("seed", run.seed.to_string()),
        Fact::text("network", &run.network),
        Fact::code("network SHA-256", &run.network_sha256),
        Fact::code("weights SHA-256", &run.weights_sha256),
        Fact::code("data SHA-256", &run.data_sha256),
        Fact::text("faces", run.faces.sources.to_string()),
        Fact::text("training people", group(run.train.people, run.train.images)),
        Fact::text("validation people", group(run.validation.people, run.validation.images)),
        Fact::text("unseen people", group(run.unseen.people, run.unseen.images)),
    ];
    html! {
        section {
            h2 { "Run card" }
            @if run.stopped_by == StoppedBy::Steps {
                p { "The same data, recipe and seed give bitwise the same weights on any number of threads of the same kind of machine." }
            }
            (facts(&card))
            details { summary { "Recipe" } pre { code { (recipe.to_toml()) } } }
            (privacy_notice())
        }
    }
}
