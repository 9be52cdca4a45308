//! Golden values: published embeddings, and the first steps of training.

use std::collections::BTreeMap;
use std::fs;

use approx::{assert_abs_diff_eq, assert_relative_eq};
use facenet_cluster::{Agglomerative, Cluster, Cut, Dendrogram, KMeans, Linkage};
use facenet_data::SyntheticFaces;
use facenet_metrics::{LabeledEmbeddings, Pair, PairScores, balanced_pairs, clustering_report, search};
use facenet_network::{Checkpoint, Initializer, Mode, Network, OptimizerConfig, Parameters, Sgd, Workspace, built_in};
use facenet_recognition::{FaceSource, weights_sha256};
use facenet_tests::{TINY_RECIPE, data};
use facenet_training::{Dataset, LabeledFaces, Recipe, Trainer, TripletSource, evaluate_embeddings};
use facenet_triplet::{BatchShape, MinerKind, MiningBatch, Reduction, TripletLoss};
use ndarray::{Array2, Array4, Axis};
use sha2::{Digest, Sha256};

/// The 1,000 embeddings of 410 people that OpenFace published for nn4.small2, with identities.
fn openface() -> Option<(Array2<f32>, Vec<usize>)> {
    let folder = data("golden/openface_nn4.small2_reps")?;
    let values = fs::read_to_string(folder.join("reps.csv")).unwrap();
    let values: Vec<f32> = values.split_terminator(['\n', ',']).map(|value| value.parse().unwrap()).collect();
    let mut people = BTreeMap::new();
    let labels = fs::read_to_string(folder.join("labels.csv")).unwrap();
    let identities = labels.lines().map(|line| {
        let (_, image) = line.rsplit_once('/').unwrap();
        let (person, _) = image.rsplit_once('_').unwrap();
        let next = people.len();
        *people.entry(person.to_owned()).or_insert(next)
    });
    let identities: Vec<usize> = identities.collect();
    assert_eq!((identities.len(), people.len()), (1_000, 410));
    Some((Array2::from_shape_vec((1_000, 128), values).unwrap(), identities))
}

/// Expected values computed independently from the two files by plain loops in another language.
#[test]
fn published_embeddings_verify_and_identify() {
    let Some((embeddings, identities)) = openface() else { return };
    let pairs: Vec<Pair> = (0..1_000)
        .flat_map(|second| (0..second).map(move |first| (first, second)))
        .map(|(first, second)| Pair { first, second, genuine: identities[first] == identities[second] })
        .collect();
    let scores = PairScores::from_embeddings(embeddings.view(), &pairs).unwrap();
    assert_eq!((scores.genuine_pairs(), scores.impostor_pairs()), (7_234, 492_266));
    let roc = scores.roc();
    assert_abs_diff_eq!(roc.auc(), 0.979_431_989, epsilon = 1e-8);
    assert_abs_diff_eq!(roc.equal_error_rate(), 0.072_15, epsilon = 2e-5);
    assert_abs_diff_eq!(roc.validation_rate_at(1e-2).validation_rate, 0.736_384, epsilon = 2e-4);
    assert_abs_diff_eq!(roc.validation_rate_at(1e-3).validation_rate, 0.462_400, epsilon = 2e-4);

    // The first image of each person is enrolled, all others are probes.
    let mut known = vec![false; 410];
    let (enrolled, probes): (Vec<usize>, Vec<usize>) =
        (0..1_000).partition(|&image| !std::mem::replace(&mut known[identities[image]], true));
    let [enrolled, probes] = [enrolled, probes].map(|images| {
        let labels: Vec<usize> = images.iter().map(|&image| identities[image]).collect();
        (embeddings.select(Axis(0), &images), labels)
    });
    let [enrolled, probes] = [&enrolled, &probes]
        .map(|(embeddings, identities)| LabeledEmbeddings { embeddings: embeddings.view(), identities });
    let found = search(enrolled, probes).unwrap();
    assert_eq!((found.enrolled_identities, found.outcomes.len()), (410, 590));
    assert_abs_diff_eq!(found.identification_rate(1), 295.0 / 590.0, epsilon = 1e-9);
    assert_abs_diff_eq!(found.identification_rate(5), 459.0 / 590.0, epsilon = 1e-9);
}

