//! How good embeddings are at the three tasks, on people who were not there in training.

mod bcubed_cut;

use std::collections::BTreeSet;

use facenet_cluster::{Cluster, Cut, Dendrogram, KMeans, KMeansEngine, Linkage};
use facenet_metrics::{
    ClusteringReport, IdentificationReport, IdentityBootstrap, LabeledEmbeddings, PairScores, ThresholdSearch,
    VerificationReport, clustering_report, search,
};
use ndarray::{ArrayView2, Axis};
use serde::Serialize;

use facenet_recognition::{Embed, check_finite};

use crate::dataset::labelled_faces::Dataset;
use crate::error::Error;

pub use bcubed_cut::best_bcubed_cut;

/// The scores of embeddings on unseen people; whatever is tuned is tuned on the validation people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Do two pictures show one person?
    pub verification: VerificationReport,
    /// Who is it, among the enrolled?
    pub identification: IdentificationReport,
    /// Which pictures belong together?
    pub clustering: ClusteringScores,
}

/// How well unseen people are found as groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusteringScores {
    /// K-means, told the number of people.
    pub kmeans: ClusteringReport,
    /// Agglomerative clustering, told a distance.
    pub agglomerative: AgglomerativeScores,
}

/// The scores of agglomerative clustering at a cut.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgglomerativeScores {
    /// Clusters at this squared distance or nearer were joined.
    pub squared_distance: f32,
    /// The scores.
    #[serde(flatten)]
    pub report: ClusteringReport,
}

/// An evaluation, and what it was computed from: picture by picture, pair by pair.
#[derive(Clone, Debug)]
pub struct EvaluationDetails {
    /// The scores.
    pub evaluation: Evaluation,
    /// The squared distances of the data set's [`unseen_pairs`](Dataset::unseen_pairs), in their order.
    pub pair_scores: PairScores,
    /// The tree that agglomerative clustering built over the unseen pictures.
    pub dendrogram: Dendrogram,
    /// The cluster of each unseen picture: the tree, cut at the chosen distance.
    pub clusters: Vec<usize>,
}

/// Embeds validation and unseen people and scores the unseen ones: see [`evaluate_embeddings`].
///
/// # Errors
/// As [`Embed::embed`] and [`evaluate_embeddings`].
///
/// # Panics
/// If the faces are not of the embedder's [`input_size`](Embed::input_size).
#[track_caller]
pub fn evaluate(embedder: &dyn Embed, dataset: &Dataset, seed: u64) -> Result<EvaluationDetails, Error> {
    let validation = embedder.embed(dataset.validation.faces.view())?;
    let unseen = embedder.embed(dataset.unseen.faces.view())?;
    evaluate_embeddings(validation.view(), unseen.view(), dataset, seed)
}

