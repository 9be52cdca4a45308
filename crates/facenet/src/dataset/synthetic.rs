//! People who do not exist.

use std::sync::atomic::{AtomicUsize, Ordering};

use facenet_data::{DEFAULT_MEMORY_LIMIT, SyntheticFaces};
use ndarray::Array4;
use rayon::prelude::*;

use super::{Dataset, LabelledFaces, Progress, with_balanced_pairs};
use crate::Error;

/// How many synthetic people there are, and how many pictures of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyntheticSize {
    /// People to train on: numbers 0 to this.
    pub training_people: usize,
    /// Pictures of each of them.
    pub training_pictures: usize,
    /// People who stay unseen: the numbers behind those of the training people.
    pub unseen_people: usize,
    /// Pictures of each of them.
    pub unseen_pictures: usize,
}

impl Default for SyntheticSize {
    /// 400 people with 12 pictures each to train on, 60 with 10 each unseen.
    fn default() -> Self {
        Self { training_people: 400, training_pictures: 12, unseen_people: 60, unseen_pictures: 10 }
    }
}

/// Picture 3 of person 401 is `person-0401/3`, and the portrait of those numbers.
pub(super) fn load(
    counts: &SyntheticSize,
    size: [usize; 2],
    seed: u64,
    progress: Progress<'_>,
) -> Result<Dataset, Error> {
    let SyntheticSize { training_people, training_pictures, unseen_people, unseen_pictures } = *counts;
    let dataset = || "the synthetic data set".to_owned();
    if training_people < 2 || unseen_people < 2 {
        return Err(Error::TooFewPeople { dataset: dataset(), training: training_people, unseen: unseen_people });
    }
    let groups = [
        Group { side: "a training", first: 0, people: training_people, per_person: training_pictures },
        Group { side: "an unseen", first: training_people, people: unseen_people, per_person: unseen_pictures },
    ];
    for group in &groups {
        group.check(size, dataset)?;
    }

    let all = groups[0].pictures() + groups[1].pictures();
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
    side: &'static str,
    first: usize,
    people: usize,
    per_person: usize,
}

impl Group {
    /// Two pictures of each that fit in memory.
    fn check(&self, [height, width]: [usize; 2], dataset: impl Fn() -> String) -> Result<(), Error> {
        if self.per_person < 2 {
            return Err(Error::NoSecondPicture {
                dataset: dataset(),
                side: self.side,
                first: name(self.first),
                last: name(self.first + self.people - 1),
            });
        }
        let bytes = [self.people, self.per_person, height, width, 3]
            .iter()
            .try_fold(1_u64, |product, &count| product.checked_mul(count as u64));
        if bytes.is_none_or(|bytes| bytes > DEFAULT_MEMORY_LIMIT) {
            let pictures = self.people.saturating_mul(self.per_person);
            let limit = DEFAULT_MEMORY_LIMIT;
            return Err(facenet_data::Error::FacesOverMemory { pictures, height, width, limit }.into());
        }
        Ok(())
    }

    fn pictures(&self) -> usize {
        self.people * self.per_person
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
            people,
        }
    }
}

fn name(person: usize) -> String {
    format!("person-{person:04}")
}
