//! The contact sheet: groups of faces as a page.

mod faces;
mod review;
mod run_card;
pub(crate) mod sheet;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use maud::{Markup, html};

use crate::contact_sheet::faces::{Faces, percent_encoded};
use crate::contact_sheet::sheet::ContactSheet;
use crate::page::page;
use crate::page::text::count;

/// Limit on the faces shown of all groups.
const MAX_GROUPED: usize = 700;
/// Limit on the faces shown of groups of one face.
const MAX_SINGLE: usize = 150;
/// The number of faces shown per group is the largest in this range that [`MAX_GROUPED`] allows.
const PER_GROUP: RangeInclusive<usize> = 6..=60;
/// Groups of at most this many faces are laid out side by side.
const SMALL: usize = 6;

impl ContactSheet<'_> {
    /// The page as self-contained HTML without scripts, but with links to the photos, below 5 MB
    /// for any number of photos.
    ///
    /// Cuts the faces that it shows out of their photos, on all threads of the current pool. Faces of photos
    /// that have become unreadable are not shown.
    ///
    /// # Panics
    ///
    /// If an index in [`ContactSheet::clusters`] is out of bounds.
    #[must_use]
    pub fn html(&self) -> String {
        let (single, groups): (Vec<&Vec<usize>>, Vec<&Vec<usize>>) =
            self.clusters.iter().partition(|faces| faces.len() == 1);
        let single: Vec<usize> = single.into_iter().flatten().copied().collect();
        let shown_groups = shown(&groups);
        let shown_single = &single[..single.len().min(MAX_SINGLE)];
        let with_warning = review::with_warning(self);
        let chosen: BTreeSet<usize> = with_warning
            .iter()
            .take(review::MAX_FACES)
            .chain(shown_groups.iter().copied().flatten())
            .chain(shown_single)
            .copied()
            .collect();
        let mut faces = Faces::extract(self, chosen);
        // In the order in which they take from the thumbnail budget.
        let review = review::section(self, &with_warning, &mut faces);
        let sheets = self.sheets(&groups, &shown_groups, &mut faces);
        let single = self.single(&single, shown_single, &mut faces);
        let body = html! {
            main {
                (self.head())
                @if !groups.is_empty() { (sheets) }
                (single)
                (review)
                (run_card::section(self))
            }
        };
        page(&self.title(), &body)
    }

    fn title(&self) -> String {
        format!(
            "{} of {} on {}",
            count(self.faces.len(), "face", "faces"),
            count(self.clusters.len(), "person", "people"),
            count(self.run.photos, "photo", "photos")
        )
    }

    fn head(&self) -> Markup {
        let single = self.clusters.iter().filter(|faces| faces.len() == 1).count();
        html! {
            header {
                p.kind { "FaceNet contact sheet" }
                h1 { (self.title()) }
                p.lead {
                    "Grouped by face. A group may contain look-alikes, and a person may be in several groups."
                    @if single > 0 { " " (count(single, "person is", "people are")) " on one photo only." }
                    " Faces link to their photos."
                }
                @if let Some(agreement) = &self.run.agreement {
                    p {
                        "Agreement with the " (count(agreement.identities, "folder", "folders"))
                        " of the photos, taking each for the person at the center of its photos: B-cubed F " strong { (format!("{:.3}", agreement.bcubed_f)) }
                        ", precision " (format!("{:.3}", agreement.bcubed_precision)) " (faces of a group that are of one folder), recall "
                        (format!("{:.3}", agreement.bcubed_recall)) " (faces of a folder that are in one group)."
                    }
                }
            }
        }
    }

    /// The groups of several faces, as far as the thumbnail budget allows.
    fn sheets(&self, groups: &[&Vec<usize>], shown: &[&[usize]], faces: &mut Faces<'_>) -> Markup {
        let (mut large, mut small) = (Vec::new(), Vec::new());
        for (index, (group, shown)) in groups.iter().zip(shown).enumerate() {
            let Some(sheet) = self.sheet(index, group, shown, faces) else { continue };
            if group.len() > SMALL { large.push(sheet) } else { small.push(sheet) }
        }
        let hidden = groups.len() - large.len() - small.len();
        html! {
            section {
                h2 { "People on several photos" }
                @if !large.is_empty() { .sheets { @for sheet in &large { (sheet) } } }
                @if !small.is_empty() { .sheets.columns { @for sheet in &small { (sheet) } } }
                @if hidden > 0 {
                    p.order {
                        (count(hidden, "more person is", "more people are")) " not shown, to limit the size of this page; each has a folder next to it."
                    }
                }
            }
        }
    }

    /// A group. `None` if the thumbnail budget is used up.
    fn sheet(&self, index: usize, group: &[usize], shown: &[usize], faces: &mut Faces<'_>) -> Option<Markup> {
        let shown: Vec<Markup> = shown.iter().filter_map(|&index| faces.face(index)).collect();
        if shown.is_empty() {
            return None;
        }
        let hidden = group.len() - shown.len();
        let folder = folder(&self.faces[group[0]].photo.link);
        Some(html! {
            figure.sheet {
                figcaption {
                    strong { "Person " (index + 1) } ": " (count(group.len(), "face", "faces")) ", photos in "
                    a href=(percent_encoded(folder)) { (folder) }
                }
                .faces { @for face in &shown { (face) } }
                @if hidden > 0 { p.order { "and " (hidden) " more" } }
            }
        })
    }

    /// The groups of one face.
    fn single(&self, single: &[usize], shown: &[usize], faces: &mut Faces<'_>) -> Markup {
        let Some(&first) = single.first() else { return Markup::default() };
        let shown: Vec<Markup> = shown.iter().filter_map(|&index| faces.face(index)).collect();
        let hidden = single.len() - shown.len();
        let folder = folder(&self.faces[first].photo.link);
        html! {
            section {
                h2 { "People on one photo" }
                p {
                    (count(single.len(), "face matches", "faces match")) " no other, photos in "
                    a href=(percent_encoded(folder)) { (folder) } "."
                }
                .sheet {
                    .faces { @for face in &shown { (face) } }
                    @if hidden > 0 { p.order { "and " (hidden) " more" } }
                }
            }
        }
    }
}

/// The faces to show of each group, within the limits; the last groups may get none.
fn shown<'a>(groups: &[&'a Vec<usize>]) -> Vec<&'a [usize]> {
    let total = |limit: usize| groups.iter().map(|group| group.len().min(limit)).sum::<usize>();
    let limit = PER_GROUP.rev().find(|&limit| total(limit) <= MAX_GROUPED).unwrap_or(*PER_GROUP.start());
    let mut left = MAX_GROUPED;
    groups
        .iter()
        .map(|group| {
            let shown = &group[..group.len().min(limit).min(left)];
            left -= shown.len();
            shown
        })
        .collect()
}

fn folder(link: &str) -> &str {
    link.rsplit_once('/').map_or(link, |(folder, _)| folder)
}
