use crate::error::Error;
use facenet_neighbors::{NotFinite, PreparedRows};
use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Probes per unit of parallel work.
const PROBE_ROWS: usize = 64;
/// Enrolled embeddings per matrix product.
const GALLERY_ROWS: usize = 2048;

/// Embeddings with their identities.
#[derive(Clone, Copy, Debug)]
pub struct LabeledEmbeddings<'a> {
    /// `[images, dimension]`.
    pub embeddings: ArrayView2<'a, f32>,
    /// One identity per image.
    pub identities: &'a [usize],
}

impl LabeledEmbeddings<'_> {
    #[track_caller]
    fn assert_consistent(&self) {
        let (shape, labels) = (self.embeddings.shape(), self.identities.len());
        assert_eq!(shape[0], labels, "embeddings of shape {shape:?} with {labels} identities");
    }
}

/// The mate of a probe: the enrolled identity that is its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mate {
    /// 1 + the number of other identities that are at most as far away; ties count against the
    /// probe.
    pub rank: usize,
    /// Squared distance to the mate's nearest image.
    pub squared_distance: f32,
}

/// The result of searching the gallery for one probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchOutcome {
    /// Identity of the nearest enrolled image, ties to the smallest identity.
    pub nearest_identity: usize,
    /// Its squared distance.
    pub nearest_squared_distance: f32,
    /// The probe's mate, if its identity is enrolled.
    pub mate: Option<Mate>,
}

/// The outcomes of all searches. At least one probe is mated.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResults {
    /// Number of distinct identities in the gallery.
    pub enrolled_identities: usize,
    /// One outcome per probe, in the order of the probes.
    pub outcomes: Vec<SearchOutcome>,
}

/// Open-set identification rates at one threshold. The answer to a probe is the nearest identity,
/// or "unknown" if it is farther than the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OpenSetRates {
    /// Largest squared distance that is answered with an identity.
    pub threshold: f64,
    /// Fraction of mated probes found at rank 1 and within the threshold (DIR, also TPIR).
    pub detection_and_identification_rate: f64,
    /// Fraction of mated probes answered with "unknown".
    pub unknown_rate: f64,
    /// Fraction of non-mated probes answered with an identity (FPIR). `None` without such probes.
    pub false_positive_identification_rate: Option<f64>,
}

/// Summary of identification scores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IdentificationReport {
    /// Number of probes.
    pub probes: usize,
    /// Number of distinct identities in the gallery.
    pub enrolled_identities: usize,
    /// Fraction of mated probes whose mate ranks first.
    pub rank1: f64,
    /// Fraction of mated probes whose mate ranks among the first five.
    pub rank5: f64,
    /// Rates with an "unknown" answer.
    pub open_set: OpenSetRates,
}

/// Searches the gallery exhaustively for each probe.
///
/// The distance of an identity is that of its nearest image. Distances are those of
/// [`PreparedRows`]; results are the same on any number of threads.
///
/// # Shapes
///
/// Gallery and probes: `[images, dimension]` with the same dimension, and one identity per image.
///
/// # Errors
///
/// [`Error::EmptyGallery`]; [`Error::NotFiniteGallery`] and [`Error::NotFiniteProbe`] for rows
/// whose squared norm is not finite; [`Error::NoMatedProbes`] if no probe's identity is enrolled.
///
/// # Panics
///
/// Panics if the shapes disagree.
#[track_caller]
pub fn search(gallery: LabeledEmbeddings<'_>, probes: LabeledEmbeddings<'_>) -> Result<SearchResults, Error> {
    gallery.assert_consistent();
    probes.assert_consistent();
    let (enrolled, probe) = (gallery.embeddings.shape(), probes.embeddings.shape());
    assert_eq!(enrolled[1], probe[1], "a gallery of shape {enrolled:?}, probes of shape {probe:?}");
    if gallery.identities.is_empty() {
        return Err(Error::EmptyGallery);
    }
    let enrolled =
        PreparedRows::new(gallery.embeddings).map_err(|NotFinite { row }| Error::NotFiniteGallery { row })?;
    let searched = PreparedRows::new(probes.embeddings).map_err(|NotFinite { row }| Error::NotFiniteProbe { row })?;

    // Dense indices in the order of the identities.
    let mut dense: BTreeMap<usize, usize> = gallery.identities.iter().map(|&identity| (identity, 0)).collect();
    dense.values_mut().enumerate().for_each(|(index, value)| *value = index);
    let identities: Vec<usize> = dense.keys().copied().collect();
    let gallery_indices: Vec<usize> = gallery.identities.iter().map(|identity| dense[identity]).collect();
    if !probes.identities.iter().any(|identity| dense.contains_key(identity)) {
        return Err(Error::NoMatedProbes);
    }

    let blocks: Vec<Vec<SearchOutcome>> = (0..probes.identities.len().div_ceil(PROBE_ROWS))
        .into_par_iter()
        .map(|block| {
            let rows = block * PROBE_ROWS..probes.identities.len().min((block + 1) * PROBE_ROWS);
            // nearest[row * identities + index]: squared distance of an identity to a probe.
            let mut nearest = vec![f32::INFINITY; rows.len() * identities.len()];
            let mut distances = Vec::new();
            for start in (0..enrolled.len()).step_by(GALLERY_ROWS) {
                let columns = start..enrolled.len().min(start + GALLERY_ROWS);
                distances.resize(rows.len() * columns.len(), 0.0);
                searched.squared_distances_block(&enrolled, rows.clone(), columns.clone(), &mut distances);
                let of_rows = distances.chunks_exact(columns.len());
                for (distances, best) in of_rows.zip(nearest.chunks_exact_mut(identities.len())) {
                    for (&index, &distance) in gallery_indices[columns.clone()].iter().zip(distances) {
                        best[index] = best[index].min(distance);
                    }
                }
            }
            rows.zip(nearest.chunks_exact(identities.len()))
                .map(|(row, distances)| outcome(distances, &identities, dense.get(&probes.identities[row]).copied()))
                .collect()
        })
        .collect();
    Ok(SearchResults { enrolled_identities: identities.len(), outcomes: blocks.concat() })
}

