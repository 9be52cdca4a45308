//! View 1 of Labeled Faces in the Wild.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use facenet_data::{CoordinateSystem, FaceSet, LandmarkList, PairList, PeopleList};
use facenet_metrics::Pair;

use crate::dataset::folder;
use crate::dataset::image_folder::{ImageFolder, Request, exists, load_sets};
use crate::dataset::labeled_faces::Dataset;
use crate::dataset::split::{check_second_image, check_unseen, validation_people, with_balanced_pairs};
use crate::error::Error;

/// File name of LFW's landmarks, in pixels of the originals.
const LANDMARKS: &str = "lfw_landmark_5pt_mtcnn_raw250.txt";

/// Loads the originals, or their central 160 x 160 pixels.
pub(super) fn load(folder: &Path, request: Request<'_>, seed: u64) -> Result<Dataset, Error> {
    load_view_1("lfw", folder, landmarks(folder)?, request, seed)
}

/// The landmarks of the originals, if present. An error if the images are funneled.
pub(crate) fn landmarks(folder: &Path) -> Result<Option<LandmarkList>, Error> {
    let images = folder.join("images");
    // `images` may be a link whose target's name says what it holds; the name of the data folder
    // itself does not count.
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
    Ok(if exists(&list)? { Some(LandmarkList::read(&list)?) } else { None })
}

/// Loads the funneled images, which have no landmarks.
pub(super) fn load_funneled(folder: &Path, request: Request<'_>, seed: u64) -> Result<Dataset, Error> {
    for name in [LANDMARKS, folder::LANDMARKS] {
        let list = folder.join(name);
        if exists(&list)? {
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
    let training_list = PeopleList::read(&lists.join("peopleDevTrain.txt"))?;
    let unseen_list = PeopleList::read(&lists.join("peopleDevTest.txt"))?;
    check_disjoint(&training_list, &unseen_list)?;
    let [training, validation] = split(&FaceSet::from_people_list(&training_list, &images)?, &training_list.path)?;
    let unseen = FaceSet::from_people_list(&unseen_list, &images)?;
    check_second_image("unseen", &unseen, &unseen_list.path)?;
    check_unseen(&unseen, &unseen_list.path)?;
    let unseen_pairs = pairs_within(&unseen, &unseen_list.path, &PairList::read(&lists.join("pairsDevTest.txt"))?)?;

    let sets = [training, validation, unseen];
    let image_folder = ImageFolder { root: &images, landmarks, coordinates: CoordinateSystem::Lfw, detector: None };
    let dataset = with_balanced_pairs(name.to_owned(), load_sets(sets, &image_folder, request)?, seed)?;
    Ok(Dataset { unseen_pairs, ..dataset })
}

/// Checks that nobody is listed both for training and as unseen.
fn check_disjoint(training: &PeopleList, unseen: &PeopleList) -> Result<(), Error> {
    let names: BTreeSet<&str> = training.people.iter().map(|person| person.name.as_str()).collect();
    match unseen.people.iter().find(|person| names.contains(person.name.as_str())) {
        None => Ok(()),
        Some(person) => Err(Error::SeenAndUnseen {
            person: person.name.clone(),
            training: training.path.clone(),
            unseen: unseen.path.clone(),
        }),
    }
}

/// Splits off the last people as validation people.
fn split(set: &FaceSet, list: &Path) -> Result<[FaceSet; 2], Error> {
    let people = set.people.len();
    let training = people.saturating_sub(validation_people(people));
    if training < 2 {
        return Err(Error::TooFewListed { list: list.to_owned(), people });
    }
    let sets = [set.subset(0..training), set.subset(training..people)];
    check_second_image("training", &sets[0], list)?;
    check_second_image("validation", &sets[1], list)?;
    Ok(sets)
}

/// The listed pairs as indices into a set that has images 1, 2, 3, .. of each person.
fn pairs_within(set: &FaceSet, people: &Path, list: &PairList) -> Result<Vec<Pair>, Error> {
    let images_of: BTreeMap<&str, Range<usize>> =
        set.people.iter().enumerate().map(|(person, name)| (name.as_str(), set.images_of(person))).collect();
    let positions = list.images.iter().map(|image| {
        let of_person = images_of.get(image.person.as_str()).cloned().unwrap_or_default();
        of_person.clone().nth(image.number - 1).ok_or_else(|| Error::PairOutside {
            list: list.path.clone(),
            line: image.line,
            person: image.person.clone(),
            number: image.number,
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
