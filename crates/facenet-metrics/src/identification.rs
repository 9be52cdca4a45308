use crate::Error;
use ndarray::{Array1, ArrayView2, Axis, s};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Probes compared in one piece of parallel work.
const PROBE_ROWS: usize = 64;
/// Enrolled embeddings compared in one matrix product.
const GALLERY_ROWS: usize = 2048;

/// Embeddings and the identity of each.
#[derive(Clone, Copy, Debug)]
pub struct LabelledEmbeddings<'a> {
    /// Pictures x dimension.
    pub embeddings: ArrayView2<'a, f32>,
    /// One identity per picture.
    pub identities: &'a [usize],
}

impl LabelledEmbeddings<'_> {
    #[track_caller]
    fn assert_fits(&self) {
        let (shape, labels) = (self.embeddings.shape(), self.identities.len());
        assert_eq!(shape[0], labels, "embeddings of shape {shape:?} with {labels} identities");
    }
}

/// Where a probe's own identity stands among the enrolled ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mate {
    /// 1 + the number of other identities at most as far away: ties count against the probe.
    pub rank: usize,
    /// Squared distance to the nearest picture of the own identity.
    pub squared_distance: f32,
}

/// What the search for one probe found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchOutcome {
    /// The identity of the nearest enrolled picture; of equally near ones the lowest number.
    pub nearest_identity: usize,
    /// Its squared distance.
    pub nearest_squared_distance: f32,
    /// The probe's own identity, if it is enrolled.
    pub mate: Option<Mate>,
}

/// The outcomes of all probes; at least one of them has a mate.
#[derive(Clone, Debug, PartialEq)]
pub struct Searches {
    /// Number of distinct identities in the gallery.
    pub enrolled_identities: usize,
    /// One per probe, in their order.
    pub outcomes: Vec<SearchOutcome>,
}

/// Open-set identification at one threshold: the nearest identity is the answer, beyond the threshold the answer is "unknown".
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OpenSet {
    /// Largest squared distance that is answered with an identity.
    pub threshold: f64,
    /// Share of probes with an enrolled identity that are found at rank 1 and within the threshold (DIR, also TPIR).
    pub detection_and_identification_rate: f64,
    /// Share of probes with an enrolled identity that are answered "unknown".
    pub unknown_rate: f64,
    /// Share of probes with no enrolled identity that are answered with one (FPIR); none if there are no such probes.
    pub false_positive_identification_rate: Option<f64>,
}

/// The scores of identification in one record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IdentificationReport {
    /// Number of probes.
    pub probes: usize,
    /// Number of distinct identities in the gallery.
    pub enrolled_identities: usize,
    /// Share of probes with an enrolled identity that are found first.
    pub rank1: f64,
    /// Share of those found among the first five.
    pub rank5: f64,
    /// With an "unknown" answer.
    pub open_set: OpenSet,
}

/// Compares each probe with all enrolled pictures.
///
/// The distance of an identity is that of its nearest picture. Distances are computed as
///
/// ```text
/// d(p, g) = max(0, |p|² + |g|² - 2 <p, g>)
/// ```
///
/// in single precision, by matrix products on fixed blocks of rows: about 1e-7 |p| |g| of rounding, the same on any number of threads.
///
/// # Shapes
/// Gallery and probes have the same number of columns, and as many identities as rows.
///
/// # Errors
/// [`Error::EmptyGallery`]; [`Error::NotFiniteGallery`] and [`Error::NotFiniteProbe`] for rows whose squared norm is not finite;
/// [`Error::NoMatedProbes`] if no probe's identity is enrolled.
///
/// # Panics
/// If the shapes don't fit.
#[track_caller]
pub fn search(gallery: LabelledEmbeddings<'_>, probes: LabelledEmbeddings<'_>) -> Result<Searches, Error> {
    gallery.assert_fits();
    probes.assert_fits();
    let (enrolled, probe) = (gallery.embeddings.shape(), probes.embeddings.shape());
    assert_eq!(enrolled[1], probe[1], "a gallery of shape {enrolled:?}, probes of shape {probe:?}");
    if gallery.identities.is_empty() {
        return Err(Error::EmptyGallery);
    }
    let gallery_norms = squared_norms(gallery.embeddings).map_err(|row| Error::NotFiniteGallery { row })?;
    let probe_norms = squared_norms(probes.embeddings).map_err(|row| Error::NotFiniteProbe { row })?;

    // Dense numbers in the order of the identities.
    let mut numbers: BTreeMap<usize, usize> = gallery.identities.iter().map(|&identity| (identity, 0)).collect();
    numbers.values_mut().enumerate().for_each(|(number, value)| *value = number);
    let identities: Vec<usize> = numbers.keys().copied().collect();
    let gallery_numbers: Vec<usize> = gallery.identities.iter().map(|identity| numbers[identity]).collect();
    if !probes.identities.iter().any(|identity| numbers.contains_key(identity)) {
        return Err(Error::NoMatedProbes);
    }

    let blocks: Vec<Vec<SearchOutcome>> = (0..probes.identities.len().div_ceil(PROBE_ROWS))
        .into_par_iter()
        .map(|block| {
            let rows = block * PROBE_ROWS..probes.identities.len().min((block + 1) * PROBE_ROWS);
            let embeddings = probes.embeddings.slice(s![rows.clone(), ..]);
            // nearest[row * identities + number]: squared distance of an identity to a probe.
            let mut nearest = vec![f32::INFINITY; rows.len() * identities.len()];
            for (part, enrolled) in gallery.embeddings.axis_chunks_iter(Axis(0), GALLERY_ROWS).enumerate() {
                let products = embeddings.dot(&enrolled.t());
                let start = part * GALLERY_ROWS;
                for ((row, products), best) in
                    rows.clone().zip(products.rows()).zip(nearest.chunks_exact_mut(identities.len()))
                {
                    for (column, &product) in products.iter().enumerate() {
                        let distance = (probe_norms[row] + gallery_norms[start + column] - 2.0 * product).max(0.0);
                        let best = &mut best[gallery_numbers[start + column]];
                        *best = best.min(distance);
                    }
                }
            }
            rows.zip(nearest.chunks_exact(identities.len()))
                .map(|(row, distances)| outcome(distances, &identities, numbers.get(&probes.identities[row]).copied()))
                .collect()
        })
        .collect();
    Ok(Searches { enrolled_identities: identities.len(), outcomes: blocks.concat() })
}

