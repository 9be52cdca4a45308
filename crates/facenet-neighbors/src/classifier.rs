//! Classification by the nearest neighbors.

use std::collections::BTreeMap;

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::param_guard::ParamGuard;
use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array1, ArrayBase, ArrayView1, Data, Ix2, s};

use crate::candidates::Neighbors;
use crate::error::Error;
use crate::prepared_rows::PreparedRows;

/// How the neighbors of a probe vote for their identities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Votes {
    /// One vote each.
    #[default]
    Plain,
    /// The inverse of the distance each. Neighbors at distance 0, if there are any, vote alone.
    DistanceWeighted,
}

/// A k-NN classifier: a probe gets the identity that most of its k nearest neighbors vote for (paper,
/// section 1: "recognition becomes a k-NN classification problem"). Ties go to the identity whose
/// neighbor is nearest.
///
/// linfa's `fit` takes rows with their identities as targets and returns a
/// [`NearestNeighborsModel`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearestNeighborsClassifier(ValidNearestNeighborsClassifier);

/// Checked hyperparameters of a [`NearestNeighborsClassifier`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidNearestNeighborsClassifier {
    k: usize,
    votes: Votes,
    threshold: f32,
}

impl NearestNeighborsClassifier {
    /// A classifier by `k` neighbors with one vote each, at any distance.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self(ValidNearestNeighborsClassifier { k, votes: Votes::Plain, threshold: f32::INFINITY })
    }

    /// Sets how neighbors vote.
    #[must_use]
    pub fn votes(mut self, votes: Votes) -> Self {
        self.0.votes = votes;
        self
    }

    /// Sets the largest squared distance at which a neighbor votes. A probe without votes is unknown.
    #[must_use]
    pub fn threshold(mut self, squared_distance: f32) -> Self {
        self.0.threshold = squared_distance;
        self
    }
}

impl ParamGuard for NearestNeighborsClassifier {
    type Checked = ValidNearestNeighborsClassifier;
    type Error = Error;

    /// [`Error::NoNeighbors`] and [`Error::Threshold`].
    fn check_ref(&self) -> Result<&ValidNearestNeighborsClassifier, Error> {
        let ValidNearestNeighborsClassifier { k, threshold, .. } = self.0;
        if k == 0 {
            return Err(Error::NoNeighbors);
        }
        if threshold.is_nan() || threshold < 0.0 {
            return Err(Error::Threshold { squared_distance: threshold });
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<ValidNearestNeighborsClassifier, Error> {
        self.check_ref().copied()
    }
}

impl<D: Data<Elem = f32>, T: AsSingleTargets<Elem = usize>> Fit<ArrayBase<D, Ix2>, T, Error>
    for ValidNearestNeighborsClassifier
{
    type Object = NearestNeighborsModel;

    /// Stores the rows and their identities.
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<NearestNeighborsModel, Error> {
        let rows = PreparedRows::new(dataset.records().to_owned())?;
        let identities = dataset.targets().as_single_targets().to_vec();
        if identities.len() != rows.len() {
            return Err(Error::IdentityCount { rows: rows.len(), identities: identities.len() });
        }
        if rows.is_empty() {
            return Err(Error::NoRows);
        }
        Ok(NearestNeighborsModel { classifier: *self, rows, identities })
    }
}

/// A k-NN classifier with its rows.
#[derive(Clone, Debug)]
pub struct NearestNeighborsModel {
    classifier: ValidNearestNeighborsClassifier,
    rows: PreparedRows<'static, f32>,
    identities: Vec<usize>,
}

impl NearestNeighborsModel {
    /// The identity of each probe; `None` if it is unknown.
    ///
    /// # Panics
    ///
    /// If the dimensions differ.
    #[must_use]
    #[track_caller]
    pub fn classify(&self, probes: &PreparedRows<'_, f32>) -> Vec<Option<usize>> {
        let ValidNearestNeighborsClassifier { k, votes, threshold } = self.classifier;
        let winners = self.rows.k_nearest(probes, k).vote(&self.identities, votes, threshold);
        winners.into_iter().map(|winner| winner.map(|winner| winner.identity)).collect()
    }
}

/// The identity that won the vote of neighbors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteWinner {
    /// The identity.
    pub identity: usize,
    /// Number of neighbors that voted for it.
    pub vote_count: usize,
}

impl Neighbors {
    /// The identity that most neighbors of each query vote for, among those up to a squared distance;
    /// `None` if there are none, as with a threshold of NaN. Ties go to the identity whose neighbor is
    /// nearest.
    ///
    /// # Shapes
    ///
    /// `identities`: one for each row that was searched; the result: `[queries]`.
    ///
    /// # Panics
    ///
    /// If a neighbor has no identity.
    #[must_use]
    #[track_caller]
    pub fn vote(&self, identities: &[usize], votes: Votes, threshold: f32) -> Vec<Option<VoteWinner>> {
        let neighbors = self.indices.outer_iter().zip(self.squared_distances.outer_iter());
        neighbors.map(|(indices, distances)| elect(indices, distances, identities, votes, threshold)).collect()
    }
}

impl<D: Data<Elem = f32>> PredictInplace<ArrayBase<D, Ix2>, Array1<Option<usize>>> for NearestNeighborsModel {
    /// The identity of each row; `None` if it is unknown.
    ///
    /// # Panics
    ///
    /// If the dimensions or lengths differ, or a row is not finite.
    fn predict_inplace(&self, rows: &ArrayBase<D, Ix2>, identities: &mut Array1<Option<usize>>) {
        assert_eq!(rows.nrows(), identities.len(), "rows and identities");
        let probes = PreparedRows::new(rows.view()).unwrap_or_else(|error| panic!("{error}"));
        *identities = Array1::from(self.classify(&probes));
    }

