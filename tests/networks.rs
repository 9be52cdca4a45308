//! Every built-in network trains, in bounded memory.

use std::fs;

use facenet_data::SyntheticFaces;
use facenet_network::{NETWORKS, built_in};
use facenet_recognition::Embed;
use facenet_training::{Recipe, Trainer};
use facenet_triplet::BatchShape;

/// Steps of training per network.
const STEPS: u64 = 2;
/// Maximum peak memory of the process, in KiB.
const PEAK: u64 = 8 << 20;

/// Peak memory of this process in KiB; Linux only.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim_end().parse().ok()
}

#[test]
fn every_network_trains_on_two_faces_per_person() {
    for name in NETWORKS {
        let network = built_in(name).unwrap();
        let (faces, identities) = SyntheticFaces::new(1).portraits(0..4, 2, network.input);
        let batch = BatchShape { people: 4, faces: 2, negatives: 0 };
        let recipe = Recipe { network, batch, steps: STEPS, ..Recipe::built_in("synthetic").unwrap() };
        let mut trainer = Trainer::new(recipe, faces.view(), &identities, 1).unwrap();
        let start = trainer.network().parameters.values.clone();
        for _ in 0..STEPS {
            let loss = trainer.step().unwrap().loss.loss;
            assert!(loss.is_finite(), "{name}: a loss of {loss}");
        }
        let values = &trainer.network().parameters.values;
        assert!(values.iter().all(|value| value.is_finite()), "{name} has parameters that are not finite");
        for entry in trainer.network().parameters.table().entries() {
            let moved = values[entry.range.clone()] != start[entry.range.clone()];
            assert!(moved, "{name}: {} did not change", entry.name);
        }
        drop(start);
        let embeddings = trainer.embedder().embed(faces.view()).unwrap();
        for embedding in embeddings.outer_iter() {
            assert!((embedding.dot(&embedding) - 1.0).abs() < 1e-5, "{name}: {embedding}");
        }
        let peak = peak();
        println!("{name}: {} parameters, peak so far {peak:?} KiB", values.len());
        assert!(peak.is_none_or(|peak| peak < PEAK), "{name}: {peak:?} KiB");
    }
}
