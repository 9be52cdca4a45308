//! The groups that agglomerative clustering found, as contact sheets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::thumbnails::Thumbnails;
use super::{Report, count};

/// The most pictures in a sheet of the cluster's person, and the most of others.
const SHOWN_OF_A_KIND: usize = 60;

/// A cluster, and who is in it.
struct Group {
    /// Pictures of the commonest person, then those of others.
    pictures: Vec<usize>,
    /// The commonest person.
    person: usize,
    /// How many pictures show them.
    right: usize,
    /// The other clusters with pictures of this person.
    elsewhere: Vec<usize>,
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
        self.strangers() == 0 && self.elsewhere.is_empty()
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
    let mut clusters_of: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (picture, (&cluster, &person)) in clusters.iter().zip(identities).enumerate() {
        members.entry(cluster).or_default().push(picture);
        clusters_of.entry(person).or_default().insert(cluster);
    }
    let group = |(cluster, mut pictures): (usize, Vec<usize>)| {
        let mut people: BTreeMap<usize, usize> = BTreeMap::new();
        pictures.iter().for_each(|&picture| *people.entry(identities[picture]).or_default() += 1);
        let commonest = people.into_iter().min_by_key(|&(person, right)| (Reverse(right), person));
        let (person, right) = commonest.expect("a cluster has pictures");
        pictures.sort_by_key(|&picture| (identities[picture] != person, identities[picture], picture));
        let elsewhere = clusters_of[&person].iter().copied().filter(|&other| other != cluster).collect();
        Group { pictures, person, right, elsewhere }
    };
    members.into_iter().map(group).collect()
}

/// Contact sheets: clusters with mistakes first, then the others, the largest of each first; pictures of the wrong person
/// are crossed.
pub(super) fn section(report: &Report<'_>, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let (clusters, unseen) = (&report.embeddings.clusters, report.unseen);
    let groups = groups(clusters, &unseen.identities);
    let (alone, mut together): (Vec<usize>, Vec<usize>) =
        (0..groups.len()).partition(|&cluster| groups[cluster].pictures.len() == 1);
    together.sort_by_key(|&cluster| {
        let group = &groups[cluster];
        (group.is_whole(), Reverse(group.pictures.len()), cluster)
    });
    let whole = groups.iter().filter(|group| group.is_whole()).count();
    let mut pictures = 0;
    let mut fits = |cluster: &usize| {
        pictures += groups[*cluster].shown().count();
        thumbnails.room_for(pictures)
    };
    let shown = together.iter().take_while(|cluster| fits(cluster)).count();
    let shown_alone = if shown < together.len() { 0 } else { alone.iter().take_while(|cluster| fits(cluster)).count() };
    html! {
        section {
            h2 { "Who belongs together?" }
            p {
                "Told no names and no number of people, only that groups nearer than "
                (format!("{:.3}", report.run.embeddings.clustering.agglomerative.squared_distance))
                " on average belong together, it put " (count(unseen.identities.len(), "picture", "pictures")) " of "
                (count(unseen.people.len(), "person", "people")) " into " (count(groups.len(), "cluster", "clusters")) ". "
                (count(whole, "person is", "people are")) " found whole: all their pictures in one cluster, and nobody else's. "
                "A crossed picture does not show the person whom most of its cluster shows."
            }
            @let (mixed, wholes) = together[..shown].split_at(together[..shown].partition_point(|&cluster| !groups[cluster].is_whole()));
            @if !mixed.is_empty() {
                h3 { "Not whole" }
                .sheets { @for &cluster in mixed { (sheet(cluster, &groups[cluster], report, thumbnails)) } }
            }
            @if !wholes.is_empty() {
                h3 { "Whole" }
                .sheets.small { @for &cluster in wholes { (sheet(cluster, &groups[cluster], report, thumbnails)) } }
            }
            @if shown < together.len() {
                p.order { (count(together.len() - shown, "more cluster is", "more clusters are")) " not shown, to keep this page small." }
            }
            @if !alone.is_empty() {
                h3 { "Alone in their cluster: " (count(alone.len(), "picture", "pictures")) }
                p.order {
                    "Crossed, if there are more pictures of the same person."
                    @if shown_alone < alone.len() { " " (count(alone.len() - shown_alone, "is", "are")) " not shown, to keep this page small." }
                }
                .sheet {
                    .faces {
                        @for &cluster in &alone[..shown_alone] {
                            (face(groups[cluster].pictures[0], !groups[cluster].is_whole(), thumbnails))
                        }
                    }
                }
            }
        }
    }
}

fn sheet(cluster: usize, group: &Group, report: &Report<'_>, thumbnails: &mut Thumbnails<'_>) -> Markup {
    let all = report.unseen.identities.iter().filter(|&&identity| identity == group.person).count();
    html! {
        figure class=(if group.is_whole() { "sheet" } else { "sheet mixed" }) {
            figcaption {
                strong { "Cluster " (cluster + 1) ": " (report.unseen.people[group.person]) }
                ", " (group.right) " of " (count(all, "picture", "pictures"))
                @if !group.elsewhere.is_empty() { "; the rest in " (numbers(&group.elsewhere)) }
                @if group.strangers() > 0 { "; " (count(group.strangers(), "picture", "pictures")) " of others" }
            }
            .faces {
                @for (picture, wrong) in group.shown() { (face(picture, wrong, thumbnails)) }
            }
            @let hidden = group.pictures.len() - group.shown().count();
            @if hidden > 0 { p.order { (count(hidden, "more picture is", "more pictures are")) " not shown." } }
        }
    }
}

/// Clusters by their numbers, the first few.
fn numbers(clusters: &[usize]) -> String {
    const NAMED: usize = 4;
    let named: Vec<String> = clusters.iter().take(NAMED).map(|cluster| (cluster + 1).to_string()).collect();
    let more = if clusters.len() > NAMED { format!(" and {} more", clusters.len() - NAMED) } else { String::new() };
    format!("{} {}{more}", if clusters.len() == 1 { "cluster" } else { "clusters" }, named.join(", "))
}

fn face(picture: usize, wrong: bool, thumbnails: &mut Thumbnails<'_>) -> Markup {
    html! {
        @if wrong {
            span.face.wrong title="wrong" { (thumbnails.picture(picture)) span.cross aria-label="wrong" { "✕" } }
        } @else {
            span.face { (thumbnails.picture(picture)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_clusters_are_named() {
        assert_eq!(numbers(&[4]), "cluster 5");
        assert_eq!(numbers(&[0, 2, 4, 6, 8, 9]), "clusters 1, 3, 5, 7 and 2 more");
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
