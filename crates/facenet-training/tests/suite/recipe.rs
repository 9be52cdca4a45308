//! Recipes: TOML, defaults, and validation.

use std::f64::consts::PI;

use facenet_data::{Augmentation, Crop};
use facenet_network::{AdaGrad, Initializer, NETWORKS, OptimizerConfig, Plan, Sgd, built_in};

use facenet_training::{DatasetSource, Error, LearningRate, RECIPES, Recipe, TripletSource};
use facenet_triplet::{BatchShape, MinerKind, Reduction};

const SHORT: &str = r#"
steps = 30
margin = 0.2

[batch]
people = 4
faces = 3

[triplets]
from = "online"
miner = "batch_hard"

[learning_rate]
base = 0.01

[network]
name = "tiny"
input = [8, 8]
embedding = 4
layers = [{ layer = "global_average_pool" }]
"#;

#[test]
fn recipes_round_trip_through_toml() {
    let short = Recipe::from_toml(SHORT).unwrap();
    let recipes = [
        short.clone(),
        Recipe::built_in("synthetic").unwrap(),
        Recipe::built_in("orl").unwrap(),
        Recipe::built_in("lfw").unwrap(),
        Recipe {
            steps: 1_000_000_000_000,
            margin: 0.1,
            reduction: Reduction::Sum,
            clip_norm: None,
            initializer: Initializer::GlorotUniform,
            crop: Crop::Rectangle { left: 1, top: 2, width: 3, height: 4 },
            batch: BatchShape { people: 3, faces: 40, negatives: 100 },
            triplets: TripletSource::Offline {
                miner: MinerKind::SemiHardRandom,
                every: 7,
                pictures: 500,
                triplets: 10_000_000,
            },
            learning_rate: LearningRate { base: 1e-3 / 3.0, warmup: 5, last: 1.0 },
            optimizer: OptimizerConfig::AdaGrad(AdaGrad::default()),
            augmentation: Augmentation { rotation: 12.5, ..Augmentation::default() },
            ..short
        },
    ];
    for recipe in recipes {
        let text = recipe.to_toml();
        assert_eq!(Recipe::from_toml(&text).unwrap(), recipe, "{text}");
    }
}

#[test]
fn optional_fields_have_defaults() {
    let recipe = Recipe::from_toml(SHORT).unwrap();
    assert_eq!((recipe.reduction, recipe.initializer), (Reduction::MeanActive, Initializer::HeNormal));
    assert_eq!((recipe.clip_norm, recipe.crop, recipe.batch.negatives), (None, Crop::Whole, 0));
    assert_eq!((recipe.optimizer, recipe.augmentation), (OptimizerConfig::default(), Augmentation::default()));
    assert_eq!(recipe.learning_rate, LearningRate { base: 0.01, warmup: 0, last: 0.0 });
}

/// The error of the short recipe with one part replaced.
fn refused(part: &str, by: &str) -> String {
    assert_eq!(SHORT.matches(part).count(), 1, "{part}");
    Recipe::from_toml(&SHORT.replace(part, by)).expect_err(by).to_string()
}

#[test]
fn unknown_and_missing_fields_are_named() {
    for (part, by, named) in [
        ("steps = 30", "steps = 30\nstep = 3", "`step`"),
        ("faces = 3", "faces = 3\nnegative = 3", "`negative`"),
        ("miner = \"batch_hard\"", "miner = \"batch_hard\"\nevery = 3", "`every`"),
        ("base = 0.01", "base = 0.01\nwarm_up = 3", "`warm_up`"),
        ("name = \"tiny\"", "name = \"tiny\"\ncolor = 3", "`color`"),
        ("[network]", "[augmentation]\nflips = 0.5\n[network]", "`flips`"),
        ("[network]", "[optimizer]\nkind = \"sgd\"\nmomentun = 0.5\n[network]", "`momentun`"),
        ("steps = 30", "", "`steps`"),
        ("margin = 0.2", "", "`margin`"),
        ("people = 4", "", "`people`"),
        ("miner = \"batch_hard\"", "", "`miner`"),
        ("from = \"online\"", "from = \"offline\"", "`every`"),
        ("from = \"online\"", "from = \"nowhere\"", "`nowhere`"),
        ("miner = \"batch_hard\"", "miner = \"hard\"", "`hard`"),
        ("steps = 30", "steps = -1", "steps = -1"),
        ("steps = 30", "steps = 0.5", "steps = 0.5"),
        ("steps = 30", "steps = ", "steps = "),
    ] {
        let message = refused(part, by);
        assert!(message.starts_with("not a recipe: "), "{message}");
        assert!(message.contains(named), "{by}: {message}");
    }
}

