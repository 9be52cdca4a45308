//! Optimizers against their formulas, element by element.

use std::sync::Arc;

use approx::assert_relative_eq;
use facenet_network::{
    AdaGrad, Adam, Description, Error, Initializer, Optimizer, OptimizerConfig, ParameterTable, Parameters, Plan, Role,
    Sgd,
};
use proptest::prelude::*;

const SGD: OptimizerConfig = OptimizerConfig::Sgd(Sgd { momentum: 0.9, weight_decay: 0.01 });
const PLAIN: OptimizerConfig = OptimizerConfig::Sgd(Sgd { momentum: 0.0, weight_decay: 0.01 });
const ADA_GRAD: OptimizerConfig =
    OptimizerConfig::AdaGrad(AdaGrad { initial_accumulator: 0.1, epsilon: 1e-6, weight_decay: 0.01 });
const ADAM: OptimizerConfig =
    OptimizerConfig::Adam(Adam { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weight_decay: 0.01 });
const CONFIGS: [OptimizerConfig; 4] = [SGD, PLAIN, ADA_GRAD, ADAM];

/// Entries of every role; the weights of `second` are long enough to be split.
fn table() -> Arc<ParameterTable> {
    let text = r#"
        name = "test"
        input = [9, 9]
        embedding = 6
        layers = [
            { layer = "convolution", name = "first", kernel = 2, channels = 4, activation = "prelu" },
            { layer = "fully_connected", name = "second", channels = 201, normalization = "bias" },
        ]
    "#;
    Plan::new(&Description::from_toml(text).unwrap()).unwrap().parameters().clone()
}

/// Gradient of a quadratic function whose minimum depends on the index, plus noise that depends on
/// the step.
fn gradient(index: usize, parameter: f64, step: u64) -> f64 {
    let center = (index as f64).sin();
    let noise = (index as f64 * 0.7 + step as f64 * 1.3).cos();
    (0.5 + (index % 3) as f64) * (parameter - center) + 0.1 * noise
}

fn gradients(parameters: &Parameters<f64>, step: u64) -> Parameters<f64> {
    let mut gradients = parameters.clone();
    gradients.values.iter_mut().enumerate().for_each(|(index, value)| *value = gradient(index, *value, step));
    gradients
}

fn learning_rate(step: u64) -> f64 {
    0.05 / (1.0 + 0.1 * step as f64)
}

fn run(optimizer: &mut dyn Optimizer<f64>, parameters: &mut Parameters<f64>, steps: std::ops::Range<u64>) {
    for step in steps {
        let gradients = gradients(parameters, step);
        optimizer.update(parameters, &gradients, learning_rate(step), step);
    }
}

/// A single parameter after `steps` steps, by the formulas of the sources.
fn oracle(config: OptimizerConfig, index: usize, mut parameter: f64, decays: bool, steps: u64) -> f64 {
    let decay = |weight_decay: f64| if decays { weight_decay } else { 0.0 };
    let mut history = Vec::new();
    for step in 0..steps {
        let rate = learning_rate(step);
        let raw = gradient(index, parameter, step);
        parameter = match config {
            OptimizerConfig::Sgd(Sgd { momentum, weight_decay }) => {
                // Momentum unrolled: a sum of decayed gradients.
                history.push(raw + decay(weight_decay) * parameter);
                let ages = history.iter().rev().zip(0..);
                parameter - rate * ages.map(|(gradient, age)| momentum.powi(age) * gradient).sum::<f64>()
            }
            OptimizerConfig::AdaGrad(AdaGrad { initial_accumulator, epsilon, weight_decay }) => {
                let gradient = raw + decay(weight_decay) * parameter;
                history.push(gradient);
                let squares = history.iter().map(|gradient| gradient * gradient).sum::<f64>();
                parameter - rate * gradient / ((initial_accumulator + squares).sqrt() + epsilon)
            }
            OptimizerConfig::Adam(Adam { beta1, beta2, epsilon, weight_decay }) => {
                // Moving averages unrolled: weights of a geometric series that sum to 1.
                history.push(raw);
                let average = |beta: f64, power: i32| {
                    let weights = || (0..history.len() as i32).rev().map(|age| beta.powi(age));
                    let sum: f64 = history.iter().zip(weights()).map(|(g, weight)| weight * g.powi(power)).sum();
                    sum / weights().sum::<f64>()
                };
                let direction = average(beta1, 1) / (average(beta2, 2).sqrt() + epsilon);
                parameter - rate * direction - rate * decay(weight_decay) * parameter
            }
        };
    }
    parameter
}

