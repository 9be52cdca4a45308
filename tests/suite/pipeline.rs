//! The whole pipeline from faces to scores: by `run`, and assembled from the single crates.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use facenet_cluster::{Cluster, KMeans};
use facenet_data::{Augmentation, Crop, FaceExtraction, FaceSet, LoadOptions, SyntheticFaces, load_faces};
use facenet_metrics::{LabeledEmbeddings, PairScores, ThresholdSearch, balanced_pairs, clustering_report, search};
use facenet_network::{Description, Initializer, Mode, Network, Parameters, Workspace};
use facenet_recognition::{
    Calibration, Embed, Embedder, FlipAverage, RawPixels, calibration, read_checkpoint, weights_sha256,
};
use facenet_report::{Provenance, Report};
use facenet_tests::{TINY_RECIPE, write_people};
use facenet_training::{
    CHECKPOINT_FILE, DatasetLoader, DatasetSource, LearningRate, Progress, Recipe, RunOptions, Start, StoppedBy,
    SyntheticSize, Trainer, TripletSource, evaluate, run,
};
use facenet_triplet::{BatchShape, IdentitySampler, MinerKind, Reduction, TripletLoss};
use ndarray::{Array2, Array4, ArrayView2, Axis};

/// Faces of 28 x 28 pixels, three convolutions: trains within seconds.
fn small() -> Recipe {
    let recipe = Recipe::from_toml(TINY_RECIPE).unwrap();
    let network = Description::from_toml(
        r#"
        name = "small"
        input = [28, 28]
        embedding = 32
        layers = [
            { layer = "convolution", name = "conv1", kernel = 5, stride = 2, padding = 2, channels = 16 },
            { layer = "convolution", name = "conv2", kernel = 3, stride = 2, padding = 1, channels = 32 },
            { layer = "convolution", name = "conv3", kernel = 3, stride = 2, padding = 1, channels = 48 },
        ]
        "#,
    );
    Recipe {
        steps: 120,
        batch: BatchShape { people: 16, faces: 4, negatives: 0 },
        clip_norm: Some(5.0),
        triplets: TripletSource::Online { miner: MinerKind::SemiHard },
        learning_rate: LearningRate { base: 0.01, warmup: 3, last: 0.1 },
        network: network.unwrap(),
        ..recipe
    }
}

const PEOPLE: SyntheticSize =
    SyntheticSize { training_people: 120, training_images: 8, validation_people: 20, unseen_people: 30, images: 6 };

#[test]
fn from_faces_to_scores() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe { augmentation: Augmentation { flip: 0.5, ..Augmentation::default() }, ..small() };
    let options = RunOptions {
        dataset: DatasetSource::Synthetic(PEOPLE),
        data: folder.path().to_owned(),
        start: Start::Scratch { recipe: Box::new(recipe), seed: 1 },
        minutes: None,
        out: folder.path().to_owned(),
    };
    let stages = Mutex::new(Vec::new());
    let finished = run(&options, &AtomicBool::new(false), &|progress| {
        stages.lock().unwrap().push(match progress {
            Progress::Loading { done: _, of } => ("loading", of as u64),
            Progress::Training { step, of } => {
                assert!(step.loss.loss.is_finite());
                ("training", of)
            }
            Progress::Embedding { of, .. } => ("embedding", of as u64),
            Progress::Detecting { .. } => unreachable!("nothing is detected"),
            Progress::Evaluating => ("evaluating", 0),
        });
    })
    .unwrap();
    let provenance = Provenance::now("from faces to scores", "a test");
    let page = Report { run: &finished, provenance: &provenance }.html();
    let report = &finished.report;
    let mut stages = stages.into_inner().unwrap();
    stages.dedup();
    // 120 x 8, 20 x 6 and 30 x 6 images.
    assert_eq!(stages, [("loading", 1_260), ("training", 120), ("evaluating", 0)]);

    assert_eq!((report.dataset.as_str(), report.network.as_str(), report.seed), ("synthetic", "small", 1));
    assert_eq!((report.train.people, report.train.images, report.train.steps), (120, 960, 120));
    assert_eq!((report.stopped_by, report.threads), (StoppedBy::Steps, rayon::current_num_threads()));
    let hashes = [&report.network_sha256, &report.data_sha256, &report.weights_sha256];
    assert!(hashes.iter().all(|hash| hash.len() == 64 && page.contains(*hash)), "{hashes:?}");
    assert!(report.seconds_total >= report.train.seconds && report.train.seconds > 0.0);
    let (trained, pixels) = (&report.embeddings, &report.pixels);
    println!("{trained:#?}\n{pixels:#?}");
    // All 30 x 15 genuine pairs, and as many impostor pairs.
    assert_eq!((trained.verification.pairs, pixels.verification.pairs), (900, 900));
    assert!(trained.verification.auc > pixels.verification.auc + 0.1);
    assert!(trained.verification.accuracy > pixels.verification.accuracy + 0.1);
    assert!(trained.identification.rank1 > pixels.identification.rank1 + 0.2);
    assert!(trained.clustering.kmeans.bcubed_f > pixels.clustering.kmeans.bcubed_f + 0.1);
    let [of_trained, of_pixels] = [trained, pixels].map(|scores| scores.clustering.agglomerative.report.bcubed_f);
    assert!(of_trained > of_pixels + 0.1);

    // The checkpoint holds the network that was scored.
    let path = options.out.join(CHECKPOINT_FILE);
    let checkpoint = read_checkpoint(&path).unwrap();
    let calibrated = calibration(&checkpoint, &path).unwrap();
    let network = Network::from_checkpoint(checkpoint).unwrap();
    assert_eq!(weights_sha256(&network), report.weights_sha256);
    let embedder = Embedder::new(&network).unwrap();
    let dataset =
        DatasetLoader::new(&options.dataset, embedder.input_size()).data(folder.path()).seed(1).load().unwrap();
    assert_eq!(evaluate(&FlipAverage(embedder), &dataset, 1).unwrap().evaluation, report.embeddings);
    // Its calibration is fitted on plain embeddings of the validation people.
    let embeddings = Embedder::new(&network).unwrap().embed(dataset.validation.faces.view()).unwrap();
    let scores = PairScores::from_embeddings(embeddings.view(), &dataset.validation_pairs).unwrap();
    assert_eq!(calibrated, Some(Calibration::fit(&scores).unwrap()));
    assert_eq!(evaluate(&RawPixels { size: [28, 28] }, &dataset, 1).unwrap().evaluation, report.pixels);
}

