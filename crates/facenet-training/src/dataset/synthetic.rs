//! Synthetic people.

use std::sync::atomic::{AtomicUsize, Ordering};

use facenet_data::SyntheticFaces;
use facenet_recognition::FaceSource;
use ndarray::Array4;
use rayon::prelude::*;

use crate::dataset::image_folder::{LoadProgress, check_memory};
use crate::dataset::labeled_faces::{Dataset, LabeledFaces};
use crate::dataset::split::with_balanced_pairs;
use crate::error::Error;

/// Number of synthetic people, and of images of each. People are numbered from 0: first the training
/// people, then the validation people, then the unseen people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyntheticSize {
    /// People to train on.
    pub training_people: usize,
    /// Images of each training person.
    pub training_images: usize,
    /// People to choose thresholds on.
    pub validation_people: usize,
    /// People to score.
    pub unseen_people: usize,
    /// Images of each validation and each unseen person.
    pub images: usize,
}

impl SyntheticSize {
    /// A quick check that everything works, too small for meaningful scores.
    pub const QUICK: Self =
        Self { training_people: 30, training_images: 6, validation_people: 10, unseen_people: 10, images: 5 };
}

impl Default for SyntheticSize {
    /// 2,000 training people with 6 images each, 60 validation and 60 unseen people with 10 each.
    fn default() -> Self {
        Self { training_people: 2000, training_images: 6, validation_people: 60, unseen_people: 60, images: 10 }
    }
}

/// Image 3 of person 401 is called `person-0401/3`.
pub(super) fn load(
    counts: &SyntheticSize,
    size: [usize; 2],
    seed: u64,
    progress: LoadProgress<'_>,
) -> Result<Dataset, Error> {
    let SyntheticSize { training_people, training_images, validation_people, unseen_people, images } = *counts;
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
        group("training", training_people, training_images),
        group("validation", validation_people, images),
        group("unseen", unseen_people, images),
    ];
    for group in &groups {
        group.check(dataset)?;
    }

    let all = groups.iter().map(Group::images).fold(0, usize::saturating_add);
    check_memory(all, size)?;
    let done = AtomicUsize::new(0);
    let report = || {
        let count = done.fetch_add(1, Ordering::Relaxed) + 1;
        progress.iter().for_each(|callback| callback(count, all));
    };
    let world = SyntheticFaces::new(seed);
    with_balanced_pairs("synthetic".to_owned(), groups.map(|group| group.render(&world, size, &report)), seed)
}

/// Consecutive people.
struct Group {
    name: &'static str,
    first: usize,
    people: usize,
    per_person: usize,
}

impl Group {
    /// Checks for two images of each person.
    fn check(&self, dataset: impl Fn() -> String) -> Result<(), Error> {
        if self.per_person < 2 {
            return Err(Error::NoSecondImage {
                dataset: dataset(),
                group: self.name,
                first: name(self.first),
                last: name(self.first + self.people - 1),
            });
        }
        Ok(())
    }

    fn images(&self) -> usize {
        self.people.saturating_mul(self.per_person)
    }

    fn render(&self, world: &SyntheticFaces, size: [usize; 2], report: &(dyn Fn() + Sync)) -> LabeledFaces {
        let [height, width] = size;
        let mut faces = Array4::zeros((self.images(), height, width, 3));
        let numbers =
            (0..self.images()).into_par_iter().map(|index| (index / self.per_person, index % self.per_person));
        faces.outer_iter_mut().into_par_iter().zip(numbers).for_each(|(mut face, (person, image))| {
            face.assign(&world.portrait((self.first + person) as u64, image as u64, size));
            report();
        });
        let people: Vec<String> = (self.first..self.first + self.people).map(name).collect();
        let images =
            people.iter().flat_map(|person| (0..self.per_person).map(move |image| format!("{person}/{image}")));
        LabeledFaces {
            faces,
            identities: (0..self.images()).map(|index| index / self.per_person).collect(),
            images: images.collect(),
            sources: vec![FaceSource::Synthetic; self.images()],
            people,
        }
    }
}

fn name(person: usize) -> String {
    format!("person-{person:04}")
}