#[test]
fn several_steps_agree_with_the_formulas() {
    let table = table();
    let start = Initializer::HeNormal.initialize::<f64>(&table, 1);
    for config in CONFIGS {
        let mut parameters = start.clone();
        run(&mut *config.build(&table), &mut parameters, 0..7);
        for entry in table.entries() {
            let decays = matches!(entry.role, Role::Weight { .. });
            for index in entry.range.clone() {
                let expected = oracle(config, index, start.values[index], decays, 7);
                assert_relative_eq!(parameters.values[index], expected, epsilon = 1e-12, max_relative = 1e-12);
            }
        }
    }
}

#[test]
fn weight_decay_applies_to_weights_only() {
    let table = table();
    let mut start = Parameters::<f64>::zeros(&table);
    start.values.fill(2.0);
    for config in CONFIGS {
        let mut parameters = start.clone();
        config.build(&table).update(&mut parameters, &Parameters::zeros(&table), 0.1, 0);
        for (index, entry) in table.entries().iter().enumerate() {
            let decays = matches!(entry.role, Role::Weight { .. });
            assert!(parameters.entry(index).iter().all(|&value| (value < 2.0) == decays && value > 1.0), "{config:?}");
        }
        if config != ADA_GRAD {
            // SGD: 0.1 * (0.01 * 2); the same for decoupled decay.
            let weights = parameters.entry(0);
            assert_relative_eq!(weights[0], 2.0 - 0.1 * 0.01 * 2.0, max_relative = 1e-12);
        }
    }
}

#[test]
fn a_restored_state_continues_bit_by_bit() {
    let table = table();
    for config in CONFIGS {
        let mut whole = Initializer::HeNormal.initialize::<f64>(&table, 2);
        let mut halves = whole.clone();
        run(&mut *config.build(&table), &mut whole, 0..10);

        let mut first = config.build(&table);
        run(&mut *first, &mut halves, 0..4);
        let mut second = config.build(&table);
        for ((name, saved), (restored_name, restored)) in first.state().into_iter().zip(second.state_mut()) {
            assert_eq!(name, restored_name);
            restored.clone_from(saved);
        }
        run(&mut *second, &mut halves, 4..10);
        assert_eq!(whole, halves, "{config:?}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let table = table();
    for config in CONFIGS {
        let [one, many] = [1, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut parameters = Initializer::HeNormal.initialize::<f32>(&table, 3);
                let gradients = Initializer::HeUniform.initialize::<f32>(&table, 4);
                let mut optimizer = config.build(&table);
                (0..3).for_each(|step| optimizer.update(&mut parameters, &gradients, 0.05, step));
                parameters
            })
        });
        assert_eq!(one, many, "{config:?}");
    }
}

#[test]
fn names_of_the_state() {
    let table = table();
    let names = CONFIGS.map(|config| {
        let optimizer = config.build::<f32>(&table);
        optimizer.state().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    });
    assert_eq!(names, [vec!["momentum"], vec![], vec!["accumulator"], vec!["first_moment", "second_moment"]]);
}

#[test]
fn quadratic_functions_are_minimized() {
    let table = table();
    let configs = [
        (OptimizerConfig::Sgd(Sgd::default()), 0.02),
        (OptimizerConfig::AdaGrad(AdaGrad::default()), 0.5),
        (OptimizerConfig::default(), 0.02),
    ];
    for (config, learning_rate) in configs {
        let mut parameters = Initializer::HeNormal.initialize::<f32>(&table, 5);
        let mut gradients = parameters.clone();
        let mut optimizer = config.build(&table);
        let center = |index: usize| (index as f32).sin();
        for step in 0..600 {
            for (index, (gradient, parameter)) in gradients.values.iter_mut().zip(&parameters.values).enumerate() {
                *gradient = (0.5 + (index % 3) as f32) * (parameter - center(index));
            }
            optimizer.update(&mut parameters, &gradients, learning_rate, step);
        }
        let differences = parameters.values.iter().enumerate().map(|(index, parameter)| parameter - center(index));
        let worst = differences.fold(0.0_f32, |worst, difference| worst.max(difference.abs()));
        assert!(worst < 1e-3, "{config:?}: {worst}");
    }
}

