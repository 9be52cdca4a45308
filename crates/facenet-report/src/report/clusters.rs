//! The groups that agglomerative clustering found, as contact sheets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use facenet_training::Run;
use maud::{Markup, html};

use crate::page::text::{NAME, count, shortened};
use crate::report::thumbnails::Thumbnails;

/// The most pictures in a sheet of the cluster's person, and the most of others.
const SHOWN_OF_A_KIND: usize = 60;

/// The most clusters that are named as those where the rest of a person is.
const NAMED: usize = 4;

/// A cluster, and who is in it.
struct Group {
    /// Pictures of the commonest person, then those of others.
    pictures: Vec<usize>,
    /// The commonest person.
    person: usize,
    /// How many pictures show them.
    right: usize,
    /// How many pictures of them there are in all.
    all: usize,
    /// The first few of the other clusters with pictures of this person.
    elsewhere: Vec<usize>,
    /// How many of those there are.
    others: usize,
}

impl Group {
    fn strangers(&self) -> usize {
        self.pictures.len() - self.right
    }

    /// The pictures that a sheet has room for, and whether each is of another person.
    fn shown(&self) -> impl Iterator<Item = (usize, bool)> {
        let (right, others) = self.pictures.split_at(self.right);
        let shown = |pictures: &[usize], wrong| {
            pictures.iter().take(SHOWN_OF_A_KIND).map(|&picture| (picture, wrong)).collect::<Vec<_>>()
        };
        shown(right, false).into_iter().chain(shown(others, true))
    }

    /// Whether it is all pictures of one person and no others.
    fn is_whole(&self) -> bool {
        self.strangers() == 0 && self.others == 0
    }
}

/// Which pictures are not of their cluster's commonest person.
pub(super) fn strangers(clusters: &[usize], identities: &[usize]) -> Vec<bool> {
    let mut wrong = vec![false; clusters.len()];
    for group in groups(clusters, identities) {
        group.pictures[group.right..].iter().for_each(|&picture| wrong[picture] = true);
    }
    wrong
}

/// The clusters, by their numbers; of equally common people in one the first is its person.
fn groups(clusters: &[usize], identities: &[usize]) -> Vec<Group> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    // Of each person the clusters, and how many pictures.
    let mut people: BTreeMap<usize, (BTreeSet<usize>, usize)> = BTreeMap::new();
    for (picture, (&cluster, &person)) in clusters.iter().zip(identities).enumerate() {
        members.entry(cluster).or_default().push(picture);
        let (clusters, all) = people.entry(person).or_default();
        clusters.insert(cluster);
        *all += 1;
    }
    let group = |(cluster, mut pictures): (usize, Vec<usize>)| {
        let mut within: BTreeMap<usize, usize> = BTreeMap::new();
        pictures.iter().for_each(|&picture| *within.entry(identities[picture]).or_default() += 1);
        let commonest = within.into_iter().min_by_key(|&(person, right)| (Reverse(right), person));
        let (person, right) = commonest.expect("a cluster has pictures");
        pictures.sort_by_key(|&picture| (identities[picture] != person, identities[picture], picture));
        let (clusters, all) = &people[&person];
        let elsewhere = clusters.iter().copied().filter(|&other| other != cluster).take(NAMED).collect();
        Group { pictures, person, right, all: *all, elsewhere, others: clusters.len() - 1 }
    };
    members.into_iter().map(group).collect()
}

/// Contact sheets: clusters with mistakes first, then the others, the largest of each first; pictures of the wrong person
/// are crossed.
pub(super) fn section(run: &Run, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let (clusters, unseen) = (&run.embeddings.clusters, &run.dataset.unseen);
    let groups = groups(clusters, &unseen.identities);
    let (alone, mut together): (Vec<usize>, Vec<usize>) =
        (0..groups.len()).partition(|&cluster| groups[cluster].pictures.len() == 1);
    together.sort_by_key(|&cluster| {
        let group = &groups[cluster];
        (group.is_whole(), Reverse(group.pictures.len()), cluster)
    });
    let whole = groups.iter().filter(|group| group.is_whole()).count();
    let (mut mixed, mut wholes, mut hidden) = (Vec::new(), Vec::new(), 0);
    for &cluster in &together {
        let group = &groups[cluster];
        match sheet(cluster, group, run, thumbnails) {
            Some(sheet) if group.is_whole() => wholes.push(sheet),
            Some(sheet) => mixed.push(sheet),
            None => hidden += 1,
        }
    }
    let faces_alone: Vec<Markup> = alone
        .iter()
        .map_while(|&cluster| {
            let group = &groups[cluster];
            face(group.pictures[0], (!group.is_whole()).then_some(("+", "not all of this person")), thumbnails)
        })
        .collect();
    let hidden_alone = alone.len() - faces_alone.len();
    html! {
        section {
            h2 { "Who belongs together?" }
            p {
                "Told no names and no number of people, only that groups nearer than "
                (format!("{:.3}", run.report.embeddings.clustering.agglomerative.squared_distance))
                " on average belong together, it put " (count(unseen.identities.len(), "picture", "pictures")) " of "
                (count(unseen.people.len(), "person", "people")) " into " (count(groups.len(), "cluster", "clusters")) ". "
                (count(whole, "person is", "people are")) " found whole: all their pictures in one cluster, and nobody else's. "
                "A crossed picture does not show the commonest person of its cluster."
            }
            @if !mixed.is_empty() {
                h3 { "Not whole" }
                .sheets { @for sheet in &mixed { (sheet) } }
            }
            @if !wholes.is_empty() {
                h3 { "Whole" }
                .sheets.small { @for sheet in &wholes { (sheet) } }
            }
            @if hidden > 0 {
                p.order { (count(hidden, "more cluster is", "more clusters are")) " not shown, to keep this page small." }
            }
            @if !alone.is_empty() {
                h3 { "Alone in their cluster: " (count(alone.len(), "picture", "pictures")) }
                p.order {
                    "Marked +, if there are more pictures of the same person."
                    @if hidden_alone > 0 { " " (count(hidden_alone, "is", "are")) " not shown, to keep this page small." }
                }
                .sheet { .faces { @for face in &faces_alone { (face) } } }
            }
        }
    }
}

