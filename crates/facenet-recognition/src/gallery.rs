//! Identification: enrolled people and the search among them.

use std::collections::BTreeMap;

use facenet_metrics::Calibration;
use facenet_neighbors::{PreparedRows, VoteWinner, Votes};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::error::Error;

/// Number of probes per parallel task.
const PROBE_ROWS: usize = 64;

/// Enrolled people with the embeddings of their images.
#[derive(Clone, Debug)]
pub struct Gallery {
    images: PreparedRows<'static, f32>,
    /// The identity of each image.
    identities: Vec<usize>,
    /// The rows of each identity.
    people: BTreeMap<usize, Vec<usize>>,
}

/// The result of a search for a probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identification {
    /// The identity with the nearest image; ties by the lowest identity.
    pub nearest: usize,
    /// The row of that image.
    pub image: usize,
    /// The squared distance of its embedding.
    pub squared_distance: f32,
    /// The most probable answer. `None` without a calibration.
    pub posterior: Option<Posterior>,
}

/// Posterior probabilities of an identification.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// The most probable identity.
    pub person: usize,
    /// The probability that the probe shows that person: see [`Calibration::posteriors`].
    pub probability: f64,
    /// The probability that the probe shows none of the enrolled people.
    pub unknown: f64,
}

impl Gallery {
    /// Enrolls people: `identities` holds the identity of each row of `embeddings`.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`, rows of unit length; `identities`: `[n]`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFiniteEmbedding`].
    ///
    /// # Panics
    ///
    /// If the shapes disagree or nobody is enrolled.
    #[track_caller]
    pub fn new(embeddings: Array2<f32>, identities: &[usize]) -> Result<Self, Error> {
        assert_eq!(embeddings.nrows(), identities.len(), "rows of embeddings, identities");
        assert!(!identities.is_empty(), "nobody is enrolled");
        let mut people: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, &person) in identities.iter().enumerate() {
            people.entry(person).or_default().push(row);
        }
        Ok(Self { images: PreparedRows::new(embeddings)?, identities: identities.to_vec(), people })
    }

    /// Number of people enrolled.
    #[must_use]
    pub fn people_count(&self) -> usize {
        self.people.len()
    }

    /// Compares each probe with all enrolled images, on all threads of the current pool; the result
    /// does not depend on their number.
    ///
    /// # Shapes
    ///
    /// `probes`: `[m, dimension]`, rows of unit length; the result: `[m]`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFiniteEmbedding`].
    ///
    /// # Panics
    ///
    /// If the dimensions differ.
    #[track_caller]
    pub fn identify(
        &self,
        probes: ArrayView2<'_, f32>,
        calibration: Option<&Calibration>,
    ) -> Result<Vec<Identification>, Error> {
        let probes = self.prepare(probes)?;
        let tasks = (0..probes.len().div_ceil(PROBE_ROWS)).into_par_iter().flat_map_iter(|task| {
            let rows = task * PROBE_ROWS..probes.len().min((task + 1) * PROBE_ROWS);
            let mut distances = vec![0.0; rows.len() * self.images.len()];
            probes.squared_distances_block(&self.images, rows, 0..self.images.len(), &mut distances);
            let of_probes = distances.chunks_exact(self.images.len());
            of_probes.map(|distances| self.search(distances, calibration)).collect::<Vec<_>>()
        });
        Ok(tasks.collect())
    }

    /// k-NN classification: the identity that most of the `neighbors` images nearest to each probe vote
    /// for, among those up to a squared distance; `None` if there are none. One image, one vote; ties go
    /// to the identity with the nearest image, of equally near ones that enrolled first.
    ///
    /// # Shapes
    ///
    /// `probes`: `[m, dimension]`, rows of unit length; the result: `[m]`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFiniteEmbedding`].
    ///
    /// # Panics
    ///
    /// If the dimensions differ, or `neighbors` is 0.
    #[track_caller]
    pub fn classify(
        &self,
        probes: ArrayView2<'_, f32>,
        neighbors: usize,
        threshold: f32,
    ) -> Result<Vec<Option<VoteWinner>>, Error> {
        assert!(neighbors > 0, "a classification by 0 neighbors");
        let nearest = self.images.k_nearest(&self.prepare(probes)?, neighbors);
        Ok(nearest.vote(&self.identities, Votes::Plain, threshold))
    }

    #[track_caller]
    fn prepare<'p>(&self, probes: ArrayView2<'p, f32>) -> Result<PreparedRows<'p, f32>, Error> {
        let (own, other) = (self.images.rows().ncols(), probes.ncols());
        assert!(own == other, "a gallery of dimension {own} and probes of dimension {other}");
        Ok(PreparedRows::new(probes)?)
    }

    /// The result for a probe, given its squared distances to all images.
    fn search(&self, distances: &[f32], calibration: Option<&Calibration>) -> Identification {
        let images = self.people.iter().flat_map(|(&person, rows)| rows.iter().map(move |&row| (person, row)));
        let (nearest, image) = images
            .min_by(|(_, one), (_, other)| distances[*one].total_cmp(&distances[*other]))
            .expect("somebody is enrolled");
        let posterior = calibration.map(|calibration| {
            let of_person = |rows: &Vec<usize>| rows.iter().map(|&row| distances[row].into()).collect();
            let posteriors = calibration.posteriors(&self.people.values().map(of_person).collect::<Vec<Vec<f64>>>());
            let unknown = (1.0 - posteriors.iter().sum::<f64>()).max(0.0);
            let people = self.people.keys().zip(posteriors);
            // Ties go to the first.
            let most_probable = |best: (usize, f64), (&person, probability): (&usize, f64)| {
                if probability > best.1 { (person, probability) } else { best }
            };
            let (person, probability) = people.fold((nearest, 0.0), most_probable);
            Posterior { person, probability, unknown }
        });
        Identification { nearest, image, squared_distance: distances[image], posterior }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_person_is_as_near_as_their_nearest_image() {
        let images = array![[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [-1.0, 0.0], [0.0, 1.0]];
        let gallery = Gallery::new(images, &[7, 2, 7, 3, 9]).unwrap();
        let probes = array![[0.8_f32, 0.6], [-1.0, 0.0], [0.0, 1.0]];
        let found = gallery.identify(probes.view(), None).unwrap();
        let nearest: Vec<_> = found.iter().map(|found| (found.nearest, found.image)).collect();
        assert_eq!(nearest, [(7, 2), (3, 3), (2, 1)], "ties go to the lowest identity");
        assert!((found[0].squared_distance - 0.08).abs() < 1e-6);
        assert_eq!(found[1].squared_distance, 0.0);
        assert!(found.iter().all(|found| found.posterior.is_none()));
        assert!(gallery.identify(Array2::zeros((0, 2)).view(), None).unwrap().is_empty());
    }

    #[test]
    fn the_nearest_images_vote() {
        let images = array![[1.0, 0.0], [0.96, 0.28], [0.96, -0.28], [0.0, 1.0]];
        let gallery = Gallery::new(images, &[7, 2, 2, 3]).unwrap();
        let probes = array![[1.0_f32, 0.0], [0.0, -1.0]];
        let votes = |neighbors, threshold| gallery.classify(probes.view(), neighbors, threshold).unwrap();
        let winner = |identity, vote_count| Some(VoteWinner { identity, vote_count });
        assert_eq!(votes(1, 4.0), [winner(7, 1), winner(2, 1)]);
        assert_eq!(votes(2, 4.0), [winner(7, 1), winner(2, 1)], "ties go to the nearest image");
        assert_eq!(votes(3, 4.0), [winner(2, 2), winner(2, 2)]);
        assert_eq!(votes(100, 0.05), [winner(7, 1), None], "images beyond the threshold have no vote");
        assert_eq!([votes(3, f32::NAN), votes(3, -1.0)], [[None; 2]; 2]);
    }

    #[test]
    fn an_enrolled_image_is_at_distance_zero() {
        let angles = (0..100).map(|angle| angle as f32 / 16.0);
        let images = Array2::from_shape_vec((100, 2), angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect());
        let images = images.unwrap();
        let people: Vec<usize> = (0..100).collect();
        for (row, found) in
            Gallery::new(images.clone(), &people).unwrap().identify(images.view(), None).unwrap().iter().enumerate()
        {
            assert_eq!((found.nearest, found.image, found.squared_distance), (row, row, 0.0));
        }
    }

    #[test]
    fn posteriors_depend_on_the_number_of_people_enrolled() {
        let calibration = Calibration { threshold: 1.0, slope: 10.0 };
        let probe = array![[0.6_f32, 0.8, 0.0]];
        // At squared distance 0.8 the likelihood ratio is 7.4.
        let near = [1.0, 0.0, 0.0];
        let far = [0.0, 0.0, 1.0];
        let one = Gallery::new(array![near], &[0]).unwrap().identify(probe.view(), Some(&calibration)).unwrap()[0]
            .posterior
            .unwrap();
        assert!((one.probability - calibration.probability(0.8)).abs() < 1e-6);
        assert!((one.probability + one.unknown - 1.0).abs() < 1e-12);
        let people: Vec<usize> = (0..20).collect();
        let mut images = Array2::from_shape_fn((20, 3), |(_, column)| far[column]);
        images.row_mut(5).assign(&ndarray::aview1(&near));
        let many =
            Gallery::new(images.clone(), &people).unwrap().identify(probe.view(), Some(&calibration)).unwrap()[0];
        let posterior = many.posterior.unwrap();
        assert_eq!((many.nearest, posterior.person), (5, 5));
        assert!(posterior.probability < 0.3 && posterior.unknown > 0.7, "{posterior:?}");
        // As images of a single person they make that person no more probable.
        let same = Gallery::new(images, &[0; 20]).unwrap().identify(probe.view(), Some(&calibration)).unwrap()[0]
            .posterior
            .unwrap();
        assert!(same.probability < posterior.probability + 0.01, "{same:?}");
    }
}
