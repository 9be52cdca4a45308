//! Descriptions: the plans they resolve to, and the errors of invalid ones.

use facenet_network::{
    DETECTOR, Description, Error, LANDMARK_NETWORK, Layer, NETWORKS, NormalizationScheme, Plan, Scaling, built_in,
};

fn compact_inception() -> Description {
    built_in("compact_inception").unwrap()
}

fn plan(layers: &str) -> Result<Plan, Error> {
    let text = format!("name = \"a\"\ninput = [8, 8]\nembedding = 4\nlayers = [{layers}]\n");
    Plan::new(&Description::from_toml(&text)?)
}

fn message(layers: &str) -> String {
    plan(layers).expect_err(layers).to_string()
}

#[test]
fn costs_of_the_compact_network() {
    let plan = Plan::new(&compact_inception()).unwrap();
    assert_eq!((plan.input_size(), plan.dimension()), ([64, 64], 128));
    assert_eq!(plan.multiply_adds(), 44_847_104);
    assert_eq!(plan.parameters().len(), 862_536);
    assert_eq!(plan.layer_costs().iter().map(|cost| cost.parameters).sum::<usize>(), plan.parameters().len());
    let cost = |name: &str| plan.layer_costs().iter().find(|cost| cost.layer == name).unwrap();
    // 3 x 3 x 48 x 64 weights, scale and shift of 64 channels; a multiply-add per weight at each of
    // 16 x 16 pixels.
    let convolution = cost("inception_3a.branch_3x3.conv");
    assert_eq!((convolution.output, convolution.parameters), ([16, 16, 64], 27_648 + 128));
    assert_eq!(convolution.multiply_adds, 256 * 27_648);
}

#[test]
fn toml_round_trip() {
    let description = compact_inception();
    assert_eq!(Description::from_toml(&description.to_toml()).unwrap(), description);
}

#[test]
fn names_are_paths_of_fields() {
    let plan = plan("{ layer = 'inception', name = 'i', branch_3x3 = [2, 3] }").unwrap();
    let names: Vec<&str> = plan.parameters().entries().iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "i.branch_3x3.reduce.weight",
            "i.branch_3x3.reduce.batch_norm.scale",
            "i.branch_3x3.reduce.batch_norm.shift",
            "i.branch_3x3.conv.weight",
            "i.branch_3x3.conv.batch_norm.scale",
            "i.branch_3x3.conv.batch_norm.shift",
            "embedding.weight",
        ]
    );
    let statistics: Vec<&str> = plan.statistics().entries().iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(statistics[1], "i.branch_3x3.reduce.batch_norm.variance");
}