/// Average linkage at several cuts: clusters, B-cubed F, pairwise F. Computed independently by a
/// nearest-neighbor chain in another language; no merge is closer than 2e-5 to a cut.
#[test]
fn published_embeddings_cluster() {
    let Some((embeddings, identities)) = openface() else { return };
    let tree = Dendrogram::build(embeddings.view(), Linkage::Average).unwrap();
    for (cut, clusters, bcubed_f, pairwise_f) in [
        (0.5, 533, 0.748_977_478, 0.627_953_111),
        (0.6, 411, 0.764_357_294, 0.703_674_746),
        (0.7, 317, 0.747_020_256, 0.718_002_962),
        (0.8, 237, 0.704_875_598, 0.685_172_171),
        (0.99, 123, 0.576_239_272, 0.555_791_184),
    ] {
        let cut = Cut::SquaredDistance(cut);
        let labels = tree.cut(cut).unwrap();
        assert_eq!(Agglomerative::new(Linkage::Average, cut).cluster(embeddings.view()).unwrap(), labels);
        let report = clustering_report(&labels, &identities).unwrap();
        assert_eq!((report.clusters, report.identities), (clusters, 410), "{cut:?}");
        assert_abs_diff_eq!(report.bcubed_f, bcubed_f, epsilon = 1e-8);
        assert_abs_diff_eq!(report.pairwise_f, pairwise_f, epsilon = 1e-8);
    }
    // Measured here; other seedings and rounding stay within the tolerance.
    let k_means = KMeans::new(410).runs(10).seed(1);
    let report = clustering_report(&k_means.cluster(embeddings.view()).unwrap(), &identities).unwrap();
    println!("{report:?}");
    assert_eq!(report.clusters, 410);
    assert_abs_diff_eq!(report.bcubed_f, 0.676, epsilon = 0.02);
}

fn group(identities: &[usize]) -> LabeledFaces {
    let people = identities.iter().max().map_or(0, |&last| last + 1);
    LabeledFaces {
        faces: Array4::zeros((identities.len(), 1, 1, 3)),
        people: (0..people).map(|person| person.to_string()).collect(),
        images: (0..identities.len()).map(|image| image.to_string()).collect(),
        identities: identities.to_vec(),
        sources: vec![FaceSource::Synthetic; identities.len()],
    }
}

/// People 0 to 204 are validation people, the others are unseen. Measured here; the tolerances
/// allow for rounding.
#[test]
fn published_embeddings_score_as_a_data_set() {
    let Some((embeddings, identities)) = openface() else { return };
    let (validation, unseen): (Vec<usize>, Vec<usize>) = (0..1_000).partition(|&image| identities[image] < 205);
    let labels = |images: &[usize], first: usize| -> Vec<usize> {
        images.iter().map(|&image| identities[image] - first).collect()
    };
    let groups = [labels(&validation, 0), labels(&unseen, 205)];
    let dataset = Dataset {
        name: "openface".to_owned(),
        training: group(&[]),
        validation: group(&groups[0]),
        unseen: group(&groups[1]),
        validation_pairs: balanced_pairs(&groups[0], 1).unwrap(),
        unseen_pairs: balanced_pairs(&groups[1], 1).unwrap(),
    };
    let [validation, unseen] = [validation, unseen].map(|images| embeddings.select(Axis(0), &images));
    let scores = evaluate_embeddings(validation.view(), unseen.view(), &dataset, 1).unwrap().evaluation;
    println!("{scores:#?}");
    let (verification, clustering) = (&scores.verification, &scores.clustering);
    assert_abs_diff_eq!(verification.accuracy, 0.921_1, epsilon = 1e-3);
    assert_abs_diff_eq!(verification.auc, 0.979_399, epsilon = 1e-4);
    assert_abs_diff_eq!(verification.threshold, 0.950_09, epsilon = 1e-3);
    assert_abs_diff_eq!(scores.identification.rank1, 0.575_38, epsilon = 3e-3);
    assert_abs_diff_eq!(clustering.kmeans.bcubed_f, 0.622, epsilon = 0.02);
    assert_abs_diff_eq!(clustering.agglomerative.report.bcubed_f, 0.753_3, epsilon = 2e-3);
    assert_abs_diff_eq!(clustering.agglomerative.squared_distance, 0.557_74, epsilon = 1e-3);
}

