//! The clusters of agglomerative clustering, as contact sheets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use facenet_training::Run;
use maud::{Markup, html};

use crate::page::text::{MAX_NAME, count, images, shortened};
use crate::report::thumbnails::Thumbnails;

/// Limit on the images shown of a cluster's main person, and on those of others.
const MAX_SHOWN: usize = 60;

/// Limit on the other clusters of a person that are listed.
const MAX_LISTED: usize = 4;

/// A cluster and the people in it.
struct Group {
    /// The images of the main person, then those of others.
    images: Vec<usize>,
    /// The main person: the most frequent one.
    person: usize,
    /// Number of images of the main person in this cluster.
    own: usize,
    /// Number of images of the main person in all clusters.
    total: usize,
    /// Some of the other clusters with images of the main person.
    elsewhere: Vec<usize>,
    /// Number of all such clusters.
    clusters_elsewhere: usize,
}

impl Group {
    /// Number of images of others.
    fn misplaced(&self) -> usize {
        self.images.len() - self.own
    }

    /// The images that fit on a sheet, and whether each is misplaced.
    fn shown(&self) -> impl Iterator<Item = (usize, bool)> {
        let (own, others) = self.images.split_at(self.own);
        let shown = |images: &[usize], misplaced| {
            images.iter().take(MAX_SHOWN).map(|&image| (image, misplaced)).collect::<Vec<_>>()
        };
        shown(own, false).into_iter().chain(shown(others, true))
    }

    /// Whether it consists of all images of one person.
    fn is_complete(&self) -> bool {
        self.misplaced() == 0 && self.clusters_elsewhere == 0
    }
}

/// Which images do not show the main person of their cluster.
pub(super) fn misplaced(clusters: &[usize], identities: &[usize]) -> Vec<bool> {
    let mut misplaced = vec![false; clusters.len()];
    for group in groups(clusters, identities) {
        group.images[group.own..].iter().for_each(|&image| misplaced[image] = true);
    }
    misplaced
}

/// The clusters in order. Of several equally frequent people the first is the main person.
fn groups(clusters: &[usize], identities: &[usize]) -> Vec<Group> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    // The clusters and the number of images of each person.
    let mut people: BTreeMap<usize, (BTreeSet<usize>, usize)> = BTreeMap::new();
    for (image, (&cluster, &person)) in clusters.iter().zip(identities).enumerate() {
        members.entry(cluster).or_default().push(image);
        let (clusters, total) = people.entry(person).or_default();
        clusters.insert(cluster);
        *total += 1;
    }
    let group = |(cluster, mut images): (usize, Vec<usize>)| {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        images.iter().for_each(|&image| *counts.entry(identities[image]).or_default() += 1);
        let main = counts.into_iter().min_by_key(|&(person, own)| (Reverse(own), person));
        let (person, own) = main.expect("a cluster has images");
        images.sort_by_key(|&image| (identities[image] != person, identities[image], image));
        let (clusters, total) = &people[&person];
        let elsewhere = clusters.iter().copied().filter(|&other| other != cluster).take(MAX_LISTED).collect();
        Group { images, person, own, total: *total, elsewhere, clusters_elsewhere: clusters.len() - 1 }
    };
    members.into_iter().map(group).collect()
}

/// Contact sheets: clusters with errors first, then complete ones, the largest of each first.
/// Misplaced images are crossed.
pub(super) fn section(run: &Run, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let (clusters, unseen) = (&run.embeddings.clusters, &run.dataset.unseen);
    let groups = groups(clusters, &unseen.identities);
    let (single, mut several): (Vec<usize>, Vec<usize>) =
        (0..groups.len()).partition(|&cluster| groups[cluster].images.len() == 1);
    several.sort_by_key(|&cluster| {
        let group = &groups[cluster];
        (group.is_complete(), Reverse(group.images.len()), cluster)
    });
    let complete = groups.iter().filter(|group| group.is_complete()).count();
    let (mut sheets_with_errors, mut complete_sheets, mut hidden) = (Vec::new(), Vec::new(), 0);
    for &cluster in &several {
        let group = &groups[cluster];
        match sheet(cluster, group, run, thumbnails) {
            Some(sheet) if group.is_complete() => complete_sheets.push(sheet),
            Some(sheet) => sheets_with_errors.push(sheet),
            None => hidden += 1,
        }
    }
    let single_faces: Vec<Markup> = single
        .iter()
        .map_while(|&cluster| {
            let group = &groups[cluster];
            face(group.images[0], (!group.is_complete()).then_some(("+", "has more images elsewhere")), thumbnails)
        })
        .collect();
    let hidden_single = single.len() - single_faces.len();
    html! {
        section {
            h2 { "Clusters" }
            p {
                "Average linkage, cut at a squared distance of "
                (format!("{:.3}", run.report.embeddings.clustering.agglomerative.squared_distance))
                " and given neither names nor the number of people, grouped " (images(unseen.identities.len())) " of "
                (count(unseen.people.len(), "person", "people")) " into " (count(groups.len(), "cluster", "clusters")) ". "
                (count(complete, "cluster is", "clusters are")) " complete: all images of one person and of nobody else. "
                "A crossed image does not show the most frequent person of its cluster."
            }
            @if !sheets_with_errors.is_empty() {
                h3 { "Clusters with errors" }
                .sheets { @for sheet in &sheets_with_errors { (sheet) } }
            }
            @if !complete_sheets.is_empty() {
                h3 { "Complete clusters" }
                .sheets.small { @for sheet in &complete_sheets { (sheet) } }
            }
            @if hidden > 0 {
                p.order { (count(hidden, "more cluster is", "more clusters are")) " not shown, to limit the size of this page." }
            }
            @if !single.is_empty() {
                h3 { "Clusters of one image: " (single.len()) }
                p.order {
                    "+ marks people with more images."
                    @if hidden_single > 0 { " " (count(hidden_single, "is", "are")) " not shown, to limit the size of this page." }
                }
                .sheet { .faces { @for face in &single_faces { (face) } } }
            }
        }
    }
}

