//! Data sets with a folder per person.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use facenet_data::{CoordinateSystem, FaceSet, LandmarkList, escape_path};

use crate::dataset::image_folder::{ImageFolder, Request, exists, load_sets};
use crate::dataset::labeled_faces::Dataset;
use crate::dataset::split::{check_second_image, check_unseen, validation_people, with_balanced_pairs};
use crate::error::Error;

/// Number of people in the AT&T (Olivetti) data set, in either form.
const CAMBRIDGE_PEOPLE: usize = 40;
/// Number of unseen people among them, the last ones.
const CAMBRIDGE_UNSEEN: usize = 10;

/// Loads the forty people of ORL or Olivetti.
pub(super) fn load_cambridge(name: &str, folder: &Path, request: Request<'_>, seed: u64) -> Result<Dataset, Error> {
    let set = FaceSet::from_folders(folder)?;
    let found = set.people.len();
    if found != CAMBRIDGE_PEOPLE {
        return Err(Error::PeopleCount { path: folder.to_owned(), found, expected: CAMBRIDGE_PEOPLE });
    }
    let sets = split(&set, CAMBRIDGE_UNSEEN, folder)?;
    let image_folder =
        ImageFolder { root: folder, landmarks: None, coordinates: CoordinateSystem::Image, detector: None };
    with_balanced_pairs(name.to_owned(), load_sets(sets, &image_folder, request)?, seed)
}

/// File name of the list of landmarks in a user's folder.
pub(super) const LANDMARKS: &str = "landmarks.txt";

pub(super) fn load(name: &str, folder: &Path, request: Request<'_>, seed: u64) -> Result<Dataset, Error> {
    let set = match FaceSet::from_folders(folder) {
        // A face set needs two people, a data set more.
        Err(facenet_data::Error::OnePerson { .. }) => return Err(too_few(folder, 1)),
        set => set?,
    };
    let sets = split(&set, unseen_people(set.people.len()), folder)?;
    let image_folder = ImageFolder {
        root: folder,
        landmarks: landmarks(&set, folder)?,
        coordinates: CoordinateSystem::Image,
        detector: None,
    };
    with_balanced_pairs(name.to_owned(), load_sets(sets, &image_folder, request)?, seed)
}

/// The list of landmarks in the folder, if there is one; each line must name an image.
fn landmarks(set: &FaceSet, folder: &Path) -> Result<Option<LandmarkList>, Error> {
    let path = folder.join(LANDMARKS);
    if !exists(&path)? {
        return Ok(None);
    }
    let list = LandmarkList::read(&path)?;
    let relative = |path: &PathBuf| LandmarkList::key(path.strip_prefix(folder).ok()?);
    let images: BTreeSet<String> = set.images.iter().filter_map(relative).collect();
    match list.images.iter().find(|(name, _)| !images.contains(*name)) {
        Some((name, row)) => {
            Err(facenet_data::Error::MissingImage { list: path, line: row.line, path: folder.join(name) }.into())
        }
        None => Ok(Some(list)),
    }
}

/// A quarter, rounded, at least 2.
fn unseen_people(people: usize) -> usize {
    (people.saturating_add(2) / 4).max(2)
}

/// Splits off the last `unseen` people, then the validation people.
fn split(set: &FaceSet, unseen: usize, folder: &Path) -> Result<[FaceSet; 3], Error> {
    let people = set.people.len();
    let seen = people.saturating_sub(unseen);
    let training = seen.saturating_sub(validation_people(seen));
    if training < 2 {
        return Err(too_few(folder, people));
    }
    let sets = [0..training, training..seen, seen..people].map(|people| set.subset(people));
    for (group, set) in ["training", "validation", "unseen"].into_iter().zip(&sets) {
        check_second_image(group, set, folder)?;
    }
    check_unseen(&sets[2], folder)?;
    Ok(sets)
}

fn too_few(folder: &Path, people: usize) -> Error {
    Error::TooFewPeople { dataset: escape_path(folder), people }
}

#[cfg(test)]
mod tests {
    use super::unseen_people;

    #[test]
    fn unseen_people_are_a_rounded_quarter_but_at_least_two() {
        let unseen: Vec<usize> = [4, 5, 9, 10, 12, 13, 14, 40, 101].into_iter().map(unseen_people).collect();
        assert_eq!(unseen, [2, 2, 2, 3, 3, 3, 4, 10, 25]);
    }
}
