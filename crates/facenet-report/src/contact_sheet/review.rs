//! What to check by eye: images with a warning, unaligned ones and unreadable ones.

use facenet_recognition::{FaceSource, Portrait};
use maud::{Markup, html};

use crate::contact_sheet::faces::{Faces, percent_encoded};
use crate::contact_sheet::sheet::ContactSheet;
use crate::page::text::{MAX_NAME, images, shortened};

/// Limit on the images with a warning whose faces are shown.
pub(super) const MAX_FACES: usize = 60;
/// Limit on the names of a list.
const MAX_LISTED: usize = 300;
/// Limit on the length of a reason, in characters.
const MAX_REASON: usize = 300;

/// The images with a warning.
pub(super) fn with_warning(sheet: &ContactSheet<'_>) -> Vec<usize> {
    (0..sheet.images.len()).filter(|&index| sheet.images[index].portrait.warning().is_some()).collect()
}

/// The section; empty if there is nothing to check.
pub(super) fn section(sheet: &ContactSheet<'_>, with_warning: &[usize], faces: &mut Faces<'_>) -> Markup {
    let unaligned: Vec<usize> = (0..sheet.images.len())
        .filter(|&index| {
            let Portrait { source, faces, .. } = sheet.images[index].portrait;
            source == FaceSource::CenterCrop && faces.is_none()
        })
        .collect();
    let (with_face, others) = with_warning.split_at(with_warning.len().min(MAX_FACES));
    let unread = sheet.unread;
    if with_warning.is_empty() && unaligned.is_empty() && unread.is_empty() {
        return Markup::default();
    }
    html! {
        section {
            h2 { "To check" }
            @if !with_warning.is_empty() {
                h3 { "Perhaps misplaced: " (images(with_warning.len())) }
                .doubts {
                    @for &index in with_face {
                        @let image = &sheet.images[index];
                        figure.doubt {
                            @if let Some(face) = faces.face(index) { (face) }
                            figcaption {
                                strong { (breakable(&shortened(&image.name, MAX_NAME))) }
                                @if let Some(warning) = image.portrait.warning() { span { (warning) } }
                            }
                        }
                    }
                }
                (names(sheet, others))
            }
            @if !unaligned.is_empty() {
                h3 { "Not aligned: " (images(unaligned.len())) }
                p {
                    "The landmarks of these faces are not known, so the images were cropped. Grouping works better with aligned faces: "
                    "use a landmark network or a landmark list."
                }
                (names(sheet, &unaligned))
            }
            @if !unread.is_empty() {
                h3 { "Unreadable, in no group: " (images(unread.len())) }
                ul {
                    @for (name, reason) in &unread[..unread.len().min(MAX_LISTED)] {
                        // Most reasons name the image.
                        li { @if !reason.contains(name.as_str()) { (shortened(name, MAX_NAME)) ": " } (shortened(reason, MAX_REASON)) }
                    }
                }
                (rest(unread.len().saturating_sub(MAX_LISTED)))
            }
        }
    }
}

/// A collapsed list of names.
fn names(sheet: &ContactSheet<'_>, indices: &[usize]) -> Markup {
    let listed = &indices[..indices.len().min(MAX_LISTED)];
    html! {
        @if !listed.is_empty() {
            details {
                summary { "Names of " (images(indices.len())) }
                ul {
                    @for image in listed.iter().map(|&index| &sheet.images[index]) {
                        li {
                            a href=(percent_encoded(&image.link)) { (shortened(&image.name, MAX_NAME)) }
                            @if let Some(warning) = image.portrait.warning() { ": " (warning) }
                        }
                    }
                }
                (rest(indices.len() - listed.len()))
            }
        }
    }
}

/// A name that may wrap between its parts.
fn breakable(name: &str) -> Markup {
    html! { @for part in name.split_inclusive(['/', '_', '-', ' ']) { (part) wbr; } }
}

fn rest(number: usize) -> Markup {
    html! { @if number > 0 { p.order { "and " (number) " more; clusters.csv, next to this page, lists all" } } }
}
