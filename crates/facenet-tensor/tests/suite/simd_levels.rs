//! The kernels at lower instruction sets, in other processes: the choice is made once per process.

use std::env;
use std::fs;
use std::process::Command;

use facenet_tensor::{
    FusedActivation, PackedConvolution, PackedDepthwise, PackedSeparable, SimdLevel, Window, simd_level,
};
use ndarray::{Array1, Array4, Axis};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The levels below that of this processor, as `FACENET_VECTORS` names them.
fn lower_levels() -> &'static [&'static str] {
    match simd_level() {
        SimdLevel::Avx512 => &["avx2", "portable"],
        SimdLevel::Avx2 | SimdLevel::Neon => &["portable"],
        SimdLevel::Portable => &[],
    }
}

/// Runs some tests of this program at a lower level.
fn run_at(level: &str, tests: &[&str], environment: Option<(&str, &str)>) {
    let mut program = Command::new(env::current_exe().unwrap());
    let output = program.args(tests).envs(environment).env("FACENET_VECTORS", level).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(!report.contains("running 0 tests"), "{report}");
    assert!(output.status.success(), "{level}: {report}");
}

#[test]
fn lower_levels_pass_the_same_tests() {
    for level in lower_levels() {
        run_at(level, &["convolution::", "packed::", "packed_rows::", "guard_pages::"], None);
    }
}

/// The environment variable that names the file for [`write_results`].
const RESULTS: &str = "FACENET_TEST_RESULTS";

/// Outputs of frozen convolutions with the terms of the longest sum: direct, by Winograd with 2x2 and
/// with 4x4 tiles, then depthwise.
fn results() -> Vec<(usize, Vec<f32>)> {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let mut random = |shape| Array4::<f32>::random_using(shape, Uniform::new(-1.0, 1.0), &mut generator);
    let values = |first, channels| Array1::linspace(first, 1.0, channels);
    let mut results = Vec::new();
    let window = Window::square(3, 1, 1);
    for ([height, width], inputs) in [([9, 7], 12), ([9, 7], 20), ([12, 11], 20)] {
        let (x, weight) = (random((2, height, width, inputs)), random((3, 3, inputs, 45)));
        for activation in [
            FusedActivation::None,
            FusedActivation::Relu,
            FusedActivation::Sigmoid,
            FusedActivation::PRelu(values(-0.5, 45).to_vec()),
        ] {
            let bias = values(-1.0, 45);
            let packed = PackedConvolution::new(weight.view(), bias.view(), activation, window, [height, width]);
            let mut y = Array4::zeros((2, height, width, 45));
            packed.forward(x.view(), y.view_mut());
            results.push((9 * inputs, y.into_raw_vec_and_offset().0));
        }
    }
    let (x, weight) = (random((2, 9, 23, 37)), random((1, 3, 3, 37)));
    for (window, [rows, columns]) in [(Window::square(3, 1, 1), [9, 23]), (Window::square(3, 2, 1), [5, 12])] {
        let (weight, bias) = (weight.index_axis(Axis(0), 0), values(-1.0, 37));
        let packed = PackedDepthwise::new(weight, bias.view(), FusedActivation::PRelu(vec![0.25]), window);
        let mut y = Array4::zeros((2, rows, columns, 37));
        packed.forward(x.view(), y.view_mut());
        results.push((10, y.into_raw_vec_and_offset().0));
        // Values between the convolutions are less than 2.
        let weight = Array4::from_elem((1, 1, 37, 37), 0.01);
        let pointwise =
            PackedConvolution::new(weight.view(), bias.view(), FusedActivation::None, Window::square(1, 1, 0), [9, 23]);
        let separable = PackedSeparable::new(&pointwise, &packed).unwrap();
        let mut y = Array4::zeros((2, rows, columns, 37));
        separable.forward(x.view(), y.view_mut());
        results.push((2 * (37 + 10), y.into_raw_vec_and_offset().0));
    }
    results
}

/// Writes the results to a file if the test below asks for it.
#[test]
fn write_results() {
    if let Some(path) = env::var_os(RESULTS) {
        let bytes = results().into_iter().flat_map(|(_, values)| values).flat_map(f32::to_le_bytes);
        fs::write(path, bytes.collect::<Vec<u8>>()).unwrap();
    }
}

#[test]
fn levels_with_fma_compute_the_same_bits_and_others_close_values() {
    let best = results();
    for &level in lower_levels() {
        let path = env::temp_dir().join(format!("facenet-tensor-{level}-{}", std::process::id()));
        run_at(level, &["--exact", "simd_levels::write_results"], Some((RESULTS, path.to_str().unwrap())));
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let mut found = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        for (terms, best) in &best {
            // Sums of products of values in [-1, 1]: one rounding per addition, and one per product
            // without FMA.
            let bound = if level == "portable" { f32::EPSILON * 2.0 * *terms as f32 } else { 0.0 };
            for (&best, found) in best.iter().zip(found.by_ref()) {
                let is_same =
                    if bound == 0.0 { found.to_bits() == best.to_bits() } else { (found - best).abs() <= bound };
                assert!(is_same, "{level}: {found} and {best}");
            }
        }
        assert_eq!(found.next(), None, "{level}");
    }
}
