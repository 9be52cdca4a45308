//! Enrolled people, and who of them a face is nearest to.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// Probes compared in one piece of parallel work.
const PROBE_ROWS: usize = 64;

/// People with the embeddings of their pictures.
#[derive(Clone, Debug)]
pub struct Gallery {
    identities: Vec<usize>,
    embeddings: Array2<f32>,
}

/// How far a face is from an enrolled person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The person.
    pub person: usize,
    /// The nearest picture of this person.
    pub picture: usize,
    /// The squared distance of its embedding.
    pub squared_distance: f32,
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
    /// If the shapes disagree.
    #[must_use]
    #[track_caller]
    pub fn new(embeddings: Array2<f32>, identities: Vec<usize>) -> Self {
        assert_eq!(embeddings.nrows(), identities.len(), "an identity for each embedding");
        Self { identities, embeddings }
    }

    /// All enrolled people as seen from each probe, the nearest first; of equally near ones the lowest number. The distance of
    /// a person is that of the nearest picture (the paper's nearest-neighbour classification).
    ///
    /// ```text
    /// d(p, g) = |p - g|²      of the picture of which 2 - 2 <p, g> is least
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
    pub fn candidates(&self, probes: ArrayView2<'_, f32>) -> Vec<Vec<Candidate>> {
        assert_eq!(probes.ncols(), self.embeddings.ncols(), "numbers per embedding of probes and of the gallery");
        let blocks: Vec<_> = probes.axis_chunks_iter(Axis(0), PROBE_ROWS).collect();
        let candidates = blocks.into_par_iter().flat_map_iter(|block| {
            let products = block.dot(&self.embeddings.t());
            let probes = block.outer_iter().zip(products.outer_iter());
            probes.map(|(probe, products)| self.ranked(probe, products)).collect::<Vec<_>>()
        });
        candidates.collect()
    }

    /// The nearest picture of each person, by the products of one probe with all pictures.
    fn ranked(&self, probe: ArrayView1<'_, f32>, products: ArrayView1<'_, f32>) -> Vec<Candidate> {
        let mut nearest: BTreeMap<usize, Candidate> = BTreeMap::new();
        for (picture, (&person, &product)) in self.identities.iter().zip(products).enumerate() {
            let candidate = Candidate { person, picture, squared_distance: (2.0 - 2.0 * product).max(0.0) };
            let entry = nearest.entry(person).or_insert(candidate);
            if candidate.squared_distance < entry.squared_distance {
                *entry = candidate;
            }
        }
        let mut ranked: Vec<Candidate> = nearest.into_values().collect();
        // The product of an embedding with itself is not 1 to the last bit, but its difference is 0.
        for candidate in &mut ranked {
            let difference = &self.embeddings.row(candidate.picture) - &probe;
            candidate.squared_distance = difference.dot(&difference);
        }
        ranked.sort_by(|one, other| one.squared_distance.total_cmp(&other.squared_distance));
        ranked
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_person_is_as_near_as_the_nearest_picture() {
        let pictures = array![[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [-1.0, 0.0], [0.0, 1.0]];
        let gallery = Gallery::new(pictures, vec![7, 2, 7, 3, 9]);
        let candidates = gallery.candidates(array![[0.8_f32, 0.6], [-1.0, 0.0]].view());
        let found: Vec<Vec<(usize, usize)>> = candidates
            .iter()
            .map(|ranked| ranked.iter().map(|candidate| (candidate.person, candidate.picture)).collect())
            .collect();
        assert_eq!(found, [[(7, 2), (2, 1), (9, 4), (3, 3)], [(3, 3), (2, 1), (9, 4), (7, 2)]]);
        assert!((candidates[0][0].squared_distance - 0.08).abs() < 1e-6);
        assert_eq!(candidates[1][0].squared_distance, 0.0);
    }

    #[test]
    fn what_is_enrolled_is_at_no_distance() {
        let angles = (0..100).map(|angle| angle as f32 / 16.0);
        let pictures = Array2::from_shape_vec((100, 2), angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect());
        let pictures = pictures.unwrap();
        let candidates = Gallery::new(pictures.clone(), (0..100).collect()).candidates(pictures.view());
        for (row, candidates) in candidates.iter().enumerate() {
            assert_eq!(candidates[0], Candidate { person: row, picture: row, squared_distance: 0.0 });
        }
    }

    #[test]
    fn nobody_is_enrolled_and_nobody_is_asked_for() {
        let empty = Gallery::new(Array2::zeros((0, 2)), Vec::new());
        assert_eq!(empty.candidates(array![[1.0_f32, 0.0]].view()), [[]]);
        assert!(empty.candidates(Array2::zeros((0, 2)).view()).is_empty());
    }
}
