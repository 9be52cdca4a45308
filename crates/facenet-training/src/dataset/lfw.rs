//! View 1 of Labeled Faces in the Wild.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use facenet_data::{CoordinateSystem, FaceSet, LandmarkList, PairList, PeopleList};
use facenet_metrics::Pair;

use crate::dataset::division::{check_second_picture, check_unseen, validation_people, with_balanced_pairs};
use crate::dataset::folder;
use crate::dataset::images::{Pictures, Request, is_there, load_sets};
use crate::dataset::labelled_faces::Dataset;
use crate::error::Error;

/// The landmarks of LFW's pictures, in pixels of the originals.
const LANDMARKS: &str = "lfw_landmark_5pt_mtcnn_raw250.txt";

/// The originals, or their middle.
pub(super) fn load(folder: &Path, request: Request<'_>, seed: u64) -> Result<Dataset, Error> {
    load_view_1("lfw", folder, landmarks(folder)?, request, seed)
}

/// The landmarks of the originals, if they are there and the pictures are no others.
pub(crate) fn landmarks(folder: &Path) -> Result<Option<LandmarkList>, Error> {
    let images = folder.join("images");
    // The folder may be a link to the one that tells by its name what it holds. What the data folder is called tells nothing.
    let canonical = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (target, data) = (canonical(&images), canonical(folder.parent().unwrap_or(folder)));
    if target
        .strip_prefix(data)
        .unwrap_or(&target)
        .iter()
        .any(|part| part.to_string_lossy().to_ascii_lowercase().contains("funneled"))
    {
        return Err(Error::FunneledAsOriginals { images, target });
    }
    let list = folder.join(LANDMARKS);
    Ok(if is_there(&list)? { Some(LandmarkList::read(&list)?) } else { None })
}

/// The funneled pictures, which have no landmarks.
pub(super) fn load_funneled(folder: &Path, request: Request<'_>, seed: u64) -> Result<Dataset, Error> {
    for name in [LANDMARKS, folder::LANDMARKS] {
        let list = folder.join(name);
        if is_there(&list)? {
            return Err(Error::FunneledLandmarks { list });
        }
    }
    load_view_1("lfw-funneled", folder, None, request, seed)
}

fn load_view_1(
    name: &str,
    folder: &Path,
    landmarks: Option<LandmarkList>,
    request: Request<'_>,
    seed: u64,
) -> Result<Dataset, Error> {
    let (images, lists) = (folder.join("images"), folder.join("protocol"));
    for path in [&images, &lists] {
        if !path.is_dir() {
            return Err(facenet_data::Error::MissingFolder { path: path.clone() }.into());
        }
    }
    let learned = PeopleList::read(&lists.join("peopleDevTrain.txt"))?;
    let people = PeopleList::read(&lists.join("peopleDevTest.txt"))?;
    check_disjoint(&learned, &people)?;
    let [training, validation] = divide(&FaceSet::from_people_list(&learned, &images)?, &learned.path)?;
    let unseen = FaceSet::from_people_list(&people, &images)?;
    check_second_picture("unseen", &unseen, &people.path)?;
    check_unseen(&unseen, &people.path)?;
    let unseen_pairs = pairs_within(&unseen, &people.path, &PairList::read(&lists.join("pairsDevTest.txt"))?)?;

    let sets = [training, validation, unseen];
    let pictures = Pictures { root: &images, landmarks, coordinates: CoordinateSystem::Lfw };
    let dataset = with_balanced_pairs(name.to_owned(), load_sets(sets, &pictures, request)?, seed)?;
    Ok(Dataset { unseen_pairs, ..dataset })
}

/// That nobody to learn from is among those who stay unseen.
fn check_disjoint(learned: &PeopleList, unseen: &PeopleList) -> Result<(), Error> {
    let names: BTreeSet<&str> = learned.people.iter().map(|person| person.name.as_str()).collect();
    match unseen.people.iter().find(|person| names.contains(person.name.as_str())) {
        None => Ok(()),
        Some(person) => Err(Error::SeenAndUnseen {
            person: person.name.clone(),
            training: learned.path.clone(),
            unseen: unseen.path.clone(),
        }),
    }
}

/// The last people apart from the others, to validate on.
fn divide(learned: &FaceSet, list: &Path) -> Result<[FaceSet; 2], Error> {
    let people = learned.people.len();
    let training = people.saturating_sub(validation_people(people));
    if training < 2 {
        return Err(Error::TooFewListed { list: list.to_owned(), people });
    }
    let sets = [learned.subset(0..training), learned.subset(training..people)];
    check_second_picture("training", &sets[0], list)?;
    check_second_picture("validation", &sets[1], list)?;
    Ok(sets)
}

/// The listed pairs as positions in a set whose pictures are 1, 2, 3 of each person.
fn pairs_within(set: &FaceSet, people: &Path, list: &PairList) -> Result<Vec<Pair>, Error> {
    let images_of: BTreeMap<&str, Range<usize>> =
        set.people.iter().enumerate().map(|(person, name)| (name.as_str(), set.images_of(person))).collect();
    let positions = list.images.iter().map(|picture| {
        let of_person = images_of.get(picture.person.as_str()).cloned().unwrap_or_default();
        of_person.clone().nth(picture.number - 1).ok_or_else(|| Error::PairOutside {
            list: list.path.clone(),
            line: picture.line,
            person: picture.person.clone(),
            number: picture.number,
            people: people.to_owned(),
        })
    });
    let positions: Vec<usize> = positions.collect::<Result<_, _>>()?;
    let pair = |pair: &facenet_data::ListedPair| Pair {
        first: positions[pair.left],
        second: positions[pair.right],
        genuine: pair.same,
    };
    Ok(list.pairs.iter().map(pair).collect())
}