#[test]
fn errors_name_the_layer_and_what_is_wrong_with_it() {
    let convolution = |rest: &str| format!("{{ layer = 'convolution', name = 'c', {rest} }}");
    for (layers, expected) in [
        (convolution("kernel = 3, channels = 0"), "layer c: channels is 0, not between 1 and 65536"),
        (
            convolution("kernel = 3, channels = 9999999"),
            "layer c: channels is 9999999, not between 1 and 65536",
        ),
        (convolution("kernel = 9, channels = 1"), "layer c: a 9x9 window with padding 0x0 does not fit a 8x8 input"),
        (convolution("kernel = 3, stride = 0, channels = 1"), "layer c: stride is 0, not between 1 and 1024"),
        (convolution("kernel = 3, padding = 3, channels = 1"), "layer c: padding is 3, not between 0 and 2"),
        (
            format!("{}, {}", convolution("kernel = 1, channels = 1"), convolution("kernel = 1, channels = 1")),
            "the name c.weight is used twice",
        ),
        (
            "{ layer = 'maxout', pieces = 2 }".to_owned(),
            "layer maxout (number 1): 3 channels cannot be split into groups of 2",
        ),
        ("{ layer = 'inception', name = 'i' }".to_owned(), "layer i: the block has no layers"),
        (
            "{ layer = 'inception', name = 'i', stride = 2, branch_1x1 = 4 }".to_owned(),
            "layer i: an inception block of stride 2 cannot have a 1x1 branch",
        ),
        (
            "{ layer = 'convolution', name = 'c', kernel = [1, 16], padding = [0, 3], channels = 1 }".to_owned(),
            "layer c: a 1x16 window with padding 0x3 does not fit a 8x8 input",
        ),
        ("{ layer = 'branches', branches = [[], []] }".to_owned(), "layer branches (number 1): the block has no layers"),
        (
            "{ layer = 'branches', name = 'b', branches = [[], [{ layer = 'pool', kind = 'max', kernel = 2 }]] }".to_owned(),
            "layer b: the output of branch 2 is 7x7, that of the first branch 8x8",
        ),
        ("{ layer = 'residual', name = 'r', layers = [] }".to_owned(), "layer r: the block has no layers"),
        (
            format!("{{ layer = 'residual', name = 'r', repeat = 2, layers = [{}] }}", convolution("kernel = 1, channels = 4")),
            "layer r_1: the residual branch maps [8, 8, 3] to [8, 8, 4]; the shapes must be equal",
        ),
        (
            "{ layer = 'residual', name = 'r', scale = inf, layers = [{ layer = 'dropout', rate = 0.1 }] }".to_owned(),
            "layer r: scale is inf, not between -1000000 and 1000000",
        ),
        (
            "{ layer = 'residual', name = 'r', layers = [{ layer = 'maxout', pieces = 2 }] }".to_owned(),
            "layer r.maxout: 3 channels cannot be split into groups of 2",
        ),
        (
            "{ layer = 'zero_pad', size = [9, 7] }".to_owned(),
            "layer zero_pad (number 1): a 8x8 input cannot be padded to 9x7",
        ),
        (
            "{ layer = 'squeeze_excitation', name = 's', channels = 0 }".to_owned(),
            "layer s.reduce: channels is 0, not between 1 and 65536",
        ),
        (
            "{ layer = 'inception', name = 'i', branch_1x1 = 2, branch_pool = { kind = 'max', stride = 1, padding = 3 } }".to_owned(),
            "layer i.pool: padding is 3, not between 0 and 2",
        ),
        (
            "{ layer = 'dropout', rate = 1.0 }".to_owned(),
            "layer dropout (number 1): rate is 1, not between 0 and 0.99",
        ),
    ] {
        assert_eq!(message(&layers), expected);
    }
    for (layers, expected) in [
        (
            "{ layer = 'convolution', name = 'c', kernel = 3, channels = 1, dilation = 2 }",
            "layer c: unknown field `dilation`",
        ),
        ("{ layer = 'transformer' }", "layer transformer: unknown variant `transformer`"),
        ("{ name = 'n' }", "layer n: missing field `layer`"),
        ("{ layer = 'global_average_pool', kernle = 3 }", "layer global_average_pool: unknown field `kernle`"),
        ("{ layer = 'pool', kind = 'median', kernel = 3 }", "layer pool: unknown variant `median`"),
        (
            "{ layer = 'convolution', name = 'c', kernel = 'x', channels = 1 }",
            "layer c: expected a number, or [height, width]",
        ),
        (
            "{ layer = 'residual', name = 'r', layers = [{ layer = 'convolution', name = 'c', kernel = 1 }] }",
            "layer r: layer c: missing field `channels`",
        ),
    ] {
        let message = message(layers);
        assert!(message.starts_with("not a network description") && message.contains(expected), "{message}");
    }
}

#[test]
fn excessive_sizes_are_refused_before_allocation() {
    let wide = "{ layer = 'fully_connected', name = 'f', channels = 65536 }, \
                { layer = 'fully_connected', name = 'g', channels = 65536 }";
    assert!(message(wide).contains("parameters, exceeding the limit of 1073741824"), "{}", message(wide));
    let mut description = compact_inception();
    description.input = [4096, 4096];
    description.layers.truncate(1);
    let error = Plan::new(&description).unwrap_err().to_string();
    assert!(error.contains("activation elements"), "{error}");
}