#[test]
fn values_out_of_range_are_named() {
    for (part, by, message) in [
        ("steps = 30", "steps = 0", "steps is 0, which is not between 1 and 1000000000000"),
        ("margin = 0.2", "margin = nan", "margin is NaN, which is not between 0 and 4"),
        ("margin = 0.2", "margin = -0.5", "margin is -0.5, which is not between 0 and 4"),
        ("margin = 0.2", "margin = inf", "margin is inf, which is not between 0 and 4"),
        ("base = 0.01", "base = nan", "learning_rate.base is NaN, which is not between 0 and 1000000"),
        ("base = 0.01", "base = -0.01", "learning_rate.base is -0.01, which is not between 0 and 1000000"),
        ("base = 0.01", "base = 1.0\nlast = 1.5", "learning_rate.last is 1.5, which is not between 0 and 1"),
        ("people = 4", "people = 0", "batch.people is 0, which is not between 2 and 20000"),
        ("faces = 3", "faces = 1", "batch.faces is 1, which is not between 2 and 20000"),
        ("faces = 3", "faces = 3\nnegatives = 100001", "batch.negatives is 100001, which is not between 0 and 20000"),
        (
            "[network]",
            "[augmentation]\nflip = 1.5\n[network]",
            "augmentation.flip is 1.5: expected a number from 0 to 1",
        ),
        (
            "[network]",
            "[optimizer]\nkind = \"sgd\"\nmomentum = 1.0\n[network]",
            "optimizer: momentum is 1, not between 0 and 0.999999",
        ),
        (
            "from = \"online\"",
            "from = \"offline\"\nevery = 0\npictures = 9\ntriplets = 9",
            "triplets.every is 0, which is not between 1 and 10000000",
        ),
        (
            "from = \"online\"",
            "from = \"offline\"\nevery = 1\npictures = 9\ntriplets = 10000001",
            "triplets.triplets is 10000001, which is not between 1 and 10000000",
        ),
    ] {
        assert_eq!(refused(part, by), message);
    }
    let no_embedding = refused("embedding = 4", "embedding = 0");
    assert!(no_embedding.starts_with("layer embedding: channels is 0, not between 1"), "{no_embedding}");
    for clip_norm in ["0.0", "nan", "-1.0"] {
        let message = refused("steps = 30", &format!("steps = 30\nclip_norm = {clip_norm}"));
        assert!(message.starts_with("clip_norm is "), "{message}");
    }
    let broken = Recipe { margin: f32::NAN, ..Recipe::built_in("synthetic").unwrap() };
    assert!(matches!(broken.validate(), Err(Error::RecipeRange { field: "margin", .. })));
}

#[test]
fn the_learning_rate_follows_its_formula() {
    let (base, warmup, last, steps) = (0.3, 4, 0.1, 24);
    let rate = LearningRate { base, warmup, last };
    for step in 0..steps {
        let expected = if step < warmup {
            base * (step as f64 + 1.0) / 4.0
        } else {
            base * (last + (1.0 - last) * (1.0 + (PI * (step as f64 - 4.0) / 20.0).cos()) / 2.0)
        };
        assert!((rate.at(step, steps) - expected).abs() < 1e-15, "step {step}");
    }
    // Known points: a quarter of the warmup, the peak, midway, the end and beyond.
    let known = [(0, 0.075), (3, 0.3), (4, 0.3), (14, 0.165), (24, 0.03), (1_000, 0.03)];
    for (step, expected) in known {
        assert!((rate.at(step, steps) - expected).abs() < 1e-15, "step {step}: {}", rate.at(step, steps));
    }
    // It never rises after the warmup.
    assert!((4..steps).all(|step| rate.at(step + 1, steps) <= rate.at(step, steps)));
    // A constant rate, no warmup, a warmup that never ends.
    assert!((0..10).all(|step| LearningRate { base, warmup: 0, last: 1.0 }.at(step, 10) == base));
    assert_eq!(LearningRate { base, warmup: 0, last: 0.0 }.at(0, 1), base);
    assert_eq!(LearningRate { base, warmup: 100, last: 0.0 }.at(9, 10), base * 0.1);
}