fn outcome(distances: &[f32], identities: &[usize], own: Option<usize>) -> SearchOutcome {
    let mut nearest = 0;
    for (number, &distance) in distances.iter().enumerate() {
        if distance < distances[nearest] {
            nearest = number;
        }
    }
    SearchOutcome {
        nearest_identity: identities[nearest],
        nearest_squared_distance: distances[nearest],
        // The own identity is at most as far as itself: it is the 1 of the rank.
        mate: own.map(|own| Mate {
            rank: distances.iter().filter(|&&distance| distance <= distances[own]).count(),
            squared_distance: distances[own],
        }),
    }
}

/// Squared norms, or the first row where one is not finite.
fn squared_norms(embeddings: ArrayView2<'_, f32>) -> Result<Array1<f32>, usize> {
    let norms: Array1<f32> = embeddings.rows().into_iter().map(|row| row.dot(&row)).collect();
    match norms.iter().position(|norm| !norm.is_finite()) {
        Some(row) => Err(row),
        None => Ok(norms),
    }
}

impl SearchOutcome {
    /// The nearest identity, or `None` for "unknown" where it is beyond the threshold.
    pub fn answer(&self, threshold: f64) -> Option<usize> {
        (f64::from(self.nearest_squared_distance) <= threshold).then_some(self.nearest_identity)
    }
}

impl Searches {
    fn mates(&self) -> impl Iterator<Item = &Mate> {
        self.outcomes.iter().filter_map(|outcome| outcome.mate.as_ref())
    }

    /// Share of probes with an enrolled identity that have it among the `rank` nearest identities.
    pub fn rank_rate(&self, rank: usize) -> f64 {
        self.mates().filter(|mate| mate.rank <= rank).count() as f64 / self.mates().count() as f64
    }

    /// The cumulative match characteristic: [`Searches::rank_rate`] at 1, 2, .. `max_rank`.
    pub fn cumulative_match(&self, max_rank: usize) -> Vec<f64> {
        (1..=max_rank).map(|rank| self.rank_rate(rank)).collect()
    }

    /// Open-set scores at a threshold.
    ///
    /// ```text
    /// DIR(t)  = #{mated: rank = 1, own d <= t} / mated
    /// FPIR(t) = #{not mated: nearest d <= t} / not mated
    /// ```
    ///
    /// Source: the definitions of NIST's FRVT 1:N reports and of ISO/IEC 19795-1, with distances for scores.
    pub fn open_set(&self, threshold: f64) -> OpenSet {
        let share = |count: usize, of: usize| count as f64 / of as f64;
        let mated = self.mates().count();
        let strangers = self.outcomes.len() - mated;
        let detected =
            self.mates().filter(|mate| mate.rank == 1 && f64::from(mate.squared_distance) <= threshold).count();
        let answered = |mated: bool| {
            let of_kind = self.outcomes.iter().filter(move |outcome| outcome.mate.is_some() == mated);
            of_kind.filter(|outcome| outcome.answer(threshold).is_some()).count()
        };
        OpenSet {
            threshold,
            detection_and_identification_rate: share(detected, mated),
            unknown_rate: share(mated - answered(true), mated),
            false_positive_identification_rate: (strangers > 0).then(|| share(answered(false), strangers)),
        }
    }

    /// All scores in one record, the open-set ones at the given threshold.
    pub fn report(&self, threshold: f64) -> IdentificationReport {
        IdentificationReport {
            probes: self.outcomes.len(),
            enrolled_identities: self.enrolled_identities,
            rank1: self.rank_rate(1),
            rank5: self.rank_rate(5),
            open_set: self.open_set(threshold),
        }
    }
}
