//! View 1 of Labeled Faces in the Wild.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use facenet_data::{Crop, FaceSet, PairList, PeopleList};
use facenet_metrics::Pair;

use super::{Dataset, Progress, load_sets};
use crate::Error;

pub(super) fn load(folder: &Path, crop: &Crop, size: [usize; 2], progress: Progress<'_>) -> Result<Dataset, Error> {
    let (images, lists) = (folder.join("images"), folder.join("protocol"));
    for path in [&images, &lists] {
        if !path.is_dir() {
            return Err(facenet_data::Error::MissingDirectory { path: path.clone() }.into());
        }
    }
    let group = |people: &str, pairs: &str| -> Result<(FaceSet, Vec<Pair>), Error> {
        let people = PeopleList::read(&lists.join(people))?;
        let pairs = PairList::read(&lists.join(pairs))?;
        let set = FaceSet::from_people_list(&people, &images)?;
        let pairs = pairs_within(&set, &people.path, &pairs)?;
        Ok((set, pairs))
    };
    let (training, training_pairs) = group("peopleDevTrain.txt", "pairsDevTrain.txt")?;
    let (unseen, unseen_pairs) = group("peopleDevTest.txt", "pairsDevTest.txt")?;
    let [training, unseen] = load_sets([training, unseen], &images, crop, size, progress)?;
    Ok(Dataset { name: "lfw".to_owned(), training, unseen, training_pairs, unseen_pairs })
}

/// The listed pairs as positions in a set whose pictures are 1, 2, 3 of each person.
fn pairs_within(set: &FaceSet, people: &Path, list: &PairList) -> Result<Vec<Pair>, Error> {
    let pictures_of: BTreeMap<&str, Range<usize>> =
        set.people.iter().enumerate().map(|(person, name)| (name.as_str(), set.pictures_of(person))).collect();
    let positions = list.pictures.iter().map(|picture| {
        let of_person = pictures_of.get(picture.person.as_str()).cloned().unwrap_or_default();
        of_person.clone().nth(picture.number - 1).ok_or_else(|| Error::PairOutside {
            list: list.path.clone(),
            line: picture.line,
            person: picture.person.clone(),
            number: picture.number,
            people: people.to_owned(),
        })
    });
    let positions: Vec<usize> = positions.collect::<Result<_, _>>()?;
    let pair = |pair: &facenet_data::Pair| Pair {
        first: positions[pair.left],
        second: positions[pair.right],
        same: pair.same,
    };
    Ok(list.pairs.iter().map(pair).collect())
}
