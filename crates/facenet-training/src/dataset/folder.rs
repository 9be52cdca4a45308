//! A folder for each person.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use facenet_data::{CoordinateSystem, FaceSet, LandmarkList, escape_path};

use crate::dataset::division::{check_second_picture, check_unseen, validation_people, with_balanced_pairs};
use crate::dataset::images::{Pictures, Request, is_there, load_sets};
use crate::dataset::labelled_faces::Dataset;
use crate::error::Error;

/// People in the data set that AT&T (Olivetti) took at Cambridge, whichever form it comes in.
const CAMBRIDGE_PEOPLE: usize = 40;
/// The last of them, who stay unseen.
const CAMBRIDGE_UNSEEN: usize = 10;

/// The forty people of ORL or of Olivetti.
pub(super) fn load_cambridge(name: &str, folder: &Path, request: Request<'_>, seed: u64) -> Result<Dataset, Error> {
    let set = FaceSet::from_folders(folder)?;
    let found = set.people.len();
    if found != CAMBRIDGE_PEOPLE {
        return Err(Error::PeopleCount { path: folder.to_owned(), found, expected: CAMBRIDGE_PEOPLE });
    }
    let sets = divide(&set, CAMBRIDGE_UNSEEN, folder)?;
    let pictures = Pictures { root: folder, landmarks: None, coordinates: CoordinateSystem::Image };
    with_balanced_pairs(name.to_owned(), load_sets(sets, &pictures, request)?, seed)
}

/// The landmarks of the pictures in a folder of one's own.
pub(super) const LANDMARKS: &str = "landmarks.txt";

pub(super) fn load(name: &str, folder: &Path, request: Request<'_>, seed: u64) -> Result<Dataset, Error> {
    let set = match FaceSet::from_folders(folder) {
        // Two are enough for a set of faces, not for three groups.
        Err(facenet_data::Error::OnePerson { .. }) => return Err(too_few(folder, 1)),
        set => set?,
    };
    let sets = divide(&set, unseen_people(set.people.len()), folder)?;
    let pictures = Pictures { root: folder, landmarks: landmarks(&set, folder)?, coordinates: CoordinateSystem::Image };
    with_balanced_pairs(name.to_owned(), load_sets(sets, &pictures, request)?, seed)
}

/// The list of landmarks in the folder, if there is one; each of its lines names a picture.
fn landmarks(set: &FaceSet, folder: &Path) -> Result<Option<LandmarkList>, Error> {
    let path = folder.join(LANDMARKS);
    if !is_there(&path)? {
        return Ok(None);
    }
    let list = LandmarkList::read(&path)?;
    let pictures: BTreeSet<&Path> = set.images.iter().map(PathBuf::as_path).collect();
    match list.images.iter().find(|(name, _)| !pictures.contains(folder.join(name).as_path())) {
        Some((name, row)) => {
            Err(facenet_data::Error::MissingImage { list: path, line: row.line, path: folder.join(name) }.into())
        }
        None => Ok(Some(list)),
    }
}

/// A quarter, rounded, and at least 2.
fn unseen_people(people: usize) -> usize {
    (people.saturating_add(2) / 4).max(2)
}

/// The last people apart from the others, and some of those apart from the rest.
fn divide(set: &FaceSet, unseen: usize, folder: &Path) -> Result<[FaceSet; 3], Error> {
    let people = set.people.len();
    let learned = people.saturating_sub(unseen);
    let training = learned.saturating_sub(validation_people(learned));
    if training < 2 {
        return Err(too_few(folder, people));
    }
    let sets = [0..training, training..learned, learned..people].map(|people| set.subset(people));
    for (group, set) in ["training", "validation", "unseen"].into_iter().zip(&sets) {
        check_second_picture(group, set, folder)?;
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
    fn a_quarter_is_rounded_and_at_least_two() {
        let unseen: Vec<usize> = [4, 5, 9, 10, 12, 13, 14, 40, 101].into_iter().map(unseen_people).collect();
        assert_eq!(unseen, [2, 2, 2, 3, 3, 3, 4, 10, 25]);
    }
}
