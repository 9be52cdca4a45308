//! The split into training, validation and unseen people, and the pairs of each group.

use std::path::Path;

use facenet_cluster::Dendrogram;
use facenet_data::{FaceSet, escape_path};
use facenet_metrics::balanced_pairs;

use crate::dataset::labeled_faces::{Dataset, LabeledFaces};
use crate::error::Error;

/// A data set of three groups, with balanced pairs of the validation and the unseen group.
pub(super) fn with_balanced_pairs(name: String, groups: [LabeledFaces; 3], seed: u64) -> Result<Dataset, Error> {
    let [training, validation, unseen] = groups;
    let validation_pairs = balanced_pairs(&validation.identities, seed)?;
    let unseen_pairs = balanced_pairs(&unseen.identities, seed)?;
    Ok(Dataset { name, training, validation, unseen, validation_pairs, unseen_pairs })
}

/// Number of validation people: a tenth of `people`, at least 4 and at most 400; below twelve
/// people a third, at least 2. Four people with ten images each give 180 genuine pairs, enough to
/// place a threshold; each further person is one less to train on.
pub(super) fn validation_people(people: usize) -> usize {
    (people / 10).clamp(4, 400).min(people / 3).max(2)
}

/// Checks that someone in a group has two images, so that the group has a genuine pair. `source` is
/// the group's folder or list.
pub(super) fn check_second_image(group: &'static str, set: &FaceSet, source: &Path) -> Result<(), Error> {
    if (0..set.people.len()).any(|person| set.images_of(person).len() >= 2) {
        return Ok(());
    }
    let [first, last] = [set.people.first(), set.people.last()].map(|name| name.cloned().unwrap_or_default());
    Err(Error::NoSecondImage { dataset: escape_path(source), group, first, last })
}

/// Maximum number of genuine pairs of unseen people.
const UNSEEN_PAIRS: usize = 10_000_000;

/// Checks before training that the unseen people can be scored.
pub(super) fn check_unseen(set: &FaceSet, dataset: &Path) -> Result<(), Error> {
    let images = |person| set.images_of(person).len();
    let pairs = (0..set.people.len()).map(|person| images(person) * (images(person) - 1) / 2).sum();
    for (what, found, limit) in
        [("images", set.images.len(), Dendrogram::MAX_EMBEDDINGS), ("genuine pairs", pairs, UNSEEN_PAIRS)]
    {
        if found > limit {
            return Err(Error::TooManyUnseen { dataset: escape_path(dataset), what, found, limit });
        }
    }
    Ok(())
}

/// Maximum number of images per validation person: some people of LFW have a hundred and would
/// dominate the pairs.
const VALIDATION_IMAGES: usize = 10;

/// The first images of each person, at most [`VALIDATION_IMAGES`].
pub(super) fn first_images(set: &FaceSet) -> FaceSet {
    let mut first = FaceSet { people: set.people.clone(), images: Vec::new(), identities: Vec::new() };
    for person in 0..set.people.len() {
        for image in set.images_of(person).take(VALIDATION_IMAGES) {
            first.images.push(set.images[image].clone());
            first.identities.push(person);
        }
    }
    first
}
