//! What was run, to reproduce it.

use facenet_recognition::FaceSourceCounts;
use maud::{Markup, html};

use crate::contact_sheet::sheet::ContactSheet;
use crate::page::text::{grouped, images};
use crate::page::{Fact, facts, privacy_notice};

/// The facts.
pub(super) fn section(sheet: &ContactSheet<'_>) -> Markup {
    let run = sheet.run;
    let sources: FaceSourceCounts = sheet.images.iter().map(|image| image.portrait.source).collect();
    let faces = format!(
        "{} aligned by a landmark list, {} by a landmark network, {} cropped",
        grouped(sources.landmark_list),
        grouped(sources.landmark_network),
        grouped(sources.center_crop)
    );
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
        Fact::text("images", images(sheet.images.len()) + &unread),
        Fact::text("faces", faces),
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
