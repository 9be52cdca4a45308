//! What to check by eye: faces with a warning or in no group, photos without a face, and what was not read.

use maud::{Markup, html};

use crate::contact_sheet::faces::{Faces, percent_encoded};
use crate::contact_sheet::sheet::{ContactSheet, SheetFace, SheetPhoto};
use crate::page::text::{MAX_NAME, count, shortened};

/// Limit on the faces with a warning that are shown.
pub(super) const MAX_FACES: usize = 60;
/// Limit on the names of a list.
const MAX_LISTED: usize = 300;
/// Limit on the length of a reason, in characters.
const MAX_REASON: usize = 300;

/// The faces with a warning, those in no group first.
pub(super) fn with_warning(sheet: &ContactSheet<'_>) -> Vec<usize> {
    let grouped = sheet.clusters.iter().flatten().copied().filter(|&index| sheet.faces[index].face.warning.is_some());
    let mut grouped: Vec<usize> = grouped.collect();
    grouped.sort_unstable();
    sheet.apart.iter().copied().chain(grouped).collect()
}

/// The section; empty if there is nothing to check.
pub(super) fn section(sheet: &ContactSheet<'_>, with_warning: &[usize], faces: &mut Faces<'_>) -> Markup {
    let (with_face, others) = with_warning.split_at(with_warning.len().min(MAX_FACES));
    let ContactSheet { without_faces, unread, passed_over, run, .. } = sheet;
    let nothing =
        [with_warning.len(), without_faces.len(), unread.len(), passed_over.len()].iter().all(|&count| count == 0);
    if nothing {
        return Markup::default();
    }
    html! {
        section {
            h2 { "To check" }
            @if !with_warning.is_empty() {
                h3 { "Perhaps not recognized: " (count(with_warning.len(), "face", "faces")) }
                p { (count(sheet.apart.len(), "of them is", "of them are")) " in no group. A face that is small, blurred or turned away starts no group." }
                .doubts {
                    @for &index in with_face {
                        @let SheetFace { photo, face, .. } = &sheet.faces[index];
                        figure.doubt {
                            @if let Some(face) = faces.face(index) { (face) }
                            figcaption {
                                strong { (breakable(&shortened(&photo.name, MAX_NAME))) }
                                @if let Some(warning) = face.warning { span { (warning) } }
                            }
                        }
                    }
                }
                (rest(others.len()))
            }
            @if !without_faces.is_empty() {
                h3 { "Without a face: " (count(without_faces.len(), "photo", "photos")) }
                (names(without_faces))
            }
            (reasons(&format!("Not read: {}", count(unread.len(), "file or folder", "files and folders")), unread))
            (reasons(&format!("Passed over: {}", count(passed_over.len(), "entry", "entries")), passed_over))
            @if run.other_files > 0 {
                p { (count(run.other_files, "file is not an image", "files are not images")) "." }
            }
        }
    }
}

/// A list of names with reasons below a heading; empty if there are none.
fn reasons(heading: &str, entries: &[(String, String)]) -> Markup {
    html! {
        @if !entries.is_empty() {
            h3 { (heading) }
            ul {
                @for (name, reason) in &entries[..entries.len().min(MAX_LISTED)] {
                    // Most reasons name the file.
                    li { @if !reason.contains(name.as_str()) { (shortened(name, MAX_NAME)) ": " } (shortened(reason, MAX_REASON)) }
                }
            }
            (rest(entries.len().saturating_sub(MAX_LISTED)))
        }
    }
}

/// A collapsed list of photos.
fn names(photos: &[(SheetPhoto, String)]) -> Markup {
    html! {
        details {
            summary { "Names of " (count(photos.len(), "photo", "photos")) }
            ul {
                @for (photo, reason) in &photos[..photos.len().min(MAX_LISTED)] {
                    li { a href=(percent_encoded(&photo.link)) { (shortened(&photo.name, MAX_NAME)) } ": " (reason) }
                }
            }
            (rest(photos.len().saturating_sub(MAX_LISTED)))
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
