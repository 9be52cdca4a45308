//! Training: bit-identical on any number of threads and after resuming; checkpoints and errors.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use facenet_data::{Augmentation, SyntheticFaces};
use facenet_metrics::{Pair, balanced_pairs};
use facenet_network::Checkpoint;
use facenet_network::{AdaGrad, Adam, Description, OptimizerConfig, Sgd};
use facenet_recognition::{
    Embed, Embedder, ValidationPairs, calibrate, calibration, read_checkpoint, weights_sha256, write_checkpoint,
};
use facenet_training::{Error, Progress, Recipe, StepReport, StoppedBy, Trainer, TripletSource, train};
use facenet_triplet::{BatchShape, MinerKind, Reduction};
use ndarray::{Array4, Axis, s};

/// Everything that could depend on the order of work: batch normalization, dropout, augmentation,
/// clipping.
const TINY: &str = r#"
steps = 12
margin = 0.2
clip_norm = 5.0

[batch]
people = 6
faces = 3
negatives = 2

[triplets]
from = "online"
miner = "semi_hard_random"

[learning_rate]
base = 0.01
warmup = 3
last = 0.1

[augmentation]
flip = 0.5
shift = 0.05
contrast = 0.2

[network]
name = "tiny"
input = [16, 16]
embedding = 8
layers = [
    { layer = "convolution", name = "conv1", kernel = 3, stride = 2, padding = 1, channels = 8 },
    { layer = "convolution", name = "conv2", kernel = 3, stride = 2, padding = 1, channels = 20 },
    { layer = "dropout", rate = 0.1 },
]
"#;

fn tiny() -> Recipe {
    Recipe::from_toml(TINY).unwrap()
}

/// No pairs to calibrate on.
fn nobody(faces: &Array4<u8>) -> ValidationPairs<'_> {
    ValidationPairs { faces: faces.view(), pairs: &[] }
}

/// Twelve people with four images each.
fn faces() -> (Array4<u8>, Vec<usize>) {
    SyntheticFaces::new(3).portraits(0..12, 4, [16, 16])
}

fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn steps(trainer: &mut Trainer<'_>, steps: u64) -> Vec<StepReport> {
    (0..steps).map(|_| trainer.step().unwrap()).collect()
}

fn hash(trainer: &Trainer<'_>) -> String {
    weights_sha256(trainer.network())
}

/// The reports and the hash of the weights after `count` steps.
fn trained(recipe: &Recipe, seed: u64, count: u64) -> (Vec<StepReport>, String) {
    let (faces, identities) = faces();
    let mut trainer = Trainer::new(recipe.clone(), faces.view(), &identities, seed).unwrap();
    let reports = steps(&mut trainer, count);
    (reports, hash(&trainer))
}

fn offline(every: u64) -> Recipe {
    Recipe {
        reduction: Reduction::Mean,
        triplets: TripletSource::Offline { miner: MinerKind::BatchAll, every, pictures: 30, triplets: 60 },
        ..tiny()
    }
}

#[test]
fn threads_make_no_difference() {
    for recipe in [tiny(), offline(4)] {
        let [one, two, five] = [1, 2, 5].map(|threads| on_threads(threads, || trained(&recipe, 7, 8)));
        assert_eq!(one.0, two.0);
        assert_eq!(one, five);
        assert_eq!(one.1, two.1);
    }
}

