//! Descriptions: what they resolve to, and what is wrong with wrong ones.

use facenet_network::{Description, Error, Layer, Plan, Scaling, compact_inception};

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
            "{ layer = 'dropout', rate = 1.0 }".to_owned(),
            "layer dropout (number 1): rate is 1, which is not between 0 and 0.99",
        ),
    ] {
        assert_eq!(message(&layers), expected);
    }
    for (layers, expected) in [
        ("{ layer = 'convolution', name = 'c', kernel = 3, channels = 1, dilation = 2 }", "dilation"),
        ("{ layer = 'transformer' }", "transformer"),
        ("{ layer = 'global_average_pool', kernle = 3 }", "kernle"),
        ("{ layer = 'pool', kind = 'median', kernel = 3 }", "median"),
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