#[test]
fn every_data_set_has_a_recipe() {
    for source in [
        DatasetSource::Synthetic(facenet_training::SyntheticSize::default()),
        DatasetSource::Orl,
        DatasetSource::Olivetti,
        DatasetSource::Lfw,
        DatasetSource::LfwFunneled,
        DatasetSource::Folder("faces".into()),
    ] {
        let recipe = Recipe::for_dataset(&source);
        recipe.validate().unwrap();
    }
    assert_eq!(Recipe::for_dataset(&DatasetSource::Olivetti), Recipe::for_dataset(&DatasetSource::Orl));
    assert!(
        Recipe {
            optimizer: OptimizerConfig::Sgd(Sgd { momentum: f64::NAN, ..Sgd::default() }),
            ..Recipe::built_in("orl").unwrap()
        }
        .validate()
        .is_err()
    );
}

#[test]
fn mini_batches_of_large_networks_have_fewer_people() {
    for (name, recipe) in NETWORKS.into_iter().flat_map(|name| {
        let negatives = BatchShape { people: 40, faces: 7, negatives: 11 };
        let large = BatchShape { people: 2, faces: 5000, negatives: 3 };
        [Recipe::built_in("synthetic").unwrap().batch, negatives, large]
            .map(|batch| (name, Recipe { batch, ..Recipe::built_in("synthetic").unwrap() }))
    }) {
        let network = built_in(name).unwrap();
        let BatchShape { people, faces, negatives } = recipe.batch;
        let changed = recipe.clone().with_network(network.clone());
        let fitted = changed.batch.people;
        // 4 GiB of activations and gradients, 4 bytes each.
        let activations = Plan::new(&network).unwrap().activation_count();
        let fits = |people: usize| activations * (people * faces + negatives) * 8 <= 4 << 30;
        assert!((2..=people).contains(&fitted), "{name}: {fitted}");
        assert!(fitted == 2 || fits(fitted), "{name}: {fitted} people take too much memory");
        assert!(fitted == people || !fits(fitted + 1), "{name}: more than {fitted} people would fit");
        let batch = BatchShape { people: fitted, ..recipe.batch };
        assert_eq!(changed, Recipe { network, batch, ..recipe }, "nothing else changes");
        changed.validate().unwrap();
    }
    // The recipe's own network changes nothing.
    let recipe = Recipe::built_in("synthetic").unwrap();
    assert_eq!(recipe.clone().with_network(recipe.network.clone()), recipe);
    // nn2 has 5,594,336 activations per face: 95 of 96 faces fit.
    assert_eq!(recipe.with_network(built_in("nn2").unwrap()).batch.people, 23);
    // An invalid network is left to `validate`.
    let impossible = facenet_network::Description { embedding: Some(0), ..built_in("nns2").unwrap() };
    assert!(Recipe::built_in("synthetic").unwrap().with_network(impossible).validate().is_err());
}

#[test]
fn the_network_may_be_a_built_in_name() {
    let (start, _) = SHORT.split_once("[network]").unwrap();
    let recipe = Recipe::from_toml(&format!("network = \"nn4_small2\"\n{start}")).unwrap();
    assert_eq!(recipe.network, built_in("nn4_small2").unwrap());
    let error = Recipe::from_toml(&format!("network = \"nn5\"\n{start}")).unwrap_err().to_string();
    assert!(error.contains("nn5") && error.contains("nn4_small2"), "{error}");
    // Mistakes in a description are still named.
    let error = Recipe::from_toml(&SHORT.replace("input = [8, 8]", "inputs = [8, 8]")).unwrap_err().to_string();
    assert!(error.contains("inputs"), "{error}");
}

#[test]
fn built_in_recipes_have_names() {
    for name in RECIPES {
        let recipe = Recipe::built_in(name).unwrap();
        assert_eq!(Recipe::from_toml(&recipe.to_toml()).unwrap(), recipe, "{name}");
    }
    assert!(Recipe::built_in("mnist").is_none());
    assert_eq!(Recipe::for_dataset(&DatasetSource::Olivetti), Recipe::built_in("orl").unwrap());
}