/// Uniform draws and square roots only: bit-identical on every machine.
#[test]
fn initial_weights_are_bit_identical_everywhere() {
    let network: Network<f32> =
        Network::new(built_in("compact_inception").unwrap(), Initializer::HeUniform, 1).unwrap();
    assert_eq!(weights_sha256(&network), "70a58bce6a908a2a46ce8b49824b16e6336d20523d34943081eba41577a7cba7");
}

/// If the checkpoint format changes on purpose, old files must still load.
#[test]
fn a_checkpoint_is_the_same_file_everywhere() {
    let description = Recipe::from_toml(TINY_RECIPE).unwrap().network;
    let network: Network<f32> = Network::new(description, Initializer::HeUniform, 1).unwrap();
    let mut bytes = Vec::new();
    Checkpoint::from(network).write(&mut bytes).unwrap();
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (bytes.len(), hash.as_str()),
        (15_512, "034c9bd75f7b04eb4dc982d4caa9048e7820f4d8e1a258ef23e3dc12b9fabeb1")
    );
}

/// Plain SGD on all triplets; the only random draws are the batches.
fn first_steps() -> Recipe {
    Recipe {
        reduction: Reduction::Mean,
        initializer: Initializer::HeUniform,
        batch: BatchShape { people: 8, faces: 4, negatives: 0 },
        triplets: TripletSource::Online { miner: MinerKind::BatchAll },
        learning_rate: facenet_training::LearningRate { base: 0.05, warmup: 0, last: 1.0 },
        optimizer: OptimizerConfig::Sgd(Sgd::default()),
        ..Recipe::from_toml(TINY_RECIPE).unwrap()
    }
}

/// Losses of the first steps in f64, measured here. The order of f64 sums may differ elsewhere,
/// with errors far below the tolerance. The f32 trainer agrees within its rounding.
#[test]
fn the_first_losses_are_unchanged() {
    let recipe = first_steps();
    let (faces, identities) = SyntheticFaces::new(1).portraits(0..8, 4, [16, 16]);
    let network: Network<f32> = Network::new(recipe.network.clone(), recipe.initializer, 1).unwrap();
    let mut network: Network<f64> = network.cast();
    let mut optimizer = recipe.optimizer.build(network.plan().parameters());
    let mut workspace = Workspace::new(network.plan());
    let mut gradients = Parameters::zeros(network.plan().parameters());
    let mut loss = TripletLoss::new(f64::from(recipe.margin), recipe.reduction);
    let miner = recipe.triplets.miner().miner();
    let mut x = Array4::zeros(faces.raw_dim());
    recipe.network.preprocessing.apply(faces.view(), x.view_mut());
    let x = x.mapv(f64::from);
    let mut losses = Vec::new();
    for step in 0..6 {
        // All images in one batch: their order does not matter in f64.
        let embeddings = network.forward(x.view(), Mode::Train { seed: 1, step }, &mut workspace).to_owned();
        let distances = facenet_neighbors::pairwise_squared_distances(embeddings.view()).unwrap();
        let single = distances.mapv(|distance| distance as f32);
        let mut batch = loss.begin(distances.view());
        miner.mine(&MiningBatch::new(single.view(), &identities, recipe.margin, 1), &mut |triplet| batch.add(triplet));
        let mut dembeddings = Array2::zeros(embeddings.raw_dim());
        losses.push(batch.backward(embeddings.view(), dembeddings.view_mut()).loss);
        gradients.clear();
        network.backward(dembeddings.view(), &mut workspace, &mut gradients);
        optimizer.update(&mut network.parameters, &gradients, recipe.learning_rate.at(step, 6), step);
    }
    println!("{losses:?}");

    let mut trainer = Trainer::new(recipe, faces.view(), &identities, 1).unwrap();
    let single: Vec<f64> = (0..6).map(|_| trainer.step().unwrap().loss.loss).collect();
    println!("{single:?}");
    for (single, double) in single.iter().zip(&losses) {
        assert_relative_eq!(single, double, max_relative = 1e-4);
    }
    let golden = [
        0.5030722383534045,
        0.229879460312675,
        0.13427260022525753,
        0.09402386701892908,
        0.06694763216589243,
        0.009134234931213644,
    ];
    for (loss, golden) in losses.iter().zip(golden) {
        assert_relative_eq!(*loss, golden, max_relative = 1e-9);
    }
}