    fn default_target(&self, rows: &ArrayBase<D, Ix2>) -> Array1<Option<usize>> {
        Array1::from_elem(rows.nrows(), None)
    }
}

/// The identity with most votes among neighbors in ascending order of their distances.
fn elect(
    neighbors: ArrayView1<'_, usize>,
    squared_distances: ArrayView1<'_, f32>,
    identities: &[usize],
    votes: Votes,
    threshold: f32,
) -> Option<VoteWinner> {
    let any_at_zero = squared_distances.first() == Some(&0.0);
    let mut tally: Vec<(VoteWinner, f64)> = Vec::new();
    for (&neighbor, &squared_distance) in neighbors.iter().zip(squared_distances) {
        let vote = match votes {
            _ if squared_distance.is_nan() || threshold.is_nan() || squared_distance > threshold => break,
            Votes::Plain => 1.0,
            Votes::DistanceWeighted if any_at_zero && squared_distance > 0.0 => break,
            Votes::DistanceWeighted if any_at_zero => 1.0,
            Votes::DistanceWeighted => f64::from(squared_distance).sqrt().recip(),
        };
        let identity = identities[neighbor];
        match tally.iter_mut().find(|(candidate, _)| candidate.identity == identity) {
            Some((candidate, sum)) => {
                candidate.vote_count += 1;
                *sum += vote;
            }
            None => tally.push((VoteWinner { identity, vote_count: 1 }, vote)),
        }
    }
    // The first of equals: its neighbor is nearest.
    let winner = tally.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best });
    winner.map(|(winner, _)| winner)
}

/// The accuracy of classifying each row by its neighbors among all others, for k from 1 to `max_k`.
/// Rows whose identity has no other row are left out.
///
/// # Shapes
///
/// `identities`: one per row; the result: `[max_k]`, or as many as there are other rows. 0 if no identity
/// has two rows.
///
/// # Panics
///
/// If there is not one identity for each row.
#[must_use]
#[track_caller]
pub fn leave_one_out_accuracies(
    rows: &PreparedRows<'_, f32>,
    identities: &[usize],
    votes: Votes,
    max_k: usize,
) -> Vec<f64> {
    assert_eq!(rows.len(), identities.len(), "rows and identities");
    let Neighbors { indices, squared_distances } = rows.k_nearest_others(max_k);
    let mut counts = BTreeMap::new();
    identities.iter().for_each(|identity| *counts.entry(identity).or_insert(0) += 1);
    let judged: Vec<usize> = (0..identities.len()).filter(|&row| counts[&identities[row]] > 1).collect();
    (1..=indices.ncols())
        .map(|k| {
            let is_right = |&&row: &&usize| {
                let neighbors = indices.slice(s![row, ..k]);
                let distances = squared_distances.slice(s![row, ..k]);
                elect(neighbors, distances, identities, votes, f32::INFINITY)
                    .is_some_and(|winner| winner.identity == identities[row])
            };
            judged.iter().filter(is_right).count() as f64 / judged.len().max(1) as f64
        })
        .collect()
}

/// The k from 1 to `max_k` with the best [leave-one-out accuracy](leave_one_out_accuracies), the
/// smallest of equals; 1 if there is nothing to choose by.
///
/// # Panics
///
/// If there is not one identity for each row.
#[must_use]
#[track_caller]
pub fn choose_neighbor_count(rows: &PreparedRows<'_, f32>, identities: &[usize], votes: Votes, max_k: usize) -> usize {
    let accuracies = leave_one_out_accuracies(rows, identities, votes, max_k);
    let best = (0..accuracies.len()).reduce(|best, next| if accuracies[next] > accuracies[best] { next } else { best });
    best.map_or(1, |index| index + 1)
}