#[test]
fn zero_gradients_leave_parameters_unchanged_at_extreme_hyperparameters() {
    let table = table();
    let configs = [
        OptimizerConfig::AdaGrad(AdaGrad { initial_accumulator: 0.0, epsilon: 1e-12, weight_decay: 0.0 }),
        OptimizerConfig::Adam(Adam { beta1: 0.0, beta2: 0.999_999, epsilon: 1e-12, weight_decay: 0.0 }),
        OptimizerConfig::default(),
    ];
    for config in configs {
        config.validate().unwrap();
        let mut parameters = Initializer::HeNormal.initialize::<f32>(&table, 6);
        let before = parameters.clone();
        let mut optimizer = config.build(&table);
        for step in [0, 1, u64::MAX] {
            optimizer.update(&mut parameters, &Parameters::zeros(&table), 0.1, step);
        }
        assert_eq!(before, parameters, "{config:?}");
    }
}

#[test]
#[should_panic = "different tables"]
fn gradients_of_another_network_panic() {
    let table = table();
    let other = Arc::new(ParameterTable::default());
    let mut parameters = Parameters::<f32>::zeros(&table);
    ADAM.build(&table).update(&mut parameters, &Parameters::zeros(&other), 0.1, 0);
}

#[test]
fn configurations_by_name_with_defaults() {
    let read = |text: &str| toml::from_str::<OptimizerConfig>(text);
    assert_eq!(read(r#"kind = "sgd""#).unwrap(), OptimizerConfig::Sgd(Sgd { momentum: 0.9, weight_decay: 0.0 }));
    assert_eq!(read(r#"kind = "ada_grad""#).unwrap(), OptimizerConfig::AdaGrad(AdaGrad::default()));
    assert_eq!(read(r#"kind = "adagrad""#).unwrap(), OptimizerConfig::AdaGrad(AdaGrad::default()));
    assert_eq!(read(r#"kind = "adam""#).unwrap(), OptimizerConfig::default());
    let adam = Adam { weight_decay: 0.1, ..Adam::default() };
    assert_eq!(read("kind = \"adam\"\nweight_decay = 0.1").unwrap(), OptimizerConfig::Adam(adam));
    for config in CONFIGS {
        assert_eq!(read(&toml::to_string(&config).unwrap()).unwrap(), config);
    }
    for wrong in ["", r#"kind = "adagradd""#, "kind = \"sgd\"\nbeta1 = 0.5", "kind = \"adam\"\nmomentum = 0.5"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn hyperparameters_out_of_range_are_named(wrong in prop_oneof![-9.0..-1e-9, 1.1e6..1e9, Just(f64::NAN), Just(f64::INFINITY)]) {
        let cases = [
            ("momentum", OptimizerConfig::Sgd(Sgd { momentum: wrong, ..Sgd::default() })),
            ("weight_decay", OptimizerConfig::Sgd(Sgd { weight_decay: wrong, ..Sgd::default() })),
            ("initial_accumulator", OptimizerConfig::AdaGrad(AdaGrad { initial_accumulator: wrong, ..AdaGrad::default() })),
            ("epsilon", OptimizerConfig::AdaGrad(AdaGrad { epsilon: wrong, ..AdaGrad::default() })),
            ("weight_decay", OptimizerConfig::AdaGrad(AdaGrad { weight_decay: wrong, ..AdaGrad::default() })),
            ("beta1", OptimizerConfig::Adam(Adam { beta1: wrong, ..Adam::default() })),
            ("beta2", OptimizerConfig::Adam(Adam { beta2: wrong, ..Adam::default() })),
            ("epsilon", OptimizerConfig::Adam(Adam { epsilon: wrong, ..Adam::default() })),
            ("weight_decay", OptimizerConfig::Adam(Adam { weight_decay: wrong, ..Adam::default() })),
        ];
        for (name, config) in cases {
            let named = matches!(config.validate(), Err(Error::OutOfRange { field, .. }) if field == name);
            prop_assert!(named, "{:?}", config);
        }
    }
}

#[test]
fn the_defaults_are_in_range() {
    let defaults = [
        OptimizerConfig::Sgd(Sgd::default()),
        OptimizerConfig::AdaGrad(AdaGrad::default()),
        OptimizerConfig::Adam(Adam::default()),
    ];
    for config in CONFIGS.iter().chain(&defaults) {
        config.validate().unwrap();
    }
}
