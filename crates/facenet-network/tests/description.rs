//! Descriptions: what they resolve to, and what is wrong with wrong ones.

use facenet_network::{
    Description, Error, LANDMARK_NETWORK, Layer, NETWORKS, NormalizationScheme, Plan, Scaling, built_in,
    compact_inception,
};

fn plan(layers: &str) -> Result<Plan, Error> {
    let text = format!("name = \"a\"\ninput = [8, 8]\nembedding = 4\nlayers = [{layers}]\n");
    Plan::new(&Description::from_toml(&text)?)
}

fn message(layers: &str) -> String {
    plan(layers).expect_err(layers).to_string()
}

#[test]
fn the_compact_network_costs_what_its_table_says() {
    let plan = Plan::new(&compact_inception()).unwrap();
    assert_eq!((plan.input(), plan.dimension()), ([64, 64], 128));
    assert_eq!(plan.multiply_adds(), 44_847_104);
    assert_eq!(plan.parameters().len(), 862_536);
    assert_eq!(plan.rows().iter().map(|row| row.parameters).sum::<usize>(), plan.parameters().len());
    let row = |name: &str| plan.rows().iter().find(|row| row.layer == name).unwrap();
    // 3 x 3 x 48 x 64 weights, scale and shift of 64 channels; as many multiplications at each of 16 x 16 pixels.
    let convolution = row("inception_3a.branch_3x3.conv");
    assert_eq!((convolution.output, convolution.parameters), ([16, 16, 64], 27_648 + 128));
    assert_eq!(convolution.multiply_adds, 256 * 27_648);
}