#[test]
fn nested_blocks_are_bounded() {
    // 1000 * 1000 * 1000 layers.
    let inner = "{ layer = 'residual', name = 'c', repeat = 1000, layers = [{ layer = 'dropout', rate = 0.1 }] }";
    let block = |name: &str, layers: &str| {
        format!("{{ layer = 'residual', name = '{name}', repeat = 1000, layers = [{layers}] }}")
    };
    assert_eq!(
        message(&block("a", &block("b", inner))),
        "layer a: up to here the network has 10001 layers, exceeding the limit of 10000"
    );
    // Deeper than the TOML parser allows.
    let deep = format!("{}{}", "{ layer = 'residual', name = 'd', layers = [".repeat(100_000), "] }".repeat(100_000));
    let text = format!("name = 'a'\ninput = [8, 8]\nembedding = 4\nlayers = [{deep}]");
    assert!(matches!(Description::from_toml(&text), Err(Error::DescriptionSyntax { .. })));
}

#[test]
fn branches_names_and_windows_are_bounded() {
    let branches = format!(
        "{{ layer = 'branches', branches = [{}] }}",
        "[],".repeat(65_000) + "[{ layer = 'dropout', rate = 0.1 }]"
    );
    assert_eq!(
        message(&branches),
        "layer number 1: up to here the network has 10001 layers, exceeding the limit of 10000"
    );
    let named = |name: &str| {
        format!("{{ layer = 'residual', name = '{name}', layers = [{{ layer = 'dropout', rate = 0.1 }}] }}")
    };
    for name in ["", ".a", "a..b", &"n".repeat(250_000)] {
        assert!(matches!(plan(&named(name)), Err(Error::LayerName { .. })), "{}", name.len());
    }
    assert_eq!(
        message("{ layer = 'pool', kind = 'max', kernel = 1000, padding = 999 }"),
        "layer pool (number 1): kernel height times width is 1000000, not between 1 and 16384"
    );
}

#[test]
fn names_in_nested_blocks() {
    let plan = plan(
        "{ layer = 'residual', name = 'block', repeat = 2, layers = [
            { layer = 'branches', name = 'split', branches = [
                [{ layer = 'convolution', name = 'left', kernel = 1, channels = 1, normalization = 'none', activation = 'none' }],
                [{ layer = 'convolution', name = 'right', kernel = 1, channels = 2, normalization = 'bias', activation = 'prelu_shared' }],
            ] },
        ] }",
    )
    .unwrap();
    let names: Vec<&str> = plan.parameters().entries().iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "block_1.split.left.weight",
            "block_1.split.right.weight",
            "block_1.split.right.bias",
            "block_1.split.right.slope",
            "block_2.split.left.weight",
            "block_2.split.right.weight",
            "block_2.split.right.bias",
            "block_2.split.right.slope",
            "embedding.weight",
        ]
    );
    assert_eq!(plan.parameters().entries()[3].shape, [1]);
    let blocks = plan.block_costs();
    let blocks: Vec<_> = blocks.iter().map(|cost| (cost.layer.as_str(), cost.output, cost.weights)).collect();
    assert_eq!(blocks, [("block_1", [8, 8, 3], 9), ("block_2", [8, 8, 3], 9), ("embedding", [1, 1, 4], 768)]);
}

/// Every default may be written out.
#[test]
fn explicit_defaults_are_equivalent() {
    let text = |normalization: &str| {
        format!(
            "name = 'a'
            input = [8, 8]
            embedding = 4
            preprocessing = {{ color_order = 'rgb', scaling = {{ fixed = {{ subtract = 127.5, divide = 128.0 }} }} }}
            batch_norm = {{ epsilon = 0.001, momentum = 0.95 }}
            layers = [
                {{ layer = 'convolution', name = 'c', kernel = 3, stride = 2, padding = 1, channels = 5{normalization}, activation = 'relu' }},
                {{ layer = 'inception', name = 'i', stride = 1, branch_1x1 = 4, branch_pool = {{ kind = 'max', projection = 2 }}{normalization}, activation = 'relu' }},
                {{ layer = 'pool', kind = 'max', kernel = 3, stride = 2, padding = 1 }},
            ]"
        )
    };
    let [explicit, implicit] =
        [", normalization = 'batch_norm'", ""].map(|text_of| Description::from_toml(&text(text_of)).unwrap());
    assert_eq!(Plan::new(&explicit).unwrap(), Plan::new(&implicit).unwrap());
    assert_eq!(explicit.preprocessing, implicit.preprocessing);
}