#[test]
fn results_depend_on_the_seed() {
    let (_, first) = trained(&tiny(), 7, 4);
    assert_eq!(trained(&tiny(), 7, 4).1, first);
    assert_ne!(trained(&tiny(), 8, 4).1, first);
    assert_eq!(first.len(), 64);
    assert!(first.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{first}");
    // The seed decides batches and augmentation too, not only the initial weights.
    let (faces, identities) = faces();
    let reports = [7, 8].map(|seed| steps(&mut Trainer::new(tiny(), faces.view(), &identities, seed).unwrap(), 1));
    assert_ne!(reports[0], reports[1]);
}

#[test]
fn steps_report_loss_and_learning_rate() {
    let recipe = tiny();
    let (reports, _) = trained(&recipe, 7, 5);
    for (step, report) in reports.iter().enumerate() {
        assert_eq!((report.step, report.images), (step as u64, 6 * 3 + 2));
        assert_eq!(report.learning_rate, recipe.learning_rate.at(step as u64, 12));
        assert!(report.gradient_norm > 0.0 && report.gradient_norm.is_finite());
        // Semi-hard: the negative is farther away than the positive, and within the margin.
        let loss = report.loss;
        assert!(loss.triplets > 0 && loss.active_triplets == loss.triplets, "{report:?}");
        assert!(loss.loss > 0.0 && loss.loss < 0.2, "{report:?}");
        assert!((0.0..4.0).contains(&loss.mean_squared_distance), "{report:?}");
    }
    let json = serde_json::to_value(reports[0]).unwrap();
    assert_eq!((json["step"].as_u64(), json["triplets"].as_u64()), (Some(0), Some(reports[0].loss.triplets as u64)));
}

/// Resuming from a file gives the same steps and the same end as going on.
fn assert_resumes(recipe: &Recipe, before: u64, after: u64) {
    let (faces, identities) = faces();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut whole = Trainer::new(recipe.clone(), faces.view(), &identities, 7).unwrap();
    steps(&mut whole, before);
    write_checkpoint(&path, &whole.checkpoint()).unwrap();
    let expected = steps(&mut whole, after);

    let checkpoint = read_checkpoint(&path).unwrap();
    assert_eq!(Trainer::recipe_and_seed(&checkpoint).unwrap(), (recipe.clone(), 7));
    let mut resumed = Trainer::resume(checkpoint, faces.view(), &identities).unwrap();
    assert_eq!(resumed.steps_done(), before);
    assert_eq!(steps(&mut resumed, after), expected);
    assert_eq!(hash(&resumed), hash(&whole));
    // Parameters, statistics and the optimizer's buffers.
    assert_eq!(resumed.checkpoint(), whole.checkpoint());
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    for optimizer in [
        OptimizerConfig::Adam(Adam::default()),
        OptimizerConfig::Sgd(Sgd { momentum: 0.9, weight_decay: 1e-4 }),
        OptimizerConfig::AdaGrad(AdaGrad::default()),
    ] {
        assert_resumes(&Recipe { optimizer, ..tiny() }, 5, 4);
    }
    assert_resumes(&offline(4), 8, 4);
}

#[test]
fn unusable_checkpoints_are_errors() {
    let (faces, identities) = faces();
    let trainer = Trainer::new(tiny(), faces.view(), &identities, 7).unwrap();
    let resume = |change: &dyn Fn(&mut facenet_network::Checkpoint)| {
        let mut checkpoint = trainer.checkpoint();
        change(&mut checkpoint);
        Trainer::resume(checkpoint, faces.view(), &identities).err()
    };
    assert!(resume(&|_| ()).is_none());
    assert!(matches!(resume(&|checkpoint| checkpoint.training = None), Some(Error::NothingToResume)));
    let no_buffers = resume(&|checkpoint| checkpoint.training.as_mut().unwrap().optimizer_state.clear());
    assert!(matches!(no_buffers, Some(Error::MissingBuffer { name: "first_moment" })));
    let no_recipe = resume(&|checkpoint| checkpoint.training.as_mut().unwrap().recipe = "steps".to_owned());
    assert!(matches!(no_recipe, Some(Error::RecipeSyntax { .. })));
    let other_steps = resume(&|checkpoint| checkpoint.training.as_mut().unwrap().step = 3);
    assert!(matches!(other_steps, Some(Error::WrongHistory)));
    // The network is the checkpoint's, not that of the recipe in it.
    let other = Recipe { network: Recipe::built_in("synthetic").unwrap().network, ..tiny() };
    let mut checkpoint = trainer.checkpoint();
    checkpoint.training.as_mut().unwrap().recipe = other.to_toml();
    assert_eq!(Trainer::recipe_and_seed(&checkpoint).unwrap(), (tiny(), 7));
    let resumed = Trainer::resume(checkpoint, faces.view(), &identities).unwrap();
    assert_eq!(resumed.checkpoint(), trainer.checkpoint());
}

#[test]
fn a_batch_has_at_most_all_people() {
    let (faces, identities) = faces();
    let many = Recipe { batch: BatchShape { people: 13, faces: 2, negatives: 0 }, ..tiny() };
    let mut trainer = Trainer::new(many, faces.view(), &identities, 7).unwrap();
    assert_eq!(trainer.step().unwrap().images, 24);
}

#[test]
fn images_that_give_no_batch_are_an_error() {
    let (faces, identities) = faces();
    let message = |recipe: Recipe, identities: &[usize]| {
        let faces = faces.slice(s![..identities.len(), .., .., ..]);
        Trainer::new(recipe, faces, identities, 7).err().expect("an error").to_string()
    };
    assert_eq!(message(tiny(), &identities[..4]), "triplets need images of at least two people, found 1");
    assert_eq!(
        message(Recipe { margin: f32::NAN, ..tiny() }, &identities),
        "margin is NaN, which is not between 0 and 4"
    );
    let few = TripletSource::Offline { miner: MinerKind::SemiHard, every: 2, pictures: 2, triplets: 9 };
    assert_eq!(
        message(Recipe { triplets: few, ..tiny() }, &identities),
        "triplets.pictures is 2, which is not between 3 and 20000"
    );
}

#[test]
#[should_panic(expected = "faces of 48 images for this network")]
fn faces_of_another_size_panic() {
    let (_, identities) = faces();
    let _ = Trainer::new(tiny(), Array4::zeros((48, 16, 15, 3)).view(), &identities, 7);
}

#[test]
fn every_miner_trains() {
    let miners = [MinerKind::SemiHard, MinerKind::SemiHardRandom, MinerKind::BatchHard, MinerKind::BatchAll];
    let mut results = BTreeSet::new();
    for miner in miners {
        let online = Recipe { triplets: TripletSource::Online { miner }, ..tiny() };
        let offline = TripletSource::Offline { miner, every: 2, pictures: 30, triplets: 40 };
        for recipe in [online, Recipe { triplets: offline, ..tiny() }] {
            let (reports, hash) = trained(&recipe, 7, 3);
            assert!(reports.iter().all(|report| report.loss.triplets > 0), "{miner:?}: {reports:?}");
            results.insert(hash);
        }
    }
    assert_eq!(results.len(), 2 * miners.len(), "each combination picks different triplets");
}

#[test]
fn offline_rounds_reduce_the_loss() {
    let (faces, identities) = faces();
    let recipe = Recipe { steps: 100, augmentation: Augmentation::default(), ..offline(10) };
    let mut trainer = Trainer::new(recipe, faces.view(), &identities, 7).unwrap();
    let reports = steps(&mut trainer, 100);
    let mean =
        |reports: &[StepReport]| reports.iter().map(|report| report.loss.loss).sum::<f64>() / reports.len() as f64;
    // Over all triplets of the subset, which is drawn anew for each round.
    let (first, last) = (mean(&reports[..10]), mean(&reports[90..]));
    println!("{first} {last}");
    assert!(last < 0.5 * first, "{first} to {last}");
    assert!(reports.iter().all(|report| report.images <= 6 * 3 + 2 && report.loss.triplets <= 60));
}

#[test]
fn a_step_without_triplets_changes_no_parameter() {
    // Four equal images of each person: with a margin of 0 no triplet is active.
    let (faces, identities) = faces();
    let faces = faces.select(Axis(0), &(0..48).map(|image| image / 4 * 4).collect::<Vec<_>>());
    let recipe = Recipe {
        margin: 0.0,
        augmentation: Augmentation::default(),
        optimizer: OptimizerConfig::Sgd(Sgd { momentum: 0.0, weight_decay: 0.0 }),
        ..offline(4)
    };
    let mut trainer = Trainer::new(recipe, faces.view(), &identities, 7).unwrap();
    let before = trainer.checkpoint().parameters;
    for report in steps(&mut trainer, 5) {
        assert_eq!((report.loss.triplets, report.loss.loss, report.gradient_norm), (0, 0.0, 0.0));
        assert!(report.loss.mean_squared_distance > 0.0);
    }
    assert_eq!(trainer.checkpoint().parameters, before);
}

#[test]
fn divergence_is_an_error_and_leaves_finite_parameters() {
    let layer = |name| {
        format!(
            "{{ layer = \"convolution\", name = \"{name}\", kernel = 3, padding = 1, channels = 8, normalization = \"bias\" }}"
        )
    };
    let layers: Vec<String> = ["a", "b", "c", "d", "e", "f", "g", "h"].map(layer).into();
    let network = format!("name = \"deep\"\ninput = [16, 16]\nembedding = 4\nlayers = [{}]", layers.join(", "));
    let recipe = Recipe {
        steps: 50,
        clip_norm: None,
        learning_rate: facenet_training::LearningRate { base: 1e6, warmup: 0, last: 1.0 },
        network: Description::from_toml(&network).unwrap(),
        ..tiny()
    };
    let (faces, identities) = faces();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    std::fs::write(&path, "an earlier file").unwrap();
    let out = folder.path();
    let mut trainer = Trainer::new(recipe, faces.view(), &identities, 7).unwrap();
    let error = train(&mut trainer, nobody(&faces), out, None, &AtomicBool::new(false), &|_| ()).unwrap_err();
    let Error::Diverged { step } = error else { panic!("{error}") };
    assert_eq!(step, trainer.steps_done());
    assert!(error.to_string().starts_with(&format!("training diverged at step {step}: ")), "{error}");
    let checkpoint = trainer.checkpoint();
    assert!(checkpoint.parameters.values.iter().all(|value| value.is_finite()));
    // The file is unchanged.
    assert_eq!(std::fs::read(&path).unwrap(), b"an earlier file");
}

#[test]
fn every_way_training_ends_leaves_a_checkpoint() {
    let (faces, identities) = faces();
    let (others, other_identities) = SyntheticFaces::new(4).portraits(0..6, 4, [16, 16]);
    let pairs = balanced_pairs(&other_identities, 1).unwrap();
    let validation = ValidationPairs { faces: others.view(), pairs: &pairs };
    for (minutes, interrupt, stopped_by, expected) in [
        (None, None, Some(StoppedBy::Steps), 12),
        (Some(60.0), None, Some(StoppedBy::Steps), 12),
        (Some(1e-9), None, Some(StoppedBy::Minutes), 1),
        (None, Some(4), None, 5),
        // All steps are done then.
        (None, Some(11), Some(StoppedBy::Steps), 12),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let result = folder.path().join("result.json");
        std::fs::write(&result, "an earlier run's").unwrap();
        let mut trainer = Trainer::new(tiny(), faces.view(), &identities, 7).unwrap();
        let stop = AtomicBool::new(false);
        let seen = Mutex::new(Vec::new());
        let observer = |progress: Progress<'_>| {
            let Progress::Training { step, of: 12 } = progress else { panic!("{progress:?}") };
            seen.lock().unwrap().push(step.step);
            stop.store(interrupt == Some(step.step), Ordering::Relaxed);
        };
        match (stopped_by, train(&mut trainer, validation, folder.path(), minutes, &stop, &observer)) {
            (Some(stopped_by), Ok(summary)) => {
                assert_eq!((summary.stopped_by, summary.steps), (stopped_by, expected));
                assert_eq!((summary.people, summary.images, summary.seconds > 0.0), (12, 48, true));
            }
            (None, Err(Error::Interrupted { steps, checkpoint })) => {
                assert_eq!((steps, checkpoint), (expected, path.clone()));
            }
            (_, other) => panic!("{other:?}"),
        }
        assert!(!result.exists());
        assert_eq!(seen.into_inner().unwrap(), (0..expected).collect::<Vec<_>>());

        // Only the checkpoint of a completed run has a calibration.
        let checkpoint = read_checkpoint(&path).unwrap();
        let calibrated = |trainer: &Trainer<'_>| calibrate(&trainer.embedder(), validation).unwrap();
        let expected = stopped_by.map(|_| calibrated(&trainer));
        assert_eq!(calibration(&checkpoint, &path).unwrap(), expected);
        assert_eq!(checkpoint, Checkpoint { calibration: checkpoint.calibration.clone(), ..trainer.checkpoint() });
        let embedder = Embedder::from_checkpoint(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(embedder.embed(faces.view()).unwrap(), trainer.embedder().embed(faces.view()).unwrap());

        // Resuming ends where an uninterrupted run ends.
        let mut resumed = Trainer::resume(checkpoint, faces.view(), &identities).unwrap();
        let summary = train(&mut resumed, validation, folder.path(), None, &AtomicBool::new(false), &|_| ()).unwrap();
        assert_eq!((summary.stopped_by, summary.steps), (StoppedBy::Steps, 12));
        assert_eq!(hash(&resumed), trained(&tiny(), 7, 12).1);
        let checkpoint = read_checkpoint(&path).unwrap();
        assert_eq!(calibration(&checkpoint, &path).unwrap(), Some(calibrated(&resumed)));
    }
}

#[test]
fn inseparable_validation_people_give_no_calibration() {
    let (faces, identities) = faces();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    // The same images as a genuine and as an impostor pair.
    let pairs = [true, false].map(|genuine| Pair { first: 0, second: 9, genuine });
    for pairs in [&pairs[..], &pairs[..1], &[]] {
        let validation = ValidationPairs { faces: faces.view(), pairs };
        let mut trainer = Trainer::new(Recipe { steps: 1, ..tiny() }, faces.view(), &identities, 7).unwrap();
        train(&mut trainer, validation, folder.path(), None, &AtomicBool::new(false), &|_| ()).unwrap();
        assert_eq!(read_checkpoint(&path).unwrap(), trainer.checkpoint());
    }
}

#[test]
fn an_interruption_before_the_first_step_touches_nothing() {
    let (faces, identities) = faces();
    let folder = tempfile::tempdir().unwrap();
    let files = ["checkpoint.safetensors", "result.json"].map(|name| folder.path().join(name));
    files.iter().for_each(|file| std::fs::write(file, "an earlier run's").unwrap());
    let mut trainer = Trainer::new(tiny(), faces.view(), &identities, 7).unwrap();
    let error = train(&mut trainer, nobody(&faces), folder.path(), None, &AtomicBool::new(true), &|_| ()).unwrap_err();
    assert!(matches!(error, Error::InterruptedEarly), "{error}");
    assert!(files.iter().all(|file| std::fs::read(file).unwrap() == b"an earlier run's"));
}

#[test]
fn resuming_on_other_images_is_an_error() {
    let (faces, identities) = faces();
    let checkpoint = Trainer::new(tiny(), faces.view(), &identities, 7).unwrap().checkpoint();
    let (others, _) = SyntheticFaces::new(4).portraits(0..12, 4, [16, 16]);
    let mut mixed = identities.clone();
    mixed.swap(0, 47);
    for (faces, identities) in [(&others, &identities), (&faces, &mixed)] {
        let error = Trainer::resume(checkpoint.clone(), faces.view(), identities).err();
        assert!(matches!(error, Some(Error::OtherImages)), "{error:?}");
    }
}

#[test]
fn an_unwritable_folder_is_an_error_before_the_first_step() {
    let (faces, identities) = faces();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let mut trainer = Trainer::new(Recipe { steps: 1, ..tiny() }, faces.view(), &identities, 7).unwrap();
    let error = train(&mut trainer, nobody(&faces), &missing, None, &AtomicBool::new(false), &|_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Data(facenet_data::Error::Write { path: named, .. }) if *named == missing),
        "{error}"
    );
    assert_eq!(trainer.steps_done(), 0);
}

#[test]
fn stop_reasons_in_json() {
    assert_eq!(serde_json::to_string(&[StoppedBy::Steps, StoppedBy::Minutes]).unwrap(), r#"["steps","minutes"]"#);
}
