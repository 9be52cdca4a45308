//! People who do not exist.

use std::sync::atomic::{AtomicUsize, Ordering};

use facenet_data::SyntheticFaces;
use facenet_recognition::FaceSource;
use ndarray::Array4;
use rayon::prelude::*;

use crate::dataset::division::with_balanced_pairs;
use crate::dataset::images::{Progress, check_memory};
use crate::dataset::labelled_faces::{Dataset, LabelledFaces};
use crate::error::Error;

/// How many synthetic people there are, and how many pictures of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyntheticSize {
    /// People to train on: numbers 0 to this.
    pub training_people: usize,
    /// Pictures of each of them.
    pub training_pictures: usize,
    /// People to choose thresholds on: the numbers behind those of the training people.
    pub validation_people: usize,
    /// People who stay unseen: the numbers behind those.
    pub unseen_people: usize,
    /// Pictures of each validation and each unseen person.
    pub pictures: usize,
}

impl SyntheticSize {
    /// Few people: shows that everything works, not how well.
    pub const QUICK: Self =
        Self { training_people: 30, training_pictures: 6, validation_people: 10, unseen_people: 10, pictures: 5 };
}

impl Default for SyntheticSize {
    /// 2,000 people with 6 pictures each to train on, 60 with 10 each to validate on, 60 with 10 each unseen.
    fn default() -> Self {
        Self { training_people: 2000, training_pictures: 6, validation_people: 60, unseen_people: 60, pictures: 10 }
    }
}

/// Picture 3 of person 401 is `person-0401/3`, and the portrait of those numbers.
pub(super) fn load(
    counts: &SyntheticSize,
    size: [usize; 2],
    seed: u64,
    progress: Progress<'_>,
) -> Result<Dataset, Error> {
    let SyntheticSize { training_people, training_pictures, validation_people, unseen_people, pictures } = *counts;
    let dataset = || "the synthetic data set".to_owned();
    if [training_people, validation_people, unseen_people].into_iter().any(|people| people < 2) {
        let people = training_people.saturating_add(validation_people).saturating_add(unseen_people);
        return Err(Error::TooFewPeople { dataset: dataset(), people });
    }
    let mut next: usize = 0;
    let mut group = |name, people, per_person| {
        let first = next;
        next = next.saturating_add(people);
        Group { name, first, people, per_person }
    };
    let groups = [
        group("training", training_people, training_pictures),
        group("validation", validation_people, pictures),
        group("unseen", unseen_people, pictures),
    ];
    for group in &groups {
        group.check(dataset)?;
    }

    let all = groups.iter().map(Group::pictures).fold(0, usize::saturating_add);
    check_memory(all, size)?;
    let painted = AtomicUsize::new(0);
    let told = || {
        let count = painted.fetch_add(1, Ordering::Relaxed) + 1;
        progress.iter().for_each(|told| told(count, all));
    };
    let world = SyntheticFaces::new(seed);
    with_balanced_pairs("synthetic".to_owned(), groups.map(|group| group.paint(&world, size, &told)), seed)
}

/// Consecutive people.
struct Group {
    name: &'static str,
    first: usize,
    people: usize,
    per_person: usize,
}

impl Group {
    /// Two pictures of each.
    fn check(&self, dataset: impl Fn() -> String) -> Result<(), Error> {
        if self.per_person < 2 {
            return Err(Error::NoSecondPicture {
                dataset: dataset(),
                group: self.name,
                first: name(self.first),
                last: name(self.first + self.people - 1),
            });
        }
        Ok(())
    }

    fn pictures(&self) -> usize {
        self.people.saturating_mul(self.per_person)
    }

    fn paint(&self, world: &SyntheticFaces, size: [usize; 2], told: &(dyn Fn() + Sync)) -> LabelledFaces {
        let [height, width] = size;
        let mut faces = Array4::zeros((self.pictures(), height, width, 3));
        let numbers =
            (0..self.pictures()).into_par_iter().map(|index| (index / self.per_person, index % self.per_person));
        faces.outer_iter_mut().into_par_iter().zip(numbers).for_each(|(mut face, (person, picture))| {
            face.assign(&world.portrait((self.first + person) as u64, picture as u64, size));
            told();
        });
        let people: Vec<String> = (self.first..self.first + self.people).map(name).collect();
        let pictures =
            people.iter().flat_map(|person| (0..self.per_person).map(move |picture| format!("{person}/{picture}")));
        LabelledFaces {
            faces,
            identities: (0..self.pictures()).map(|index| index / self.per_person).collect(),
            pictures: pictures.collect(),
            sources: vec![FaceSource::Synthetic; self.pictures()],
            people,
        }
    }
}

fn name(person: usize) -> String {
    format!("person-{person:04}")
}
