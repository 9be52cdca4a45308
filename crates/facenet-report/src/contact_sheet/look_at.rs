//! What a person should look at: doubtful pictures, and those that could not be read.

use maud::{Markup, html};

use facenet_recognition::{FaceSource, Portrait};

use crate::contact_sheet::faces::{Faces, percent_encoded};
use crate::contact_sheet::sheet::ContactSheet;
use crate::page::text::{NAME, pictures, shortened};

/// The most doubtful pictures whose faces are shown.
pub(super) const FACES: usize = 60;
/// The most names of other doubtful pictures, and the most unread ones.
const NAMED: usize = 300;
/// The longest reason that is shown, in characters.
const REASON: usize = 300;

/// The pictures with a doubt of their own.
pub(super) fn doubtful(sheet: &ContactSheet<'_>) -> Vec<usize> {
    (0..sheet.pictures.len()).filter(|&index| sheet.pictures[index].portrait.warning().is_some()).collect()
}

/// The section, if there is anything to look at.
pub(super) fn section(sheet: &ContactSheet<'_>, doubtful: &[usize], faces: &mut Faces<'_>) -> Markup {
    let unaligned: Vec<usize> = (0..sheet.pictures.len())
        .filter(|&index| {
            let Portrait { source: framing, faces, .. } = sheet.pictures[index].portrait;
            framing == FaceSource::CenterCrop && faces.is_none()
        })
        .collect();
    let (with_face, others) = doubtful.split_at(doubtful.len().min(FACES));
    let unread = sheet.unread;
    if doubtful.is_empty() && unaligned.is_empty() && unread.is_empty() {
        return Markup::default();
    }
    html! {
        section {
            h2 { "Look at these" }
            @if !doubtful.is_empty() {
                h3 { "In the wrong place, perhaps: " (pictures(doubtful.len())) }
                .doubts {
                    @for &index in with_face {
                        @let picture = &sheet.pictures[index];
                        figure.doubt {
                            @if let Some(face) = faces.face(index) { (face) }
                            figcaption {
                                strong { (breakable(&shortened(&picture.name, NAME))) }
                                @if let Some(doubt) = picture.portrait.warning() { span { (doubt) } }
                            }
                        }
                    }
                }
                (names(sheet, others))
            }
            @if !unaligned.is_empty() {
                h3 { "Not aligned: " (pictures(unaligned.len())) }
                p {
                    "Nothing tells where their faces are, so the middle of each is taken for one. Groups are better with the five points of each face: from a list of "
                    "landmarks, or from a network that finds them."
                }
                (names(sheet, &unaligned))
            }
            @if !unread.is_empty() {
                h3 { "Not read, and so in no group: " (pictures(unread.len())) }
                ul {
                    @for (name, reason) in &unread[..unread.len().min(NAMED)] {
                        // Most reasons name the picture.
                        li { @if !reason.contains(name.as_str()) { (shortened(name, NAME)) ": " } (shortened(reason, REASON)) }
                    }
                }
                (rest(unread.len().saturating_sub(NAMED)))
            }
        }
    }
}

/// Names of pictures, to be unfolded.
fn names(sheet: &ContactSheet<'_>, indices: &[usize]) -> Markup {
    let named = &indices[..indices.len().min(NAMED)];
    html! {
        @if !named.is_empty() {
            details {
                summary { (pictures(indices.len())) " by name" }
                ul {
                    @for picture in named.iter().map(|&index| &sheet.pictures[index]) {
                        li {
                            a href=(percent_encoded(&picture.link)) { (shortened(&picture.name, NAME)) }
                            @if let Some(doubt) = picture.portrait.warning() { ": " (doubt) }
                        }
                    }
                }
                (rest(indices.len() - named.len()))
            }
        }
    }
}

/// A name that may be broken where its parts end.
fn breakable(name: &str) -> Markup {
    html! { @for part in name.split_inclusive(['/', '_', '-', ' ']) { (part) wbr; } }
}

fn rest(number: usize) -> Markup {
    html! { @if number > 0 { p.order { "and " (number) " more: clusters.csv, beside this page, names all" } } }
}
