//! What was run, to reproduce it.

use facenet_recognition::FaceSourceCounts;
use maud::{Markup, html};

use crate::contact_sheet::sheet::ContactSheet;
use crate::page::text::{count, grouped};
use crate::page::{Fact, facts, privacy_notice};

/// The facts.
pub(super) fn section(sheet: &ContactSheet<'_>) -> Markup {
    let run = sheet.run;
    let sources: FaceSourceCounts = sheet.faces.iter().map(|face| face.face.source).collect();
    let unread = match sheet.unread.len() {
        0 => String::new(),
        unread => format!(", {} more unreadable", grouped(unread)),
    };
    let card = [
        Fact::code("command", &run.provenance.command),
        Fact::text("started", &run.provenance.started),
        Fact::text("time", format!("{:.1} s", run.seconds)),
        Fact::text("program", &run.provenance.program),
        Fact::text("machine", &run.provenance.machine),
        Fact::code("folder", &run.folder),
        Fact::text("photos", count(run.photos, "photo", "photos") + &unread),
        Fact::text("faces", format!("{}: {sources}", grouped(sheet.faces.len()))),
        Fact::text("network", &run.network),
        Fact::code("weights SHA-256", &run.weights_sha256),
        Fact::text("grouping", &run.method),
    ];
    html! {
        section {
            h2 { "Run card" }
            (facts(&card))
            (privacy_notice())
        }
    }
}