/// The trainer's step, assembled from the single crates.
struct ByHand<'a> {
    recipe: &'a Recipe,
    faces: &'a Array4<u8>,
    identities: &'a [usize],
    network: Network<f32>,
    /// The loss of each step.
    losses: Vec<f64>,
}

impl ByHand<'_> {
    fn train(&mut self, steps: u64, seed: u64) {
        let Recipe { batch, margin, reduction, optimizer, learning_rate, .. } = *self.recipe;
        let sampler = IdentitySampler::new(self.identities, batch).unwrap();
        let miner = self.recipe.triplets.miner().miner();
        let mut loss = TripletLoss::new(margin, reduction);
        let mut optimizer = optimizer.build(self.network.plan().parameters());
        let mut workspace = Workspace::new(self.network.plan());
        let mut gradients = Parameters::zeros(self.network.plan().parameters());
        for step in 0..steps {
            let images = sampler.batch(seed, step);
            let identities: Vec<usize> = images.iter().map(|&image| self.identities[image]).collect();
            let x = self.preprocess(self.faces.select(Axis(0), &images));
            let embeddings = self.network.forward(x.view(), Mode::Train { seed, step }, &mut workspace).to_owned();

            let distances = facenet_neighbors::pairwise_squared_distances(embeddings.view()).unwrap();
            let mut batch = loss.begin(distances.view());
            batch.mine(miner.as_ref(), &identities, facenet_triplet::miner_seed(seed, step));
            let mut dembeddings = Array2::zeros(embeddings.raw_dim());
            self.losses.push(batch.backward(embeddings.view(), dembeddings.view_mut()).loss);

            gradients.clear();
            self.network.backward(dembeddings.view(), &mut workspace, &mut gradients);
            if let Some(limit) = self.recipe.clip_norm {
                gradients.clip_norm(limit);
            }
            let rate = learning_rate.at(step, self.recipe.steps);
            optimizer.update(&mut self.network.parameters, &gradients, rate, step);
            self.network.update_statistics(&workspace);
        }
    }

    fn preprocess(&self, faces: Array4<u8>) -> Array4<f32> {
        let mut x = Array4::zeros(faces.raw_dim());
        self.network.description().preprocessing.apply(faces.view(), x.view_mut());
        x
    }

    fn embed(&self, faces: Array4<u8>) -> Array2<f32> {
        let mut workspace = Workspace::new(self.network.plan());
        self.network.forward(self.preprocess(faces).view(), Mode::Eval, &mut workspace).to_owned()
    }
}

