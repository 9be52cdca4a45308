//! Which people are trained on, which choose thresholds, which are scored, and by which pairs.

use std::path::Path;

use facenet_cluster::Dendrogram;
use facenet_data::{FaceSet, escape_path};
use facenet_metrics::balanced_pairs;

use crate::dataset::labelled_faces::{Dataset, LabelledFaces};
use crate::error::Error;

/// A data set of three groups, with pairs drawn from those that are not learned from.
pub(super) fn with_balanced_pairs(name: String, groups: [LabelledFaces; 3], seed: u64) -> Result<Dataset, Error> {
    let [training, validation, unseen] = groups;
    let validation_pairs = balanced_pairs(&validation.identities, seed)?;
    let unseen_pairs = balanced_pairs(&unseen.identities, seed)?;
    Ok(Dataset { name, training, validation, unseen, validation_pairs, unseen_pairs })
}

/// How many of the training people are left out of learning: a tenth, but at least 4 and at most 400; of fewer than twelve
/// people a third, but at least 2. Four people with ten pictures each make 180 pairs of the same person, enough to place
/// a threshold; everyone more is one less to learn from.
pub(super) fn validation_people(people: usize) -> usize {
    (people / 10).clamp(4, 400).min(people / 3).max(2)
}

/// Someone in a group needs two pictures, else nobody can be recognised there. `source` is what the group comes from.
pub(super) fn check_second_picture(group: &'static str, set: &FaceSet, source: &Path) -> Result<(), Error> {
    if (0..set.people.len()).any(|person| set.images_of(person).len() >= 2) {
        return Ok(());
    }
    let [first, last] = [set.people.first(), set.people.last()].map(|name| name.cloned().unwrap_or_default());
    Err(Error::NoSecondPicture { dataset: escape_path(source), group, first, last })
}

/// The most pairs of the same person that are scored.
const UNSEEN_PAIRS: usize = 10_000_000;

/// That the unseen people can be scored at all: found out before the network is trained.
pub(super) fn check_unseen(set: &FaceSet, dataset: &Path) -> Result<(), Error> {
    let pictures = |person| set.images_of(person).len();
    let pairs = (0..set.people.len()).map(|person| pictures(person) * (pictures(person) - 1) / 2).sum();
    for (what, found, limit) in [
        ("pictures", set.images.len(), Dendrogram::MAX_EMBEDDINGS),
        ("pairs of pictures of the same person", pairs, UNSEEN_PAIRS),
    ] {
        if found > limit {
            return Err(Error::TooManyUnseen { dataset: escape_path(dataset), what, found, limit });
        }
    }
    Ok(())
}

/// The most pictures of one validation person: some of LFW's have a hundred, and would outweigh everyone in the pairs.
const VALIDATION_PICTURES: usize = 10;

/// The first pictures of each person, at most [`VALIDATION_PICTURES`].
pub(super) fn first_pictures(set: &FaceSet) -> FaceSet {
    let mut first = FaceSet { people: set.people.clone(), images: Vec::new(), identities: Vec::new() };
    for person in 0..set.people.len() {
        for picture in set.images_of(person).take(VALIDATION_PICTURES) {
            first.images.push(set.images[picture].clone());
            first.identities.push(person);
        }
    }
    first
}