#[test]
fn normalization_can_be_replaced() {
    let nn2 = || built_in("nn2").unwrap();
    let batch = nn2().with_normalization(NormalizationScheme::Batch).unwrap();
    let none = nn2().with_normalization(NormalizationScheme::None).unwrap();
    assert_eq!(nn2().with_normalization(NormalizationScheme::LocalResponse).unwrap(), nn2());
    let [paper, batch_plan, none_plan] = [&nn2(), &batch, &none].map(|description| Plan::new(description).unwrap());
    assert_eq!((paper.statistics().len(), none_plan.statistics().len()), (0, 0));
    // A mean and a variance for each channel that had a bias, except for the embedding, which has
    // no batch normalization.
    assert_eq!(batch_plan.statistics().len(), 2 * (paper.bias_count() - 128));
    assert_eq!((batch_plan.weight_count(), none_plan.weight_count()), (paper.weight_count(), paper.weight_count()));
    let norms = |plan: &Plan| plan.layer_costs().iter().filter(|cost| cost.layer.starts_with("local_response")).count();
    assert_eq!([&paper, &batch_plan, &none_plan].map(norms), [2, 0, 0]);
    let error = built_in("nn4_small2").unwrap().with_normalization(NormalizationScheme::LocalResponse).unwrap_err();
    assert_eq!(error.to_string(), "network nn4_small2 has no local response normalization");
    let around = "name = 'a'\ninput = [8, 8]\nembedding = 4\nlayers = [{ layer = 'residual', name = 'r', layers = [
        { layer = 'local_response_norm', size = 5, alpha = 1e-4, beta = 0.75, k = 1.0 }] }]";
    let around = Description::from_toml(around).unwrap().with_normalization(NormalizationScheme::Batch).unwrap();
    assert_eq!(around.layers, [], "an empty residual block is removed");
    let resnet = built_in("inception_resnet_v1").unwrap().with_normalization(NormalizationScheme::None).unwrap();
    assert_eq!(Plan::new(&resnet).unwrap().statistics().len(), 0);
}

#[test]
fn the_template_scales_with_the_input() {
    let nn3 = built_in("nn3").unwrap();
    assert_eq!((nn3.name.as_str(), nn3.input), ("nn3", [160, 160]));
    let [nn2, nn3] = [built_in("nn2").unwrap(), nn3].map(|description| description.preprocessing.template.unwrap());
    for (large, small) in nn2.iter().flatten().zip(nn3.iter().flatten()) {
        assert!(((large + 0.5) / 224.0 - (small + 0.5) / 160.0).abs() < 1e-6);
    }
}

#[test]
fn built_in_networks_round_trip_through_toml() {
    for name in NETWORKS.into_iter().chain([LANDMARK_NETWORK, DETECTOR]) {
        let description = built_in(name).unwrap();
        assert_eq!(description.name, name);
        assert_eq!(Description::from_toml(&description.to_toml()).unwrap(), description, "{name}");
    }
    assert_eq!(built_in("nn5"), None);
}

/// A network with outputs at two scales.
const PYRAMID: &str = r#"
name = "pyramid"
input = [8, 12]
layers = [
    { layer = "separable", name = "fine", channels = 3 },
    { layer = "pool", kind = "max", kernel = 2, stride = 2 },
    { layer = "block", name = "coarse", layers = [{ layer = "separable", name = "unit", channels = 3 }] },
    { layer = "upsample", factor = 2 },
    { layer = "sum", with = "fine" },
]

[[outputs]]
name = "scores"
from = "coarse"
layers = [{ layer = "separable", name = "score", channels = 2 }]

[[outputs]]
name = "features"
from = "fine"
layers = []
"#;

