//! What was run, so that it can be run again.

use maud::{Markup, html};

use facenet_recognition::FaceSource;

use crate::contact_sheet::sheet::ContactSheet;
use crate::page::text::{grouped, pictures};
use crate::page::{facts, who_may_see_it};

/// The facts.
pub(super) fn section(sheet: &ContactSheet<'_>) -> Markup {
    let run = sheet.run;
    let framed = |framing| grouped(sheet.pictures.iter().filter(|picture| picture.portrait.source == framing).count());
    let faces = format!(
        "{} aligned by a list of landmarks, {} by landmarks that a network found, {} the middle of their pictures",
        framed(FaceSource::LandmarkList),
        framed(FaceSource::LandmarkNetwork),
        framed(FaceSource::CenterCrop)
    );
    let unread = match sheet.unread.len() {
        0 => String::new(),
        unread => format!(", {} more could not be read", grouped(unread)),
    };
    let card = [
        ("command", run.provenance.command.clone(), true),
        ("started", run.provenance.started.clone(), false),
        ("time", format!("{:.1} s", run.seconds), false),
        ("program", run.provenance.program.clone(), false),
        ("machine", run.provenance.machine.clone(), false),
        ("folder", run.folder.clone(), true),
        ("pictures", pictures(sheet.pictures.len()) + &unread, false),
        ("faces", faces, false),
        ("network", run.network.clone(), false),
        ("weights SHA-256", run.weights_sha256.clone(), true),
        ("groups", run.method.clone(), false),
    ];
    html! {
        section {
            h2 { "Run card" }
            (facts(&card))
            (who_may_see_it())
        }
    }
}