#[test]
fn toml_there_and_back() {
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
        (convolution("kernel = 3, channels = 0"), "layer c: channels is 0, which is not between 1 and 65536"),
        (
            convolution("kernel = 3, channels = 9999999"),
            "layer c: channels is 9999999, which is not between 1 and 65536",
        ),
        (convolution("kernel = 9, channels = 1"), "layer c: a window of 9x9 with padding 0x0 does not fit 8x8"),
        (convolution("kernel = 3, stride = 0, channels = 1"), "layer c: stride is 0, which is not between 1 and 1024"),
        (convolution("kernel = 3, padding = 3, channels = 1"), "layer c: padding is 3, which is not between 0 and 2"),
        (
            format!("{}, {}", convolution("kernel = 1, channels = 1"), convolution("kernel = 1, channels = 1")),
            "the name c.weight is used twice",
        ),
        (
            "{ layer = 'maxout', pieces = 2 }".to_owned(),
            "layer maxout (number 1): 3 channels can't be split into groups of 2",
        ),
        ("{ layer = 'inception', name = 'i' }".to_owned(), "layer i: it needs at least one branch with a layer"),
        (
            "{ layer = 'inception', name = 'i', stride = 2, branch_1x1 = 4 }".to_owned(),
            "layer i: a row of stride 2 can't have a 1x1 branch",
        ),
        (
            "{ layer = 'convolution', name = 'c', kernel = [1, 16], padding = [0, 3], channels = 1 }".to_owned(),
            "layer c: a window of 1x16 with padding 0x3 does not fit 8x8",
        ),
        ("{ layer = 'branches', branches = [[], []] }".to_owned(), "layer branches (number 1): it needs at least one branch with a layer"),
        (
            "{ layer = 'branches', name = 'b', branches = [[], [{ layer = 'pool', kind = 'max', kernel = 2 }]] }".to_owned(),
            "layer b: branch 2 is 7x7, where the first is 8x8",
        ),
        ("{ layer = 'residual', name = 'r', layers = [] }".to_owned(), "layer r: it needs at least one branch with a layer"),
        (
            format!("{{ layer = 'residual', name = 'r', repeat = 2, layers = [{}] }}", convolution("kernel = 1, channels = 4")),
            "layer r_1: its layers turn [8, 8, 3] into [8, 8, 4], which can't be added to their input",
        ),
        (
            "{ layer = 'residual', name = 'r', scale = inf, layers = [{ layer = 'dropout', rate = 0.1 }] }".to_owned(),
            "layer r: scale is inf, which is not between -1000000 and 1000000",
        ),
        (
            "{ layer = 'residual', name = 'r', layers = [{ layer = 'maxout', pieces = 2 }] }".to_owned(),
            "layer r.maxout: 3 channels can't be split into groups of 2",
        ),
        (
            "{ layer = 'zero_pad', size = [9, 7] }".to_owned(),
            "layer zero_pad (number 1): 8x8 can't be filled up with zeros to 9x7",
        ),
        (
            "{ layer = 'squeeze_excitation', name = 's', channels = 0 }".to_owned(),
            "layer s.reduce: channels is 0, which is not between 1 and 65536",
        ),
        (
            "{ layer = 'inception', name = 'i', branch_1x1 = 2, branch_pool = { kind = 'max', stride = 1, padding = 3 } }".to_owned(),
            "layer i.pool: padding is 3, which is not between 0 and 2",
        ),
        (
            "{ layer = 'dropout', rate = 1.0 }".to_owned(),
            "layer dropout (number 1): rate is 1, which is not between 0 and 0.99",
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
fn absurd_sizes_are_refused_before_anything_is_allocated() {
    let wide = "{ layer = 'fully_connected', name = 'f', channels = 65536 }, \
                { layer = 'fully_connected', name = 'g', channels = 65536 }";
    assert!(message(wide).contains("parameters, more than the 1073741824 allowed"), "{}", message(wide));
    let mut description = compact_inception();
    description.input = [4096, 4096];
    description.layers.truncate(1);
    let error = Plan::new(&description).unwrap_err().to_string();
    assert!(error.contains("numbers between its layers"), "{error}");
}

#[test]
fn blocks_in_blocks_are_bounded() {
    // A thousand times a thousand times a thousand layers.
    let inner = "{ layer = 'residual', name = 'c', repeat = 1000, layers = [{ layer = 'dropout', rate = 0.1 }] }";
    let block = |name: &str, layers: &str| {
        format!("{{ layer = 'residual', name = '{name}', repeat = 1000, layers = [{layers}] }}")
    };
    assert_eq!(
        message(&block("a", &block("b", inner))),
        "layer a: with it the network has 10001 layers, more than the 10000 allowed"
    );
    // Deeper than any reader may follow.
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
    assert_eq!(message(&branches), "layer number 1: with it the network has 10001 layers, more than the 10000 allowed");
    let named = |name: &str| {
        format!("{{ layer = 'residual', name = '{name}', layers = [{{ layer = 'dropout', rate = 0.1 }}] }}")
    };
    for name in ["", ".a", "a..b", &"n".repeat(250_000)] {
        assert!(matches!(plan(&named(name)), Err(Error::LayerName { .. })), "{}", name.len());
    }
    assert_eq!(
        message("{ layer = 'pool', kind = 'max', kernel = 1000, padding = 999 }"),
        "layer pool (number 1): kernel height times width is 1000000, which is not between 1 and 16384"
    );
}

#[test]
fn names_in_blocks() {
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
    let table = plan.table();
    let table: Vec<_> = table.iter().map(|row| (row.layer.as_str(), row.output, row.weights)).collect();
    assert_eq!(table, [("block_1", [8, 8, 3], 9), ("block_2", [8, 8, 3], 9), ("embedding", [1, 1, 4], 768)]);
}

/// What is true of all layers may stand in each of them.
#[test]
fn a_description_that_says_everything_is_still_read() {
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
    let [old, new] =
        [", normalization = 'batch_norm'", ""].map(|text_of| Description::from_toml(&text(text_of)).unwrap());
    assert_eq!(Plan::new(&old).unwrap(), Plan::new(&new).unwrap());
    assert_eq!(old.preprocessing, new.preprocessing);
}

#[test]
fn normalization_can_be_exchanged() {
    let nn2 = || built_in("nn2").unwrap();
    let batch = nn2().with_normalization(NormalizationScheme::Batch).unwrap();
    let none = nn2().with_normalization(NormalizationScheme::None).unwrap();
    assert_eq!(nn2().with_normalization(NormalizationScheme::LocalResponse).unwrap(), nn2());
    let [paper, batch_plan, none_plan] = [&nn2(), &batch, &none].map(|description| Plan::new(description).unwrap());
    assert_eq!((paper.statistics().len(), none_plan.statistics().len()), (0, 0));
    // A mean and a variance for each channel that had a bias, but for the embedding, which has no batch normalisation.
    assert_eq!(batch_plan.statistics().len(), 2 * (paper.biases() - 128));
    assert_eq!((batch_plan.weights(), none_plan.weights()), (paper.weights(), paper.weights()));
    let norms = |plan: &Plan| plan.rows().iter().filter(|row| row.layer.starts_with("local_response")).count();
    assert_eq!([&paper, &batch_plan, &none_plan].map(norms), [2, 0, 0]);
    let error = built_in("nn4_small2").unwrap().with_normalization(NormalizationScheme::LocalResponse).unwrap_err();
    assert_eq!(error.to_string(), "the network nn4_small2 has no local response normalisation");
    let around = "name = 'a'\ninput = [8, 8]\nembedding = 4\nlayers = [{ layer = 'residual', name = 'r', layers = [
        { layer = 'local_response_norm', size = 5, alpha = 1e-4, beta = 0.75, k = 1.0 }] }]";
    let around = Description::from_toml(around).unwrap().with_normalization(NormalizationScheme::Batch).unwrap();
    assert_eq!(around.layers, [], "what is left of it would be twice its input");
    let resnet = built_in("inception_resnet_v1").unwrap().with_normalization(NormalizationScheme::None).unwrap();
    assert_eq!(Plan::new(&resnet).unwrap().statistics().len(), 0);
}

