//! `bench`.

use std::fs;

use facenet_data::SyntheticFaces;
use facenet_tests::write_image;
use serde_json::Value;

use crate::command_line::program::{done, json, xtask};

#[test]
fn a_network_is_timed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("tiny.toml"),
        r#"
name = "tiny"
input = [20, 20]
embedding = 8
normalization = "bias"
layers = [{ layer = "convolution", name = "first", kernel = 3, channels = 8 }, { layer = "global_average_pool" }]
"#,
    )
    .unwrap();
    for mode in ["infer", "train"] {
        let bench =
            ["bench", "--network", "tiny.toml", "--mode", mode, "--batch", "9", "--threads", "2", "--seconds", "0"];
        let result = json(folder.path(), &bench);
        let fields =
            [("program", Value::from("facenet")), ("network", Value::from("tiny")), ("mode", Value::from(mode))];
        for (name, expected) in
            fields.into_iter().chain([("batch", Value::from(9)), ("threads", Value::from(2)), ("runs", Value::from(5))])
        {
            assert_eq!(result[name], expected, "{name}: {result}");
        }
        for name in ["images_per_second", "cpu_seconds_per_image", "gflops_per_cpu_second"] {
            assert!(result[name].as_f64().is_some_and(|number| number >= 0.0), "{name}: {result}");
        }
        assert!(result["best_images_per_second"].as_f64() >= result["images_per_second"].as_f64(), "{result}");
        let text = done(folder.path(), &bench);
        assert!(text.contains("images per second") && text.contains("batch of 9 on 2 threads"), "{text}");
    }
    let layers = ["bench", "layers", "--network", "tiny.toml", "--batch", "2", "--passes", "3"];
    let result = json(folder.path(), &layers);
    let names: Vec<&str> =
        result["layers"].as_array().unwrap().iter().map(|row| row["layer"].as_str().unwrap()).collect();
    assert_eq!(
        names.iter().map(|name| name.split(' ').next().unwrap()).collect::<Vec<_>>(),
        ["first", "global_average_pool", "embedding"]
    );
    let shares: f64 =
        result["layers"].as_array().unwrap().iter().map(|row| row["share_of_time"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{result}");
    assert!(result["peak_gflops"].as_f64().unwrap() > 0.1, "{result}");
    assert!(done(folder.path(), &layers).contains("of the peak"));
}

#[test]
fn the_pipeline_is_timed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("tiny.toml"),
        r#"
name = "tiny"
input = [20, 20]
embedding = 8
normalization = "bias"
layers = [{ layer = "convolution", name = "first", kernel = 3, channels = 8 }, { layer = "global_average_pool" }]
"#,
    )
    .unwrap();
    let photos = folder.path().join("photos");
    fs::create_dir(&photos).unwrap();
    let world = SyntheticFaces::new(1);
    for number in 1..=5 {
        write_image(&photos.join(format!("{number}.jpg")), &world.portrait(1, number, [48, 40]));
    }
    let bench = ["bench", "pipeline", "photos", "--network", "tiny.toml"];
    let bench = [&bench[..], &["--photos", "4", "--threads", "2", "--seconds", "0"]].concat();
    let result = json(folder.path(), &bench);
    for (name, expected) in [("photos", 4), ("faces", 4), ("threads", 2), ("rounds", 3)] {
        assert_eq!(result[name], expected, "{name}: {result}");
    }
    assert_eq!(result["framings"]["center_crop"], 4, "{result}");
    let number = |name: &str| result[name].as_f64().unwrap();
    for name in ["photos_per_second", "decoded_photos_per_second", "worst_ratio", "cpu_milliseconds"] {
        assert!(number(name) > 0.0, "{name}: {result}");
    }
    assert!(number("worst_ratio") <= number("ratio") && number("ratio") <= number("best_ratio"), "{result}");
    let stages = ["decoding", "detection", "alignment", "embedding"];
    let sum = |of: &str| stages.map(|stage| result[of][stage].as_f64().unwrap()).iter().sum::<f64>();
    // Four divisions and three additions, each rounded.
    assert!((sum("shares") - 1.0).abs() < 1e-9 && sum("stage_cpu_milliseconds") > 0.0, "{result}");
    let text = done(folder.path(), &bench);
    assert!(text.contains("photos per second") && stages.iter().all(|stage| text.contains(stage)), "{text}");

    fs::write(photos.join("1.jpg"), "no image").unwrap();
    let finished = xtask(folder.path(), &bench);
    assert!(finished.code == Some(1) && finished.stderr.contains("1.jpg"), "{finished:?}");
    fs::create_dir(folder.path().join("nothing")).unwrap();
    let finished = xtask(folder.path(), &["bench", "pipeline", "nothing", "--network", "tiny.toml"]);
    assert!(finished.code == Some(1) && finished.stderr.contains("no photos below nothing"), "{finished:?}");
}

#[test]
fn a_search_is_timed() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["bench", "neighbors", "--rows", "600", "--dimension", "16", "--neighbors", "5", "--threads", "2"];
    let result = json(folder.path(), &arguments);
    assert_eq!((&result["rows"], &result["neighbors"], &result["threads"]), (&600.into(), &5.into(), &2.into()));
    for name in ["seconds", "rows_per_second", "dot_seconds"] {
        assert!(result[name].as_f64().is_some_and(|number| number > 0.0), "{name}: {result}");
    }
    assert!(done(folder.path(), &arguments).starts_with("5 nearest of 600 x 16 on 2 threads: "));
}

#[test]
fn clustering_is_timed() {
    let folder = tempfile::tempdir().unwrap();
    let bench = |arguments: &[&str]| json(folder.path(), &[&["bench", "cluster"], arguments].concat());
    let rows = ["--rows", "300", "--dimension", "8"];
    let k_means = bench(&[&rows[..], &["--clusters", "20"]].concat());
    assert_eq!((&k_means["method"], &k_means["clusters"]), (&"k-means".into(), &20.into()));
    assert!(k_means["inertia"].as_f64().is_some_and(|inertia| inertia > 0.0), "{k_means}");
    for method in ["average", "complete", "single", "ward", "dbscan"] {
        let result = bench(&[&rows[..], &["--method", method, "--cut", "0.5"]].concat());
        assert_eq!((&result["method"], result.get("inertia")), (&method.into(), None));
        assert!(result["clusters"].as_u64().is_some_and(|clusters| (1..=300).contains(&clusters)), "{result}");
    }
    // The same bytes can be given to another program.
    let header = r#"{"embeddings":{"dtype":"F32","shape":[4,1],"data_offsets":[0,16]}}"#;
    let values = [0.0_f32, 0.1, 5.0, 5.1].map(f32::to_le_bytes).concat();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &values].concat();
    fs::write(folder.path().join("four.safetensors"), bytes).unwrap();
    let result = bench(&["four.safetensors", "--method", "average", "--clusters", "2"]);
    assert_eq!((&result["rows"], &result["clusters"]), (&4.into(), &2.into()));
    let failed = xtask(folder.path(), &["bench", "cluster", "absent.safetensors", "--clusters", "2"]);
    assert!(failed.code == Some(1) && failed.stderr.contains("can't read absent.safetensors"), "{failed:?}");
}
