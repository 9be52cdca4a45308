//! Scores of embeddings at verification, identification and clustering, on unseen people.

mod bcubed_cut;

use std::collections::BTreeSet;

use facenet_cluster::{Cluster, Cut, Dendrogram, KMeans, Linkage};
use facenet_metrics::{
    ClusteringReport, IdentificationReport, IdentityBootstrap, LabeledEmbeddings, PairScores, ThresholdSearch,
    VerificationReport, clustering_report, search,
};
use ndarray::{ArrayView2, Axis};
use serde::Serialize;

use facenet_recognition::{Embed, MAX_FACES_WITH_RESTARTS, check_finite};

use crate::dataset::labeled_faces::Dataset;
use crate::error::Error;

pub use bcubed_cut::best_bcubed_cut;

/// Scores on unseen people; thresholds and cuts are chosen on the validation people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Verification: do two images show the same person?
    pub verification: VerificationReport,
    /// Identification: which enrolled person is it?
    pub identification: IdentificationReport,
    /// Clustering: which images show the same person?
    pub clustering: ClusteringScores,
}

/// Clustering scores on unseen people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusteringScores {
    /// K-means with the true number of people.
    pub kmeans: ClusteringReport,
    /// Average linkage, cut at a distance.
    pub agglomerative: AgglomerativeScores,
}

/// Scores of agglomerative clustering at a cut.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgglomerativeScores {
    /// The cut: clusters at most this squared distance apart are merged.
    pub squared_distance: f32,
    /// The scores.
    #[serde(flatten)]
    pub report: ClusteringReport,
}

/// An evaluation with the values behind it, per image and per pair.
#[derive(Clone, Debug)]
pub struct EvaluationDetails {
    /// The scores.
    pub evaluation: Evaluation,
    /// Squared distances of [`Dataset::unseen_pairs`], in the same order.
    pub pair_scores: PairScores,
    /// The dendrogram of the unseen images.
    pub dendrogram: Dendrogram,
    /// The cluster of each unseen image: the dendrogram cut at the chosen distance.
    pub clusters: Vec<usize>,
}

/// Embeds the validation and the unseen people and scores the embeddings; see
/// [`evaluate_embeddings`].
///
/// # Errors
///
/// Those of [`Embed::embed`] and [`evaluate_embeddings`].
///
/// # Panics
///
/// If the faces are not of the embedder's [`input_size`](Embed::input_size).
#[track_caller]
pub fn evaluate(embedder: &dyn Embed, dataset: &Dataset, seed: u64) -> Result<EvaluationDetails, Error> {
    let validation = embedder.embed(dataset.validation.faces.view())?;
    let unseen = embedder.embed(dataset.unseen.faces.view())?;
    evaluate_embeddings(validation.view(), unseen.view(), dataset, seed)
}

/// Scores embeddings of a data set's faces.
///
/// - **Verification** of the unseen pairs at the threshold with the highest accuracy on the
///   validation pairs (exact search, lowest of ties); standard error by a bootstrap over
///   identities.
/// - **Identification** at that threshold: the first image of each unseen person is enrolled and
///   all others are probes. Images of validation people are probes too, of people who are not
///   enrolled.
/// - **Clustering** of all unseen images: by k-means with the true number of people (best of ten
///   runs; a single run above 8,192 images), and by average linkage cut at the squared distance
///   with the highest B-cubed F on the validation images ([`best_bcubed_cut`]).
///
/// The same seed gives the same bits on any number of threads.
///
/// # Shapes
///
/// `validation` and `unseen`: `[n, dimension]`, a row per image of the group.
///
/// # Errors
///
/// [`Error::Recognition`] with `NotFiniteEmbedding`; [`Error::Metrics`] if all pairs are of one
/// kind or nobody has a second image; [`Error::Cluster`] if there are more unseen images than
/// [`Dendrogram::MAX_EMBEDDINGS`].
///
/// # Panics
///
/// If the number of embeddings differs from the number of images, or a pair contradicts the
/// identities.
#[track_caller]
pub fn evaluate_embeddings(
    validation: ArrayView2<'_, f32>,
    unseen: ArrayView2<'_, f32>,
    dataset: &Dataset,
    seed: u64,
) -> Result<EvaluationDetails, Error> {
    for (embeddings, faces) in [(validation.reborrow(), &dataset.validation), (unseen.reborrow(), &dataset.unseen)] {
        let (rows, images) = (embeddings.nrows(), faces.identities.len());
        assert_eq!(rows, images, "{rows} embeddings of {images} images");
        check_finite(embeddings)?;
    }
    let identities = &dataset.unseen.identities;
    let threshold = PairScores::from_embeddings(validation, &dataset.validation_pairs)?
        .best_threshold(ThresholdSearch::Exact)
        .threshold;
    let pair_scores = PairScores::from_embeddings(unseen, &dataset.unseen_pairs)?;
    let bootstrap = IdentityBootstrap { seed, ..IdentityBootstrap::default() };
    let errors = bootstrap.standard_errors(&pair_scores, &dataset.unseen_pairs, identities, threshold);
    // The cut is chosen on the validation people.
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

/// Enrolls the first image of each identity; all other images are probes. `others` are embeddings
/// of people who are not enrolled, probes too.
fn identify(
    embeddings: ArrayView2<'_, f32>,
    identities: &[usize],
    others: ArrayView2<'_, f32>,
    threshold: f64,
) -> Result<IdentificationReport, Error> {
    let mut known = BTreeSet::new();
    let (enrolled, probes): (Vec<usize>, Vec<usize>) =
        (0..identities.len()).partition(|&image| known.insert(identities[image]));
    let labels = |images: &[usize]| -> Vec<usize> { images.iter().map(|&image| identities[image]).collect() };
    let gallery = embeddings.select(Axis(0), &enrolled);
    let mut searched = embeddings.select(Axis(0), &probes);
    searched.append(Axis(0), others).expect("embeddings of one dimension");
    let unenrolled = known.last().map_or(0, |last| last + 1);
    let labeled = [labels(&probes), vec![unenrolled; others.nrows()]].concat();
    let gallery = LabeledEmbeddings { embeddings: gallery.view(), identities: &labels(&enrolled) };
    let probes = LabeledEmbeddings { embeddings: searched.view(), identities: &labeled };
    Ok(search(gallery, probes)?.report(threshold))
}

fn group_by_k_means(
    embeddings: ArrayView2<'_, f32>,
    identities: &[usize],
    seed: u64,
) -> Result<ClusteringReport, Error> {
    let people = BTreeSet::from_iter(identities).len();
    let runs = if embeddings.nrows() <= MAX_FACES_WITH_RESTARTS { 10 } else { 1 };
    let k_means = KMeans::new(people).runs(runs).seed(seed);
    Ok(clustering_report(&k_means.cluster(embeddings)?, identities)?)
}