fn outcome(distances: &[f32], identities: &[usize], mate: Option<usize>) -> SearchOutcome {
    let mut nearest = 0;
    for (index, &distance) in distances.iter().enumerate() {
        if distance < distances[nearest] {
            nearest = index;
        }
    }
    SearchOutcome {
        nearest_identity: identities[nearest],
        nearest_squared_distance: distances[nearest],
        // The count includes the mate itself, which is the 1 of the rank.
        mate: mate.map(|mate| Mate {
            rank: distances.iter().filter(|&&distance| distance <= distances[mate]).count(),
            squared_distance: distances[mate],
        }),
    }
}

impl SearchOutcome {
    /// The nearest identity, or `None` ("unknown") if it is farther than the threshold.
    pub fn identity_within(&self, threshold: f64) -> Option<usize> {
        (f64::from(self.nearest_squared_distance) <= threshold).then_some(self.nearest_identity)
    }
}

impl SearchResults {
    fn mates(&self) -> impl Iterator<Item = &Mate> {
        self.outcomes.iter().filter_map(|outcome| outcome.mate.as_ref())
    }

    /// Fraction of mated probes whose mate is among the `rank` nearest identities.
    pub fn identification_rate(&self, rank: usize) -> f64 {
        self.mates().filter(|mate| mate.rank <= rank).count() as f64 / self.mates().count() as f64
    }

    /// The cumulative match characteristic (CMC): [`SearchResults::identification_rate`] at ranks
    /// 1, 2, .. `max_rank`.
    pub fn cumulative_match_characteristic(&self, max_rank: usize) -> Vec<f64> {
        (1..=max_rank).map(|rank| self.identification_rate(rank)).collect()
    }

    /// Open-set identification rates at a threshold.
    ///
    /// ```text
    /// DIR(t)  = #{mated: rank = 1, distance of the mate <= t} / mated
    /// FPIR(t) = #{non-mated: nearest distance <= t} / non-mated
    /// ```
    ///
    /// Source: the definitions of NIST's FRVT 1:N reports and of ISO/IEC 19795-1, with distances in
    /// place of similarity scores.
    pub fn open_set_rates(&self, threshold: f64) -> OpenSetRates {
        let fraction = |count: usize, of: usize| count as f64 / of as f64;
        let mated = self.mates().count();
        let non_mated = self.outcomes.len() - mated;
        let detected =
            self.mates().filter(|mate| mate.rank == 1 && f64::from(mate.squared_distance) <= threshold).count();
        let answered = |mated: bool| {
            let of_kind = self.outcomes.iter().filter(move |outcome| outcome.mate.is_some() == mated);
            of_kind.filter(|outcome| outcome.identity_within(threshold).is_some()).count()
        };
        OpenSetRates {
            threshold,
            detection_and_identification_rate: fraction(detected, mated),
            unknown_rate: fraction(mated - answered(true), mated),
            false_positive_identification_rate: (non_mated > 0).then(|| fraction(answered(false), non_mated)),
        }
    }

    /// All scores in one record, open-set rates at the given threshold.
    pub fn report(&self, threshold: f64) -> IdentificationReport {
        IdentificationReport {
            probes: self.outcomes.len(),
            enrolled_identities: self.enrolled_identities,
            rank1: self.identification_rate(1),
            rank5: self.identification_rate(5),
            open_set: self.open_set_rates(threshold),
        }
    }
}
