//! Distributions of initial parameters.

use facenet_network::{Description, Initializer, Parameters, Plan, Role};

const INITIALIZERS: [Initializer; 4] =
    [Initializer::HeNormal, Initializer::HeUniform, Initializer::GlorotNormal, Initializer::GlorotUniform];

/// A `kernel` x `kernel` convolution, then layers whose shapes do not depend on it.
fn plan(kernel: usize) -> Plan {
    let text = format!(
        r#"
        name = "test"
        input = [7, 7]
        embedding = 300
        layers = [
            {{ layer = "convolution", name = "first", kernel = {kernel}, channels = 40, activation = "prelu" }},
            {{ layer = "depthwise", name = "second", kernel = 3, padding = 1 }},
            {{ layer = "global_average_pool" }},
            {{ layer = "fully_connected", name = "third", channels = 500, normalization = "bias" }},
        ]
        "#
    );
    Plan::new(&Description::from_toml(&text).unwrap()).unwrap()
}

fn entry<'a>(parameters: &'a Parameters<f64>, name: &str) -> &'a [f64] {
    let index = parameters.table().entries().iter().position(|entry| entry.name == name).unwrap();
    parameters.entry(index)
}

#[test]
fn fan_in_and_fan_out() {
    let role = |name: &str| plan(3).parameters().entries().iter().find(|entry| entry.name == name).unwrap().role;
    assert_eq!(role("first.weight"), Role::Weight { inputs: 9 * 3, outputs: 9 * 40 });
    assert_eq!(role("second.weight"), Role::Weight { inputs: 9, outputs: 9 });
    assert_eq!(role("third.weight"), Role::Weight { inputs: 40, outputs: 500 });
    assert_eq!(role("embedding.weight"), Role::Weight { inputs: 500, outputs: 300 });
}

#[test]
fn weights_have_the_moments_and_bounds_of_their_distribution() {
    let (inputs, outputs, count) = (500.0, 300.0, 150_000.0_f64);
    for initializer in INITIALIZERS {
        let parameters = initializer.initialize::<f64>(plan(3).parameters(), 1);
        let weights = entry(&parameters, "embedding.weight");
        let (variance, kurtosis) = match initializer {
            Initializer::HeNormal => (2.0 / inputs, 3.0),
            Initializer::HeUniform => (2.0 / inputs, 1.8),
            Initializer::GlorotNormal => (2.0 / (inputs + outputs), 3.0),
            Initializer::GlorotUniform => (2.0 / (inputs + outputs), 1.8),
        };
        let moment = |power| weights.iter().map(|weight| weight.powi(power)).sum::<f64>() / count;
        // Five standard errors.
        assert!(moment(1).abs() < 5.0 * (variance / count).sqrt(), "{initializer:?}");
        assert!((moment(2) / variance - 1.0).abs() < 5.0 * ((kurtosis - 1.0) / count).sqrt(), "{initializer:?}");
        assert!((moment(4) / (variance * variance) - kurtosis).abs() < 0.15, "{initializer:?}");
        if kurtosis < 2.0 {
            let limit = (3.0 * variance).sqrt();
            let largest = weights.iter().fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
            assert!(largest <= limit && largest > 0.999 * limit, "{initializer:?}");
        }
    }
}

#[test]
fn other_parameters_start_as_their_role_says() {
    for initializer in INITIALIZERS {
        let plan = plan(3);
        let parameters = initializer.initialize::<f64>(plan.parameters(), 3);
        assert!(entry(&parameters, "first.batch_norm.scale").iter().all(|&value| value == 1.0));
        assert!(entry(&parameters, "first.batch_norm.shift").iter().all(|&value| value == 0.0));
        assert!(entry(&parameters, "first.slope").iter().all(|&value| value == 0.25));
        assert!(entry(&parameters, "third.bias").iter().all(|&value| value == 0.0));
        let statistics = initializer.initialize::<f64>(plan.statistics(), 3);
        assert!(entry(&statistics, "second.batch_norm.mean").iter().all(|&value| value == 0.0));
        assert!(entry(&statistics, "second.batch_norm.variance").iter().all(|&value| value == 1.0));
    }
}

#[test]
fn values_depend_on_the_seed_but_not_on_other_entries() {
    for initializer in INITIALIZERS {
        let one = initializer.initialize::<f64>(plan(1).parameters(), 5);
        let same = initializer.initialize::<f64>(plan(1).parameters(), 5);
        let other = initializer.initialize::<f64>(plan(1).parameters(), 6);
        let larger = initializer.initialize::<f64>(plan(3).parameters(), 5);
        assert_eq!(one, same);
        for name in ["second.weight", "third.weight", "embedding.weight"] {
            assert_ne!(entry(&one, name), entry(&other, name));
            assert_eq!(entry(&one, name), entry(&larger, name));
        }
        let (third, embedding) = (entry(&one, "third.weight"), entry(&one, "embedding.weight"));
        assert!(third.iter().zip(embedding).all(|(x, y)| x != y));
    }
}

#[test]
fn single_precision_is_double_precision_rounded() {
    for initializer in INITIALIZERS {
        let double = initializer.initialize::<f64>(plan(3).parameters(), 7);
        let single = initializer.initialize::<f32>(plan(3).parameters(), 7);
        assert!(double.values.iter().zip(&single.values).all(|(&x, &y)| x as f32 == y));
    }
}

#[test]
fn names_in_configuration_files() {
    let names = INITIALIZERS.map(|initializer| serde_json::to_string(&initializer).unwrap());
    assert_eq!(names, [r#""he_normal""#, r#""he_uniform""#, r#""glorot_normal""#, r#""glorot_uniform""#]);
    assert_eq!(Initializer::default(), Initializer::HeNormal);
}
