//! The built-in networks: their sizes, and the paper's tables row by row.

use facenet_network::{LANDMARK_NETWORK, LayerCost, NETWORKS, Plan, built_in, paper_network, parse_printed_figure};

fn plan(name: &str) -> Plan {
    Plan::new(&built_in(name).unwrap()).unwrap()
}

/// Name, input size, dimension, weights, multiply-adds: computed from the paper's tables, or from
/// the sources that the descriptions name.
const COUNTS: [(&str, [usize; 2], usize, usize, usize); 12] = [
    ("nn1", [220, 220], 128, 140_006_592, 1_605_944_064),
    ("nn2", [224, 224], 128, 7_448_256, 1_596_530_688),
    ("nn3", [160, 160], 128, 7_448_256, 814_620_672),
    ("nn4", [96, 96], 128, 6_600_384, 284_741_632),
    ("nns1", [165, 165], 128, 25_983_584, 219_737_952),
    ("nns2", [140, 116], 128, 4_284_272, 20_016_896),
    ("nn4_small2", [96, 96], 128, 3_719_872, 206_919_680),
    ("openface_nn4_small2_v1", [96, 96], 128, 3_719_872, 200_118_272),
    ("inception_resnet_v1", [160, 160], 512, 23_432_032, 1_417_662_304),
    ("mobilefacenet_y1", [112, 112], 128, 976_000, 220_965_376),
    ("face_reidentification_retail_0095", [128, 128], 256, 1_095_296, 288_699_392),
    ("compact_inception", [64, 64], 128, 858_944, 44_847_104),
];

#[test]
fn networks_have_the_expected_sizes() {
    assert_eq!(COUNTS.map(|(name, ..)| name), NETWORKS);
    for (name, input, dimension, weights, multiply_adds) in COUNTS {
        let plan = plan(name);
        assert_eq!((plan.input_size(), plan.dimension()), (input, dimension), "{name}");
        assert_eq!((plan.weight_count(), plan.multiply_adds()), (weights, multiply_adds), "{name}");
    }
}

#[test]
fn parameter_counts_match_published_ones() {
    // facenet-pytorch's InceptionResnetV1 without its classifier.
    assert_eq!(plan("inception_resnet_v1").parameters().len(), 23_482_624);
    // OpenFace's nn4.small2 has 3,733,968, including a redundant bias before each batch
    // normalization, which ours omits.
    let plan = plan("openface_nn4_small2_v1");
    let redundant: usize = plan.statistics().len() / 2;
    assert_eq!(plan.parameters().len() + redundant, 3_733_968);
    // The OpenVINO files of these two, with batch normalization folded into weights and biases,
    // have 993,346 and 1,106,814 elements; 2 and 6 of them are our preprocessing.
    for (name, count) in [("mobilefacenet_y1", 993_344), ("face_reidentification_retail_0095", 1_106_808)] {
        let plan = self::plan(name);
        assert_eq!(plan.parameters().len() - plan.statistics().len() / 2, count, "{name}");
    }
    // Its file has 190,616 elements; 6 of them are our preprocessing.
    assert_eq!(self::plan(LANDMARK_NETWORK).parameters().len(), 190_610);
}

/// Difference between a printed figure and ours, in units of its last digit.
fn difference(printed: &str, ours: usize) -> f64 {
    let (value, unit) = parse_printed_figure(printed);
    (value - ours as f64).abs() / unit
}

#[test]
fn layer_costs_match_the_papers_tables() {
    for (name, rows) in [("nn1", 14), ("nn2", 13)] {
        let paper = paper_network(name).unwrap();
        assert_eq!(paper.rows.len(), rows);
        let plan = plan(name);
        let blocks = plan.block_costs();
        let with_parameters: Vec<&LayerCost> = blocks.iter().filter(|cost| cost.parameters > 0).collect();
        assert_eq!(with_parameters.len(), rows, "every block of {name} with parameters is printed");
        for (printed, cost) in paper.rows.iter().zip(with_parameters) {
            assert_eq!(printed.block, cost.layer);
            let [parameters, multiply_adds] = [cost.weights + cost.biases, cost.multiply_adds + cost.bias_additions];
            println!(
                "{name} {}: {} {parameters}, {} {multiply_adds}",
                printed.layer, printed.parameters, printed.multiply_adds
            );
            assert!(difference(printed.parameters, parameters) <= 1.0, "{name} {}: {parameters}", printed.layer);
            assert!(
                difference(printed.multiply_adds, multiply_adds) <= 1.0,
                "{name} {}: {multiply_adds}",
                printed.layer
            );
        }
    }
}

#[test]
fn totals_match_the_papers_figures() {
    let mut compared = 0;
    for name in NETWORKS {
        let Some(paper) = paper_network(name) else { continue };
        let plan = plan(name);
        let bias_additions: usize = plan.layer_costs().iter().map(|cost| cost.bias_additions).sum();
        for (printed, ours) in [
            (paper.parameters, plan.weight_count() + plan.bias_count()),
            (paper.multiply_adds, plan.multiply_adds() + bias_additions),
        ] {
            let Some(printed) = printed else { continue };
            assert!(difference(printed, ours) <= 1.0, "{name}: {printed} and {ours}");
            compared += 1;
        }
    }
    assert_eq!(compared, 10);
}