/// The images of a cluster. `None` if the thumbnail budget is used up.
fn sheet(cluster: usize, group: &Group, run: &Run, thumbnails: &mut Thumbnails<'_>) -> Option<Markup> {
    let faces: Vec<Markup> = group
        .shown()
        .map_while(|(image, misplaced)| face(image, misplaced.then_some(("✕", "another person")), thumbnails))
        .collect();
    if faces.is_empty() {
        return None;
    }
    let hidden = group.images.len() - faces.len();
    Some(html! {
        figure class=(if group.is_complete() { "sheet" } else { "sheet mixed" }) {
            figcaption {
                strong { "Cluster " (cluster + 1) ": " (shortened(&run.dataset.unseen.people[group.person], MAX_NAME)) }
                ", " (group.own) " of " (images(group.total))
                @if group.clusters_elsewhere > 0 { "; the rest in " (cluster_list(&group.elsewhere, group.clusters_elsewhere)) }
                @if group.misplaced() > 0 { "; " (images(group.misplaced())) " of others" }
            }
            .faces { @for face in &faces { (face) } }
            @if hidden > 0 { p.order { (count(hidden, "more image is", "more images are")) " not shown." } }
        }
    })
}

/// The first of `total` clusters, numbered from 1.
fn cluster_list(clusters: &[usize], total: usize) -> String {
    let listed: Vec<String> = clusters.iter().map(|cluster| (cluster + 1).to_string()).collect();
    let more = if total > clusters.len() { format!(" and {} more", total - clusters.len()) } else { String::new() };
    format!("{} {}{more}", if total == 1 { "cluster" } else { "clusters" }, listed.join(", "))
}

/// An image with an optional mark and its meaning. `None` if the thumbnail budget is used up.
fn face(image: usize, mark: Option<(&str, &str)>, thumbnails: &mut Thumbnails<'_>) -> Option<Markup> {
    let image = thumbnails.image(image)?;
    Some(html! {
        @if let Some((mark, meaning)) = mark {
            span.face.wrong title=(meaning) { (image) span.cross role="img" aria-label=(meaning) { (mark) } }
        } @else {
            span.face { (image) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_lists_are_short() {
        assert_eq!(cluster_list(&[4], 1), "cluster 5");
        assert_eq!(cluster_list(&[0, 2, 4, 6], 6), "clusters 1, 3, 5, 7 and 2 more");
    }

    #[test]
    fn the_main_person_of_a_cluster_is_the_most_frequent_one() {
        //                0  1  2  3  4  5  6  7  8
        let identities = [0, 0, 0, 1, 1, 1, 2, 2, 3];
        let clusters = [0, 0, 1, 0, 2, 2, 2, 3, 4];
        let groups = groups(&clusters, &identities);
        let found: Vec<_> =
            groups.iter().map(|group| (group.person, group.own, group.misplaced(), &group.elsewhere[..])).collect();
        let expected: [(usize, usize, usize, &[usize]); 5] =
            [(0, 2, 1, &[1]), (0, 1, 0, &[0]), (1, 2, 1, &[0]), (2, 1, 0, &[2]), (3, 1, 0, &[])];
        assert_eq!(found, expected);
        assert_eq!(groups.iter().map(Group::is_complete).collect::<Vec<_>>(), [false, false, false, false, true]);
        assert_eq!(groups[2].images, [4, 5, 6]);
        let wrong: Vec<usize> = (0..9).filter(|&image| misplaced(&clusters, &identities)[image]).collect();
        assert_eq!(wrong, [3, 6]);
    }
}
