//! `FACENET_SPIN` affects run time only.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::Command;

use facenet_network::{FrozenNetwork, Initializer, Mode, Network, Parameters, Workspace, built_in};
use ndarray::{Array2, Array4};

/// Set for the child processes of the test.
const CHILD: &str = "FACENET_NETWORK_TEST_CHILD";

/// Hash of all results of a training step and of inference, bit by bit.
fn hash_of_results() -> u64 {
    let network: Network<f32> = Network::new(built_in("compact_inception").unwrap(), Initializer::HeNormal, 1).unwrap();
    let [height, width] = network.plan().input_size();
    let x =
        Array4::from_shape_fn((3, height, width, 3), |(n, h, w, c)| ((n * 31 + h * 7 + w * 3 + c) % 17) as f32 / 8.0);
    let mut workspace = Workspace::new(network.plan());
    let mut gradients = Parameters::zeros(network.plan().parameters());
    let embeddings = network.forward(x.view(), Mode::Train { seed: 1, step: 0 }, &mut workspace).to_owned();
    let dembeddings = Array2::from_shape_fn(embeddings.raw_dim(), |(row, column)| (row + column) as f32 / 64.0 - 1.0);
    network.backward(dembeddings.view(), &mut workspace, &mut gradients);
    let frozen = FrozenNetwork::new(&network);
    let mut frozen_workspace = frozen.workspace();
    let frozen_embeddings = frozen.forward(x.view(), &mut frozen_workspace);
    let mut hasher = DefaultHasher::new();
    for value in embeddings.iter().chain(&gradients.values).chain(frozen_embeddings) {
        value.to_bits().hash(&mut hasher);
    }
    hasher.finish()
}

#[test]
fn spinning_does_not_change_results() {
    if std::env::var_os(CHILD).is_some() {
        println!("hash {:016x}", hash_of_results());
        return;
    }
    let [default, on, off] = [None, Some("1"), Some("0")].map(|spin| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "thread_pool::spinning_does_not_change_results", "--nocapture"]);
        command.env(CHILD, "1").env_remove("FACENET_SPIN");
        if let Some(spin) = spin {
            command.env("FACENET_SPIN", spin);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, hash) = text.split_once("hash ").expect("the child prints its hash");
        hash[..16].to_owned()
    });
    assert_eq!(default, on);
    assert_eq!(default, off);
}