/// Area under the ROC curve, accuracy at the best threshold, rank 1, and B-cubed F of k-means.
fn scores(embeddings: ArrayView2<'_, f32>, identities: &[usize]) -> [f64; 4] {
    let pairs = balanced_pairs(identities, 1).unwrap();
    let verification = PairScores::from_embeddings(embeddings, &pairs).unwrap();

    // The first of each person's six images is enrolled.
    let (enrolled, probes): (Vec<usize>, Vec<usize>) = (0..identities.len()).partition(|image| image % 6 == 0);
    let [enrolled, probes] = [enrolled, probes].map(|images| {
        let labels: Vec<usize> = images.iter().map(|&image| identities[image]).collect();
        (embeddings.select(Axis(0), &images), labels)
    });
    let [enrolled, probes] = [&enrolled, &probes]
        .map(|(embeddings, identities)| LabeledEmbeddings { embeddings: embeddings.view(), identities });

    let k_means = KMeans::new(30).runs(10);
    let clusters = k_means.cluster(embeddings).unwrap();
    [
        verification.roc().auc(),
        verification.best_threshold(ThresholdSearch::Exact).accuracy,
        search(enrolled, probes).unwrap().identification_rate(1),
        clustering_report(&clusters, identities).unwrap().bcubed_f,
    ]
}

#[test]
fn single_crates_compose() {
    let world = SyntheticFaces::new(1);
    let (faces, identities) = world.portraits(0..120, 8, [28, 28]);
    let (unseen, unseen_identities) = world.portraits(140..170, 6, [28, 28]);
    let recipe = small();
    let network = Network::new(recipe.network.clone(), Initializer::HeNormal, 4).unwrap();
    let mut by_hand = ByHand { recipe: &recipe, faces: &faces, identities: &identities, network, losses: Vec::new() };
    let before = scores(by_hand.embed(unseen.clone()).view(), &unseen_identities);
    by_hand.train(recipe.steps, 4);
    let after = scores(by_hand.embed(unseen).view(), &unseen_identities);
    println!("{before:?} {after:?}");
    for (before, after) in before.into_iter().zip(after) {
        assert!(after > before + 0.1, "{before} to {after}");
    }

    // The trainer gives the same bits.
    let mut trainer = Trainer::new(recipe.clone(), faces.view(), &identities, 4).unwrap();
    let losses: Vec<f64> = (0..recipe.steps).map(|_| trainer.step().unwrap().loss.loss).collect();
    assert_eq!(losses, by_hand.losses);
    assert_eq!(weights_sha256(trainer.network()), weights_sha256(&by_hand.network));
}

#[test]
fn every_kind_of_loss_and_miner_composes() {
    let (faces, identities) = SyntheticFaces::new(2).portraits(0..8, 4, [16, 16]);
    for miner in [MinerKind::SemiHard, MinerKind::SemiHardRandom, MinerKind::BatchHard, MinerKind::BatchAll] {
        for reduction in [Reduction::Sum, Reduction::Mean, Reduction::MeanActive] {
            let recipe = Recipe {
                reduction,
                triplets: TripletSource::Online { miner },
                batch: BatchShape { people: 4, faces: 3, negatives: 2 },
                ..Recipe::from_toml(TINY_RECIPE).unwrap()
            };
            let network = Network::new(recipe.network.clone(), recipe.initializer, 4).unwrap();
            let mut by_hand =
                ByHand { recipe: &recipe, faces: &faces, identities: &identities, network, losses: Vec::new() };
            by_hand.train(3, 4);
            let mut trainer = Trainer::new(recipe.clone(), faces.view(), &identities, 4).unwrap();
            let losses: Vec<f64> = (0..3).map(|_| trainer.step().unwrap().loss.loss).collect();
            assert_eq!(losses, by_hand.losses, "{miner:?}, {reduction:?}");
            assert!(losses[0] > 0.0, "{miner:?}, {reduction:?}");
        }
    }
}

#[test]
fn from_files_to_embeddings() {
    let folder = tempfile::tempdir().unwrap();
    write_people(folder.path(), 7, 3);
    let recipe = Recipe::from_toml(TINY_RECIPE).unwrap();
    let source = DatasetSource::Folder(folder.path().to_owned());
    let dataset = DatasetLoader::new(&source, recipe.network.input).crop(recipe.crop).seed(1).load().unwrap();
    let mut trainer =
        Trainer::new(recipe.clone(), dataset.training.faces.view(), &dataset.training.identities, 1).unwrap();
    trainer.step().unwrap();
    let embedder = trainer.embedder();
    let expected = embedder.embed(dataset.unseen.faces.view()).unwrap();

    // The same images loaded by facenet-data alone.
    let set = FaceSet::from_folders(folder.path()).unwrap();
    let unseen = set.subset(5..7);
    assert_eq!(unseen.people, dataset.unseen.people);
    let faces =
        load_faces(&unseen.images, &FaceExtraction::crop(Crop::Whole, [16, 16]), &LoadOptions::default()).unwrap();
    assert_eq!(embedder.embed(faces.view()).unwrap(), expected);
}