/// A cluster's pictures; none if there is no room for any.
fn sheet(cluster: usize, group: &Group, run: &Run, thumbnails: &mut Thumbnails<'_>) -> Option<Markup> {
    let faces: Vec<Markup> = group
        .shown()
        .map_while(|(picture, wrong)| face(picture, wrong.then_some(("✕", "another person")), thumbnails))
        .collect();
    if faces.is_empty() {
        return None;
    }
    let hidden = group.pictures.len() - faces.len();
    Some(html! {
        figure class=(if group.is_whole() { "sheet" } else { "sheet mixed" }) {
            figcaption {
                strong { "Cluster " (cluster + 1) ": " (shortened(&run.dataset.unseen.people[group.person], NAME)) }
                ", " (group.right) " of " (count(group.all, "picture", "pictures"))
                @if group.others > 0 { "; the rest in " (numbers(&group.elsewhere, group.others)) }
                @if group.strangers() > 0 { "; " (count(group.strangers(), "picture", "pictures")) " of others" }
            }
            .faces { @for face in &faces { (face) } }
            @if hidden > 0 { p.order { (count(hidden, "more picture is", "more pictures are")) " not shown." } }
        }
    })
}

/// Clusters by their numbers: the first ones, of so many.
fn numbers(clusters: &[usize], of: usize) -> String {
    let named: Vec<String> = clusters.iter().map(|cluster| (cluster + 1).to_string()).collect();
    let more = if of > clusters.len() { format!(" and {} more", of - clusters.len()) } else { String::new() };
    format!("{} {}{more}", if of == 1 { "cluster" } else { "clusters" }, named.join(", "))
}

/// A picture with a mark and what it means; none if there is no room for it.
fn face(picture: usize, mark: Option<(&str, &str)>, thumbnails: &mut Thumbnails<'_>) -> Option<Markup> {
    let picture = thumbnails.picture(picture)?;
    Some(html! {
        @if let Some((mark, meaning)) = mark {
            span.face.wrong title=(meaning) { (picture) span.cross role="img" aria-label=(meaning) { (mark) } }
        } @else {
            span.face { (picture) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_clusters_are_named() {
        assert_eq!(numbers(&[4], 1), "cluster 5");
        assert_eq!(numbers(&[0, 2, 4, 6], 6), "clusters 1, 3, 5, 7 and 2 more");
    }

    #[test]
    fn a_cluster_is_the_commonest_person_in_it() {
        //                0  1  2  3  4  5  6  7  8
        let identities = [0, 0, 0, 1, 1, 1, 2, 2, 3];
        let clusters = [0, 0, 1, 0, 2, 2, 2, 3, 4];
        let groups = groups(&clusters, &identities);
        let found: Vec<_> =
            groups.iter().map(|group| (group.person, group.right, group.strangers(), &group.elsewhere[..])).collect();
        let expected: [(usize, usize, usize, &[usize]); 5] =
            [(0, 2, 1, &[1]), (0, 1, 0, &[0]), (1, 2, 1, &[0]), (2, 1, 0, &[2]), (3, 1, 0, &[])];
        assert_eq!(found, expected);
        assert_eq!(groups.iter().map(Group::is_whole).collect::<Vec<_>>(), [false, false, false, false, true]);
        assert_eq!(groups[2].pictures, [4, 5, 6]);
        let wrong: Vec<usize> = (0..9).filter(|&picture| strangers(&clusters, &identities)[picture]).collect();
        assert_eq!(wrong, [3, 6]);
    }
}
