//! Groups of pictures as a page to look at: which pictures show the same person?

mod faces;
mod look_at;
mod run_card;
pub(crate) mod sheet;

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::page::page;
use crate::page::text::{count, pictures};
use faces::Faces;
use sheet::ContactSheet;

/// The most faces of all groups together, and of those alone.
const FACES: usize = 700;
const FACES_ALONE: usize = 150;
/// The most faces of a group if there are few groups, and if there are many.
const FACES_OF_GROUP: [usize; 2] = [60, 6];
/// Groups of at most so many pictures lie beside each other.
const SMALL: usize = 6;

impl ContactSheet<'_> {
    /// The page: faces and style within, links to the pictures, no scripts, below 5 MB however many pictures there are.
    ///
    /// The faces that it shows are cut out of their pictures anew, on all threads; one whose picture can't be read any more
    /// is not shown.
    ///
    /// # Panics
    ///
    /// If a number in [`ContactSheet::clusters`] is not one of a picture.
    #[must_use]
    pub fn html(&self) -> String {
        let (alone, groups): (Vec<&Vec<usize>>, Vec<&Vec<usize>>) =
            self.clusters.iter().partition(|pictures| pictures.len() == 1);
        let alone: Vec<usize> = alone.into_iter().flatten().copied().collect();
        let shown_groups = shown(&groups);
        let shown_alone = &alone[..alone.len().min(FACES_ALONE)];
        let doubtful = look_at::doubtful(self);
        let chosen: BTreeSet<usize> = doubtful
            .iter()
            .take(look_at::FACES)
            .chain(shown_groups.iter().copied().flatten())
            .chain(shown_alone)
            .copied()
            .collect();
        let mut faces = Faces::cut(self, chosen);
        // In the order in which they shall find room.
        let look_at = look_at::section(self, &doubtful, &mut faces);
        let sheets = self.sheets(&groups, &shown_groups, &mut faces);
        let alone = self.alone(&alone, shown_alone, &mut faces);
        let body = html! {
            main {
                (self.head())
                @if !groups.is_empty() { (sheets) }
                (alone)
                (look_at)
                (run_card::section(self))
            }
        };
        page(&self.title(), &body)
    }

    fn title(&self) -> String {
        format!("{} of {}", pictures(self.pictures.len()), count(self.clusters.len(), "person", "people"))
    }

    fn head(&self) -> Markup {
        let alone = self.clusters.iter().filter(|pictures| pictures.len() == 1).count();
        html! {
            header {
                p.kind { "FaceNet contact sheet" }
                h1 { (self.title()) }
                p.lead {
                    "As far as the network can tell: pictures that lie together may show two people who look alike, and one "
                    "person may be in two places."
                    @if alone > 0 { " Of the people, " (alone) (if alone == 1 { " is" } else { " are" }) " in one picture only." }
                    " A face leads to its picture."
                }
                @if let Some(agreement) = &self.run.agreement {
                    p {
                        "The pictures lay in " (count(agreement.identities, "folder", "folders"))
                        ". If each folder is a person, B-cubed F is " strong { (format!("{:.3}", agreement.bcubed_f)) }
                        ": precision " (format!("{:.3}", agreement.bcubed_precision)) " (what lies together here is of one folder), recall "
                        (format!("{:.3}", agreement.bcubed_recall)) " (what is of one folder lies together here)."
                    }
                }
            }
        }
    }

    /// A sheet for each group that has room.
    fn sheets(&self, groups: &[&Vec<usize>], shown: &[&[usize]], faces: &mut Faces<'_>) -> Markup {
        let (mut large, mut small) = (Vec::new(), Vec::new());
        for (index, (group, shown)) in groups.iter().zip(shown).enumerate() {
            let Some(sheet) = self.sheet(index, group, shown, faces) else { continue };
            if group.len() > SMALL { large.push(sheet) } else { small.push(sheet) }
        }
        let hidden = groups.len() - large.len() - small.len();
        html! {
            section {
                h2 { "Who is in several pictures" }
                @if !large.is_empty() { .sheets { @for sheet in &large { (sheet) } } }
                @if !small.is_empty() { .sheets.columns { @for sheet in &small { (sheet) } } }
                @if hidden > 0 {
                    p.order {
                        (count(hidden, "more person is", "more people are")) " not shown, to keep this page small: each has a folder beside it."
                    }
                }
            }
        }
    }

    /// The pictures of a person; none if there is no room for any.
    fn sheet(&self, index: usize, group: &[usize], shown: &[usize], faces: &mut Faces<'_>) -> Option<Markup> {
        let shown: Vec<Markup> = shown.iter().filter_map(|&picture| faces.face(picture)).collect();
        if shown.is_empty() {
            return None;
        }
        let hidden = group.len() - shown.len();
        let folder = folder(&self.pictures[group[0]].link);
        Some(html! {
            figure.sheet {
                figcaption {
                    strong { "Person " (index + 1) } ": " (pictures(group.len())) " in "
                    a href=(faces::percent_encoded(folder)) { (folder) }
                }
                .faces { @for face in &shown { (face) } }
                @if hidden > 0 { p.order { "and " (hidden) " more" } }
            }
        })
    }

    fn alone(&self, alone: &[usize], shown: &[usize], faces: &mut Faces<'_>) -> Markup {
        let Some(&first) = alone.first() else { return Markup::default() };
        let shown: Vec<Markup> = shown.iter().filter_map(|&picture| faces.face(picture)).collect();
        let hidden = alone.len() - shown.len();
        let folder = folder(&self.pictures[first].link);
        html! {
            section {
                h2 { "Alone" }
                p {
                    (pictures(alone.len())) (if alone.len() == 1 { " is" } else { " are" }) " like no other, in "
                    a href=(faces::percent_encoded(folder)) { (folder) } "."
                }
                .sheet {
                    .faces { @for face in &shown { (face) } }
                    @if hidden > 0 { p.order { "and " (hidden) " more" } }
                }
            }
        }
    }
}

/// Of each group the pictures to show, of the first groups if there are too many.
fn shown<'a>(groups: &[&'a Vec<usize>]) -> Vec<&'a [usize]> {
    let [few, many] = FACES_OF_GROUP;
    let all = |most: usize| groups.iter().map(|group| group.len().min(most)).sum::<usize>();
    let most = (many..=few).rev().find(|&most| all(most) <= FACES).unwrap_or(many);
    let mut left = FACES;
    groups
        .iter()
        .map(|group| {
            let shown = &group[..group.len().min(most).min(left)];
            left -= shown.len();
            shown
        })
        .collect()
}

fn folder(link: &str) -> &str {
    link.rsplit_once('/').map_or(link, |(folder, _)| folder)
}