#[test]
fn named_outputs_are_ranges_of_one_row() {
    let description = Description::from_toml(PYRAMID).unwrap();
    assert_eq!(Description::from_toml(&description.to_toml()).unwrap(), description);
    let plan = Plan::new(&description).unwrap();
    let found: Vec<_> =
        plan.outputs().iter().map(|output| (&*output.name, output.shape, output.range.clone())).collect();
    assert_eq!(found, [("scores", [4, 6, 2], 0..48), ("features", [8, 12, 3], 48..336)]);
    assert_eq!(plan.dimension(), 336);
    let names: Vec<&str> = plan.parameters().entries().iter().map(|entry| &*entry.name).collect();
    for name in ["fine.pointwise.weight", "coarse.unit.depthwise.weight", "scores.score.depthwise.batch_norm.scale"] {
        assert!(names.contains(&name), "{name} among {names:?}");
    }
    let larger = Plan::new(&description.clone().with_input([16, 24])).unwrap();
    assert_eq!(larger.parameters(), plan.parameters());
    assert_eq!(larger.outputs()[1].range, 192..1344);
    let truncated = description.truncated_after("coarse").unwrap();
    assert!(Plan::new(&truncated).unwrap().outputs().is_empty());
}

#[test]
fn references_to_layers_are_checked() {
    for (of, by, message) in [
        ("with = \"fine\"", "with = \"later\"", "sum (number 5): there is no earlier layer \"later\""),
        ("with = \"fine\"", "with = \"coarse.unit\"", "no earlier layer \"coarse.unit\" outside of blocks"),
        ("with = \"fine\"", "with = \"coarse\"", "the terms are [8, 12, 3] and [4, 6, 3]"),
        ("from = \"fine\"", "from = \"scores\"", "features: there is no earlier layer \"scores\""),
        ("name = \"features\"", "name = \"scores\"", "scores"),
        ("factor = 2", "factor = 0", "factor"),
        ("factor = 2", "factor = 1000", "pixels along a side"),
        ("input = [8, 12]", "input = [8, 12]\nembedding = 4", "either an embedding or named outputs"),
        ("layers = [{ layer = \"separable\", name = \"unit\", channels = 3 }]", "layers = []", "has no layers"),
        ("name = \"coarse\"", "name = \"fine\"", "fine"),
    ] {
        assert!(PYRAMID.contains(of), "{of}");
        let description = Description::from_toml(&PYRAMID.replace(of, by)).unwrap();
        let error = Plan::new(&description).unwrap_err().to_string();
        assert!(error.contains(message), "{by}: {error}");
    }
}

#[test]
fn a_network_truncated_after_a_layer() {
    let openface = "openface_nn4_small2_v1";
    for (name, layer, output) in [
        (openface, "conv1", [48, 48, 64]),
        (openface, "inception_2.conv", [24, 24, 192]),
        (openface, "inception_3b", [12, 12, 320]),
        ("inception_resnet_v1", "block35", [17, 17, 256]),
        (LANDMARK_NETWORK, "norm5", [6, 6, 128]),
        (LANDMARK_NETWORK, "points", [1, 1, 10]),
    ] {
        let description = built_in(name).unwrap();
        let whole = Plan::new(&description).unwrap();
        let part = description.truncated_after(layer).unwrap();
        let text = part.to_toml();
        assert!(!text.contains("embedding ="), "{text}");
        assert_eq!(Description::from_toml(&text).unwrap(), part);
        let plan = Plan::new(&part).unwrap();
        assert_eq!(plan.layer_costs(), &whole.layer_costs()[..plan.layer_costs().len()], "{layer} of {name}");
        let entries = plan.parameters().entries();
        assert_eq!(entries, &whole.parameters().entries()[..entries.len()], "{layer} of {name}");
        assert_eq!(plan.layer_costs().last().unwrap().output, output, "{layer} of {name}");
        assert_eq!(plan.dimension(), output.iter().product::<usize>(), "{layer} of {name}");
    }
    for layer in ["", "inception_3", "inception_3b.branch_1x1.conv", "embedding"] {
        assert_eq!(built_in(openface).unwrap().truncated_after(layer), None, "{layer}");
    }
    // After the last layer only the embedding is removed, which this network does not have.
    let landmarks = built_in(LANDMARK_NETWORK).unwrap();
    assert_eq!(landmarks.clone().truncated_after("points"), Some(landmarks));
}

