//! Enrolled people, and who of them a face shows.

use std::collections::BTreeMap;

use facenet_metrics::Calibration;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// Probes compared in one piece of parallel work.
const PROBE_ROWS: usize = 64;

/// People with the embeddings of their pictures.
#[derive(Clone, Debug)]
pub struct Gallery {
    embeddings: Array2<f32>,
    /// The people, and the rows of their pictures.
    people: BTreeMap<usize, Vec<usize>>,
}

/// What a search among enrolled people finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identification {
    /// The person with the nearest picture; of equally near ones the lowest number.
    pub nearest: usize,
    /// That picture.
    pub image: usize,
    /// The squared distance of its embedding.
    pub squared_distance: f32,
    /// How likely which answer is, if it is known what distances mean.
    pub posterior: Option<Posterior>,
}

/// The most likely person, against nobody of all enrolled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// The person.
    pub person: usize,
    /// How likely the probe shows that person: see [`Calibration::posteriors`].
    pub probability: f64,
    /// How likely it shows nobody of those enrolled.
    pub unknown: f64,
}

impl Gallery {
    /// Enrols people: `identities` says who is on each picture.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`, rows of unit length; `identities`: `[n]`.
    ///
    /// # Panics
    ///
    /// If the shapes disagree, or nobody is enrolled.
    #[must_use]
    #[track_caller]
    pub fn new(embeddings: Array2<f32>, identities: &[usize]) -> Self {
        assert_eq!(embeddings.nrows(), identities.len(), "an identity for each embedding");
        assert!(!identities.is_empty(), "nobody is enrolled");
        let mut people: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, &person) in identities.iter().enumerate() {
            people.entry(person).or_default().push(row);
        }
        Self { embeddings, people }
    }

    /// Compares each probe with all enrolled pictures, on all threads; the result does not depend on their number.
    ///
    /// ```text
    /// d(p, g) = max(0, 2 - 2 <p, g>)        of the nearest picture in the end |p - g|²
    /// ```
    ///
    /// # Shapes
    ///
    /// `probes`: `[m, dimension]`, rows of unit length; the result `[m]`.
    ///
    /// # Panics
    ///
    /// If the dimensions differ.
    #[must_use]
    #[track_caller]
    pub fn identify(&self, probes: ArrayView2<'_, f32>, calibration: Option<&Calibration>) -> Vec<Identification> {
        assert_eq!(probes.ncols(), self.embeddings.ncols(), "numbers per embedding of probes and of the gallery");
        let blocks: Vec<_> = probes.axis_chunks_iter(Axis(0), PROBE_ROWS).collect();
        let found = blocks.into_par_iter().flat_map_iter(|block| {
            let products = block.dot(&self.embeddings.t());
            let probes = block.outer_iter().zip(products.outer_iter());
            probes.map(|(probe, products)| self.judge(probe, products, calibration)).collect::<Vec<_>>()
        });
        found.collect()
    }

    /// By the products of one probe with all pictures.
    fn judge(
        &self,
        probe: ArrayView1<'_, f32>,
        products: ArrayView1<'_, f32>,
        calibration: Option<&Calibration>,
    ) -> Identification {
        let distances = products.mapv(|product| (2.0 - 2.0 * product).max(0.0));
        let pictures = self.people.iter().flat_map(|(&person, rows)| rows.iter().map(move |&row| (person, row)));
        let (nearest, picture) = pictures
            .min_by(|(_, one), (_, other)| distances[*one].total_cmp(&distances[*other]))
            .expect("somebody is enrolled");
        let likely = calibration.map(|calibration| {
            let of_person = |rows: &Vec<usize>| rows.iter().map(|&row| distances[row].into()).collect();
            let posteriors = calibration.posteriors(&self.people.values().map(of_person).collect::<Vec<Vec<f64>>>());
            let nobody = (1.0 - posteriors.iter().sum::<f64>()).max(0.0);
            let people = self.people.keys().zip(posteriors);
            // Of equally likely ones the first.
            let likeliest = |best: (usize, f64), (&person, probability): (&usize, f64)| {
                if probability > best.1 { (person, probability) } else { best }
            };
            let (person, probability) = people.fold((nearest, 0.0), likeliest);
            Posterior { person, probability, unknown: nobody }
        });
        // The product of an embedding with itself is not 1 to the last bit, but its difference is 0.
        let difference = &self.embeddings.row(picture) - &probe;
        Identification { nearest, image: picture, squared_distance: difference.dot(&difference), posterior: likely }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_person_is_as_near_as_the_nearest_picture() {
        let pictures = array![[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [-1.0, 0.0], [0.0, 1.0]];
        let gallery = Gallery::new(pictures, &[7, 2, 7, 3, 9]);
        let probes = array![[0.8_f32, 0.6], [-1.0, 0.0], [0.0, 1.0]];
        let found = gallery.identify(probes.view(), None);
        let nearest: Vec<_> = found.iter().map(|found| (found.nearest, found.image)).collect();
        assert_eq!(nearest, [(7, 2), (3, 3), (2, 1)], "of equally near people the lowest number");
        assert!((found[0].squared_distance - 0.08).abs() < 1e-6);
        assert_eq!(found[1].squared_distance, 0.0);
        assert!(found.iter().all(|found| found.posterior.is_none()));
        assert!(gallery.identify(Array2::zeros((0, 2)).view(), None).is_empty());
    }

    #[test]
    fn what_is_enrolled_is_at_no_distance() {
        let angles = (0..100).map(|angle| angle as f32 / 16.0);
        let pictures = Array2::from_shape_vec((100, 2), angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect());
        let pictures = pictures.unwrap();
        let people: Vec<usize> = (0..100).collect();
        for (row, found) in Gallery::new(pictures.clone(), &people).identify(pictures.view(), None).iter().enumerate() {
            assert_eq!((found.nearest, found.image, found.squared_distance), (row, row, 0.0));
        }
    }

    #[test]
    fn what_is_likely_depends_on_how_many_are_enrolled() {
        let calibration = Calibration { threshold: 1.0, slope: 10.0 };
        let probe = array![[0.6_f32, 0.8, 0.0]];
        // 0.8 away, where the evidence is 7.4 to one.
        let near = [1.0, 0.0, 0.0];
        let far = [0.0, 0.0, 1.0];
        let one = Gallery::new(array![near], &[0]).identify(probe.view(), Some(&calibration))[0].posterior.unwrap();
        assert!((one.probability - calibration.probability(0.8)).abs() < 1e-6);
        assert!((one.probability + one.unknown - 1.0).abs() < 1e-12);
        let people: Vec<usize> = (0..20).collect();
        let mut pictures = Array2::from_shape_fn((20, 3), |(_, column)| far[column]);
        pictures.row_mut(5).assign(&ndarray::aview1(&near));
        let many = Gallery::new(pictures.clone(), &people).identify(probe.view(), Some(&calibration))[0];
        let likely = many.posterior.unwrap();
        assert_eq!((many.nearest, likely.person), (5, 5));
        assert!(likely.probability < 0.3 && likely.unknown > 0.7, "{likely:?}");
        // The same pictures as those of one person do not make it more likely.
        let same = Gallery::new(pictures, &[0; 20]).identify(probe.view(), Some(&calibration))[0].posterior.unwrap();
        assert!(same.probability < likely.probability + 0.01, "{same:?}");
    }
}