#[test]
fn a_template_is_stretched_with_the_input() {
    let nn3 = built_in("nn3").unwrap();
    assert_eq!((nn3.name.as_str(), nn3.input), ("nn3", [160, 160]));
    let [nn2, nn3] = [built_in("nn2").unwrap(), nn3].map(|description| description.preprocessing.template.unwrap());
    for (large, small) in nn2.iter().flatten().zip(nn3.iter().flatten()) {
        assert!(((large + 0.5) / 224.0 - (small + 0.5) / 160.0).abs() < 1e-6);
    }
}

#[test]
fn built_in_networks_survive_their_own_text() {
    for name in NETWORKS.into_iter().chain([LANDMARK_NETWORK]) {
        let description = built_in(name).unwrap();
        assert_eq!(description.name, name);
        assert_eq!(Description::from_toml(&description.to_toml()).unwrap(), description, "{name}");
    }
    assert_eq!(built_in("nn5"), None);
}

#[test]
fn a_network_up_to_one_of_its_layers() {
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
        let part = description.until(layer).unwrap();
        let text = part.to_toml();
        assert!(!text.contains("embedding ="), "{text}");
        assert_eq!(Description::from_toml(&text).unwrap(), part);
        let plan = Plan::new(&part).unwrap();
        assert_eq!(plan.rows(), &whole.rows()[..plan.rows().len()], "{layer} of {name}");
        let entries = plan.parameters().entries();
        assert_eq!(entries, &whole.parameters().entries()[..entries.len()], "{layer} of {name}");
        assert_eq!(plan.rows().last().unwrap().output, output, "{layer} of {name}");
        assert_eq!(plan.dimension(), output.iter().product::<usize>(), "{layer} of {name}");
    }
    for layer in ["", "inception_3", "inception_3b.branch_1x1.conv", "embedding"] {
        assert_eq!(built_in(openface).unwrap().until(layer), None, "{layer}");
    }
    // The last layer: what is left out is the embedding.
    let landmarks = built_in(LANDMARK_NETWORK).unwrap();
    assert_eq!(landmarks.clone().until("points"), Some(landmarks));
}

#[test]
fn numbers_that_would_divide_by_zero_are_refused() {
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
    assert!(Plan::new(&description).unwrap_err().to_string().contains("needs a name"));
}

#[test]
fn templates_are_five_points_of_a_face() {
    let with = |template: [[f32; 2]; 5]| {
        let mut description = compact_inception();
        description.preprocessing.template = Some(template);
        Plan::new(&description)
    };
    let own = compact_inception().preprocessing.template.unwrap();
    // Points may lie outside the face, by its size at most.
    let mut outside = own;
    (outside[0], outside[4]) = ([-64.0, -64.0], [128.0, 128.0]);
    with(outside).unwrap();
    for (axis, name) in ["x of template", "y of template"].into_iter().enumerate() {
        for wrong in [f32::NAN, f32::INFINITY, -64.5, 128.5] {
            let mut template = own;
            template[3][axis] = wrong;
            let message = with(template).unwrap_err().to_string();
            let expected = format!("preprocessing: {name} is {wrong}, which is not between -64 and 128");
            assert_eq!(message, expected);
        }
    }
    for spread in [0.0, 0.2] {
        let template = own.map(|[x, _]| [20.0 + spread * x / 64.0, 30.0]);
        assert!(matches!(with(template), Err(Error::TemplateCoincides)));
    }
}

#[test]
fn the_compact_network_sees_faces_upright_and_in_the_middle() {
    let template = compact_inception().preprocessing.template.unwrap();
    let [left_eye, right_eye, nose, left_mouth, right_mouth] = template;
    for (left, right) in [(left_eye, right_eye), (nose, nose), (left_mouth, right_mouth)] {
        assert_eq!((left[0] + right[0], left[1]), (63.0, right[1]), "symmetric about the middle of 64 columns");
    }
    assert!(left_eye[0] < left_mouth[0] && left_mouth[0] < nose[0]);
    assert!(left_eye[1] < nose[1] && nose[1] < left_mouth[1]);
}

#[test]
fn a_template_in_toml() {
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