#[test]
fn divisors_of_zero_are_refused() {
    let mut description = compact_inception();
    description.batch_norm.epsilon = 0.0;
    assert!(Plan::new(&description).unwrap_err().to_string().starts_with("batch_norm: epsilon is 0"));
    for divide in [0.0, f32::NAN, f32::INFINITY] {
        let mut description = compact_inception();
        description.preprocessing.scaling = Scaling::Fixed { subtract: [127.5; 3], divide: [divide; 3] };
        assert!(Plan::new(&description).unwrap_err().to_string().starts_with("preprocessing: divide is"));
    }
    let mut description = compact_inception();
    let Layer::Convolution(convolution) = &mut description.layers[0] else { panic!("a convolution comes first") };
    convolution.name.clear();
    assert!(Plan::new(&description).unwrap_err().to_string().contains("layer names"));
}

#[test]
fn templates_are_five_distinct_landmarks_near_the_image() {
    let with = |template: [[f32; 2]; 5]| {
        let mut description = compact_inception();
        description.preprocessing.template = Some(template);
        Plan::new(&description)
    };
    let own = compact_inception().preprocessing.template.unwrap();
    // Landmarks may lie outside the image by up to its size.
    let mut outside = own;
    (outside[0], outside[4]) = ([-64.0, -64.0], [128.0, 128.0]);
    with(outside).unwrap();
    for (axis, name) in ["x of template", "y of template"].into_iter().enumerate() {
        for wrong in [f32::NAN, f32::INFINITY, -64.5, 128.5] {
            let mut template = own;
            template[3][axis] = wrong;
            let message = with(template).unwrap_err().to_string();
            let expected = format!("preprocessing: {name} is {wrong}, not between -64 and 128");
            assert_eq!(message, expected);
        }
    }
    for spread in [0.0, 0.2] {
        let template = own.map(|[x, _]| [20.0 + spread * x / 64.0, 30.0]);
        assert!(matches!(with(template), Err(Error::DegenerateTemplate)));
    }
}

#[test]
fn the_template_of_the_compact_network_is_upright_and_centered() {
    let template = compact_inception().preprocessing.template.unwrap();
    let [left_eye, right_eye, nose, left_mouth, right_mouth] = template;
    for (left, right) in [(left_eye, right_eye), (nose, nose), (left_mouth, right_mouth)] {
        assert_eq!((left[0] + right[0], left[1]), (63.0, right[1]), "symmetric about the middle of 64 columns");
    }
    assert!(left_eye[0] < left_mouth[0] && left_mouth[0] < nose[0]);
    assert!(left_eye[1] < nose[1] && nose[1] < left_mouth[1]);
}

#[test]
fn templates_in_toml() {
    let text = "name = 'a'\ninput = [8, 8]\nembedding = 4\nlayers = []\npreprocessing = ";
    let read = |preprocessing: &str| Description::from_toml(&format!("{text}{preprocessing}"));
    let description = read("{ template = [[2, 2], [5, 2], [3.5, 3.5], [2.5, 5], [4.5, 5]] }").unwrap();
    let template = [[2.0, 2.0], [5.0, 2.0], [3.5, 3.5], [2.5, 5.0], [4.5, 5.0]];
    assert_eq!(description.preprocessing.template, Some(template));
    assert_eq!(Description::from_toml(&description.to_toml()).unwrap(), description);
    assert_eq!(read("{ scaling = 'per_image' }").unwrap().preprocessing.template, None);
    for wrong in
        ["{ template = [[2, 2], [5, 2], [3.5, 3.5], [2.5, 5]] }", "{ template = [2, 2, 5, 2, 3, 3, 2, 5, 4, 5] }"]
    {
        assert!(matches!(read(wrong), Err(Error::DescriptionSyntax { .. })));
    }
}