/// Scores embeddings of a data set's faces.
///
/// - **Verification** of the unseen pairs at the threshold that is best on the validation pairs (exact, the lowest of
///   equals), with the standard error by a bootstrap over identities.
/// - **Identification** at that threshold: the first picture of each unseen person is enrolled, all others are probes, and
///   those of the validation people, whom nobody enrolled, are strangers.
/// - **Clustering** of all unseen pictures: by k-means with the true number of people (the best of ten runs; of more than
///   8,192 pictures, one run), and by average linkage cut at the
///   squared distance that is best on the validation pictures by B-cubed F ([`best_bcubed_cut`]).
///
/// The same seed gives the same bits on any number of threads.
///
/// # Shapes
/// `validation` and `unseen` hold a row for each picture of the two groups.
///
/// # Errors
/// [`Error::NotFiniteEmbedding`]; [`Error::Metrics`] if the pairs are all of one kind or nobody has a second picture;
/// [`Error::Cluster`] if there are more unseen pictures than [`Dendrogram::MAX_EMBEDDINGS`].
///
/// # Panics
/// If the embeddings are not as many as the pictures, or a pair contradicts the identities.
#[track_caller]
pub fn evaluate_embeddings(
    validation: ArrayView2<'_, f32>,
    unseen: ArrayView2<'_, f32>,
    dataset: &Dataset,
    seed: u64,
) -> Result<EvaluationDetails, Error> {
    for (embeddings, faces) in [(validation.reborrow(), &dataset.validation), (unseen.reborrow(), &dataset.unseen)] {
        let (rows, pictures) = (embeddings.nrows(), faces.identities.len());
        assert_eq!(rows, pictures, "{rows} embeddings of {pictures} pictures");
        check_finite(embeddings)?;
    }
    let identities = &dataset.unseen.identities;
    let threshold = PairScores::from_embeddings(validation, &dataset.validation_pairs)?
        .best_threshold(ThresholdSearch::Exact)
        .threshold;
    let pair_scores = PairScores::from_embeddings(unseen, &dataset.unseen_pairs)?;
    let bootstrap = IdentityBootstrap { seed, ..IdentityBootstrap::default() };
    let errors = bootstrap.standard_errors(&pair_scores, &dataset.unseen_pairs, identities, threshold);
    // Average linkage, cut where it is best on the validation people.
    let squared_distance =
        best_bcubed_cut(&Dendrogram::build(validation, Linkage::Average)?, &dataset.validation.identities);
    let dendrogram = Dendrogram::build(unseen, Linkage::Average)?;
    let clusters = dendrogram.cut(Cut::SquaredDistance(squared_distance))?;
    let agglomerative = AgglomerativeScores { squared_distance, report: clustering_report(&clusters, identities)? };
    let evaluation = Evaluation {
        verification: VerificationReport::at_threshold(&pair_scores, threshold, errors.accuracy),
        identification: identify(unseen, identities, validation, threshold)?,
        clustering: ClusteringScores { kmeans: group_by_k_means(unseen, identities, seed)?, agglomerative },
    };
    Ok(EvaluationDetails { evaluation, pair_scores, dendrogram, clusters })
}

/// Enrols the first picture of each identity, and searches for all others and for strangers.
fn identify(
    embeddings: ArrayView2<'_, f32>,
    identities: &[usize],
    strangers: ArrayView2<'_, f32>,
    threshold: f64,
) -> Result<IdentificationReport, Error> {
    let mut known = BTreeSet::new();
    let (enrolled, probes): (Vec<usize>, Vec<usize>) =
        (0..identities.len()).partition(|&picture| known.insert(identities[picture]));
    let labels = |pictures: &[usize]| -> Vec<usize> { pictures.iter().map(|&picture| identities[picture]).collect() };
    let gallery = embeddings.select(Axis(0), &enrolled);
    let mut searched = embeddings.select(Axis(0), &probes);
    searched.append(Axis(0), strangers).expect("embeddings of one dimension");
    let stranger = known.last().map_or(0, |last| last + 1);
    let labelled = [labels(&probes), vec![stranger; strangers.nrows()]].concat();
    let gallery = LabeledEmbeddings { embeddings: gallery.view(), identities: &labels(&enrolled) };
    let probes = LabeledEmbeddings { embeddings: searched.view(), identities: &labelled };
    Ok(search(gallery, probes)?.report(threshold))
}

fn group_by_k_means(
    embeddings: ArrayView2<'_, f32>,
    identities: &[usize],
    seed: u64,
) -> Result<ClusteringReport, Error> {
    let people = BTreeSet::from_iter(identities).len();
    let runs = if embeddings.nrows() <= K_MEANS_RUNS_UP_TO { 10 } else { 1 };
    let k_means = KMeans { clusters: people, runs, seed, engine: KMeansEngine::Fast, ..KMeans::default() };
    Ok(clustering_report(&k_means.cluster(embeddings)?, identities)?)
}

/// The most pictures of which k-means takes the best of ten runs: beyond, one run takes minutes.
const K_MEANS_RUNS_UP_TO: usize = 8192;
