//! `embed`, `verify` and `identify` with a small network, and what the commands on images share.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::{Crop, SyntheticFaces};
use facenet_network::{Checkpoint, Description, ForeignTensors, Initializer, LANDMARK_NETWORK, Network, built_in};
use facenet_recognition::{Calibration, Embed, Embedder, calibration_text, write_checkpoint};
use facenet_tests::{Finished, Program, TINY_RECIPE, write_people};
use facenet_training::Recipe;
use ndarray::{Array2, Axis, stack};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with `people`, six with three images each, and `tiny.safetensors`, a network without a
/// calibration.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_people(&folder.path().join("people"), 6, 3);
    write_network(&folder.path().join("tiny.safetensors"), tiny(), None);
    folder
}

fn tiny() -> Description {
    Recipe::from_toml(TINY_RECIPE).unwrap().network
}

/// A network that expects aligned faces.
fn aligned() -> Description {
    let mut network = tiny();
    network.preprocessing.template = Some([[5.0, 6.0], [10.0, 6.0], [7.5, 9.0], [5.5, 12.0], [9.5, 12.0]]);
    network
}

/// Writes an untrained network as a checkpoint.
fn write_network(path: &Path, description: Description, calibration: Option<Calibration>) {
    let network = Network::new(description, Initializer::default(), 1).unwrap();
    let calibration = calibration.as_ref().map(calibration_text);
    write_checkpoint(path, &Checkpoint { calibration, ..Checkpoint::from(network) }).unwrap();
}

fn facenet(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_facenet"), folder).run(arguments)
}

/// Runs a command with the network of the folder.
fn tiny_facenet(folder: &Path, arguments: &[&str]) -> Finished {
    facenet(folder, &[arguments, &["--weights", "tiny.safetensors"]].concat())
}

/// The message of a command that failed without a result.
#[track_caller]
fn failed(finished: Finished) -> String {
    let Finished { code, stdout, stderr } = finished;
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{stderr}");
    stderr
}

/// The files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path())).collect()
}

/// The files in the only folder of a cache.
#[track_caller]
fn cached_files(cache: &Path) -> Vec<PathBuf> {
    let folders = files(cache);
    assert_eq!(folders.len(), 1, "{folders:?}");
    files(&folders.into_values().next().unwrap()).into_values().collect()
}

/// The columns of a table, by name.
fn table(path: &Path) -> BTreeMap<String, Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let mut columns: Vec<(String, Vec<String>)> =
        reader.headers().unwrap().iter().map(|name| (name.to_owned(), Vec::new())).collect();
    for record in reader.records() {
        for (column, field) in columns.iter_mut().zip(&record.unwrap()) {
            column.1.push(field.to_owned());
        }
    }
    columns.into_iter().collect()
}

/// The embeddings that `embed` wrote, by image.
fn embeddings(out: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(out.join("embeddings.safetensors")).unwrap();
    let tensors = ForeignTensors::from_safetensors(&bytes).unwrap().tensors;
    let tensor = &tensors["embeddings"];
    let images = &table(&out.join("index.csv"))["photo"];
    assert_eq!((tensors.len(), &tensor.shape), (1, &vec![images.len(), 8]));
    images.iter().cloned().zip(tensor.values.chunks(8).map(<[f32]>::to_vec)).collect()
}

fn squared_distance(one: &[f32], other: &[f32]) -> f64 {
    one.iter().zip(other).map(|(one, other)| f64::from(one - other).powi(2)).sum()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
}

/// The images of `people`, in order.
fn names_of_people() -> Vec<String> {
    (1..=6).flat_map(|person| (1..=3).map(move |image| format!("p{person}/{image}.png"))).collect()
}

#[test]
fn embeddings_are_written_row_by_row() {
    let folder = folder();
    let path = folder.path();
    let finished = tiny_facenet(path, &["embed", "people", "--csv", "--json"]);
    let result = finished.json(0);
    assert_eq!(finished.stderr, "");
    for (name, expected) in [("photos", 18), ("faces", 18), ("dimension", 8), ("cached", 0)] {
        assert_eq!(result[name], expected, "{name}: {result}");
    }
    assert_eq!(result["network"], "tiny");
    assert_eq!(result["framings"], json!({ "landmark_list": 0, "detector": 0, "center_crop": 18 }));
    assert_eq!((&result["doubts"], &result["unread"]), (&json!([]), &json!([])));
    let written = ["embeddings.safetensors", "index.csv", "embeddings.csv"];
    assert_eq!(result["files"], json!(written.map(|file| format!("runs/embed/people/{file}"))));
    let out = path.join("runs/embed/people");
    assert_eq!(files(&out).into_keys().collect::<Vec<_>>(), ["embeddings.csv", "embeddings.safetensors", "index.csv"]);
    assert_eq!(files(&path.join("runs")).into_keys().collect::<Vec<_>>(), ["embed"]);
    assert_eq!(cached_files(&path.join("data-home/facenet/cache")).len(), 1, "the default cache");

    let index = table(&out.join("index.csv"));
    assert_eq!(index["photo"], names_of_people());
    assert_eq!(index["row"], (0..18).map(|row| row.to_string()).collect::<Vec<_>>());
    assert!(index["framing"].iter().all(|framing| framing == "center_crop"));
    assert_eq!(index["face"], ["1"; 18]);
    assert!(["score", "doubt", "left_eye_x", "right_mouth_y"].iter().all(|name| index[*name] == [""; 18]));

    let embedder = Embedder::from_checkpoint(&fs::read(path.join("tiny.safetensors")).unwrap()).unwrap();
    let world = SyntheticFaces::new(1);
    let faces: Vec<_> = (1..=6)
        .flat_map(|person| (1..=3).map(move |image| (person, image)))
        .map(|(person, image)| {
            Crop::Center { fraction: 1.0 }.apply(world.portrait(person, image, [20, 18]).view(), [16, 16])
        })
        .collect();
    let faces: Vec<_> = faces.iter().map(|face| face.view()).collect();
    let expected: Array2<f32> = embedder.embed(stack(Axis(0), &faces).unwrap().view()).unwrap();
    let csv = table(&out.join("embeddings.csv"));
    assert_eq!(csv["photo"], names_of_people());
    let embeddings = embeddings(&out);
    for (row, name) in names_of_people().iter().enumerate() {
        let embedding = &embeddings[name];
        assert!(squared_distance(embedding, expected.row(row).as_slice().unwrap()) < 1e-10, "{name}");
        let parsed: Vec<f32> = (1..=8).map(|column| csv[&column.to_string()][row].parse().unwrap()).collect();
        assert_eq!(&parsed, embedding, "{name}");
    }
}

#[test]
fn the_result_of_embed_is_readable_text() {
    let folder = folder();
    let Finished { code, stdout, stderr } = tiny_facenet(folder.path(), &["embed", "people/", "--out", "new/out"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    for text in [
        "18 embeddings of dimension 8 on 18 photos by tiny; faces cropped: 18; 0 cached",
        "new/out/embeddings.safetensors written",
        "new/out/index.csv written",
    ] {
        assert!(stdout.contains(text), "{text}: {stdout}");
    }
    assert_eq!(files(&folder.path().join("new/out")).len(), 2, "no CSV by default");
}

#[test]
fn embeddings_are_cached_by_image_content() {
    let folder = folder();
    let path = folder.path();
    let embed = |out: &str, network: &str| {
        let arguments = ["embed", "people", "--cache", "kept", "--out", out, "--weights", network, "--json"];
        facenet(path, &arguments).json(0)["cached"].clone()
    };
    assert_eq!(embed("one", "tiny.safetensors"), 0);
    assert_eq!(embed("two", "tiny.safetensors"), 18);
    for (name, file) in files(&path.join("one")) {
        assert_eq!(fs::read(file).unwrap(), fs::read(path.join("two").join(&name)).unwrap(), "{name}");
    }
    assert_eq!(cached_files(&path.join("kept")).len(), 1, "nothing new to cache");
    assert!(!path.join("runs").exists());

    fs::rename(path.join("people/p1/1.png"), path.join("people/p6/9.png")).unwrap();
    // A known name with the content of another image.
    fs::copy(path.join("people/p2/2.png"), path.join("people/p2/1.png")).unwrap();
    assert_eq!(embed("three", "tiny.safetensors"), 18);
    let (before, after) = (embeddings(&path.join("one")), embeddings(&path.join("three")));
    assert_eq!(after["p6/9.png"], before["p1/1.png"]);
    assert_eq!(after["p2/1.png"], before["p2/2.png"]);
    assert_ne!(after["p2/1.png"], before["p2/1.png"]);

    let wider = Description { embedding: Some(16), ..tiny() };
    write_network(&path.join("wider.safetensors"), wider, None);
    assert_eq!(embed("four", "wider.safetensors"), 0, "another network has its own cache");
    assert_eq!(files(&path.join("kept")).len(), 2);
}

#[test]
fn an_interrupted_embed_resumes_from_the_cache() {
    let folder = folder();
    let path = folder.path();
    write_people(&path.join("many"), 3, 100);
    let embed = |out| tiny_facenet(path, &["embed", "many", "--cache", "cache", "--out", out, "--json"]).json(0);
    assert_eq!(embed("whole")["cached"], 0);
    let kept = cached_files(&path.join("cache"));
    assert_eq!(kept.len(), 5, "one file per chunk of 64 photos");
    // Interrupted while the last file was written.
    let last = kept.iter().min_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let half = fs::read(last).unwrap();
    fs::write(last.with_file_name(".abcdef.part"), &half[..half.len() / 2]).unwrap();
    fs::remove_file(last).unwrap();
    let cached = embed("again")["cached"].as_u64().unwrap();
    assert!((150..300).contains(&cached), "{cached}");
    assert_eq!(fs::read(last).unwrap(), half);
    for (name, file) in files(&path.join("whole")) {
        assert_eq!(fs::read(file).unwrap(), fs::read(path.join("again").join(&name)).unwrap(), "{name}");
    }
}

#[test]
fn unreadable_images_are_listed_and_the_others_embedded() {
    let folder = folder();
    fs::write(folder.path().join("people/p2/broken.jpg"), "not an image").unwrap();
    fs::write(folder.path().join("people/p3/notes.txt"), "not an image file").unwrap();
    let finished = tiny_facenet(folder.path(), &["embed", "people", "--out", "out", "--json"]);
    assert!(finished.stderr.starts_with("error: 1 of 19 photos or folders could not be read"), "{finished:?}");
    let result = finished.json(1);
    assert_eq!((&result["photos"], &result["unread"][0]["photo"]), (&json!(18), &json!("p2/broken.jpg")));
    assert_eq!(result["unread"].as_array().unwrap().len(), 1);
    assert_eq!(embeddings(&folder.path().join("out")).into_keys().collect::<Vec<_>>(), names_of_people());
    let text = tiny_facenet(folder.path(), &["embed", "people"]);
    assert!(text.code == Some(1) && text.stdout.contains("people/p2/broken.jpg"), "{text:?}");

    fs::create_dir(folder.path().join("broken")).unwrap();
    fs::rename(folder.path().join("people/p2/broken.jpg"), folder.path().join("broken/1.jpg")).unwrap();
    let text = tiny_facenet(folder.path(), &["embed", "broken", "--out", "none"]);
    assert_eq!(text.code, Some(1));
    assert!(text.stdout.starts_with("0 embeddings of dimension 8 on 0 photos by tiny; no faces;"), "{text:?}");
    assert!(embeddings(&folder.path().join("none")).is_empty());
}

#[test]
fn a_damaged_cache_file_is_an_error() {
    let folder = folder();
    let path = folder.path();
    let embed = || tiny_facenet(path, &["embed", "people", "--cache", "cache"]);
    assert_eq!(embed().code, Some(0));
    let [file] = &cached_files(&path.join("cache"))[..] else { panic!("one file") };
    let whole = fs::read(file).unwrap();
    let others = fs::read(path.join("runs/embed/people/embeddings.safetensors")).unwrap();
    for damage in [&[][..], b"not a cache", &whole[..whole.len() - 1], &whole[..4], &others] {
        fs::write(file, damage).unwrap();
        let stderr = failed(embed());
        let name = file.strip_prefix(path).unwrap().to_str().unwrap();
        assert!(stderr.contains(name) && stderr.contains("\nhelp: remove the file"), "{name}: {stderr}");
    }
    fs::write(file, whole).unwrap();
    assert_eq!(embed().code, Some(0));
    let out = files(&path.join("runs/embed")).into_keys().collect::<Vec<_>>();
    assert_eq!(out, ["people", "people-2"], "nothing is overwritten, and failures leave nothing behind");
}

#[test]
fn unusable_paths_are_named() {
    let folder = folder();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    for (arguments, says) in [
        (&["embed", "empty"][..], "no photos below empty"),
        (&["embed", "nowhere"], "nowhere"),
        (&["embed", "file"], "file"),
        (&["embed", "people", "--out", "file"], "file"),
        (&["embed", "people", "--out", "out", "--cache", "file"], "file"),
        (&["embed", "people", "--landmarks", "list.txt"], "tiny does not expect aligned faces"),
        (&["identify", "people/p1", "people/p2", "--threshold", "1"], "people/p1"),
        (&["identify", "nowhere", "people/p2", "--threshold", "1"], "nowhere"),
        (&["identify", "people", "people/p2", "empty", "--threshold", "1"], "no photos below empty"),
        (&["verify", "people/p1/1.png", "gone.png", "--threshold", "1"], "gone.png"),
        (&["verify", "file", "people/p1/1.png", "--threshold", "1"], "file"),
    ] {
        let stderr = failed(tiny_facenet(folder.path(), arguments));
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"mine");
    assert!(!folder.path().join("out").exists());
}

#[test]
fn usage_errors_exit_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["embed"][..],
        &["embed", "people", "--threads", "0"],
        &["embed", "people", "others"],
        &["verify", "one.png"],
        &["verify", "one.png", "other.png", "--threshold", "5"],
        &["verify", "one.png", "other.png", "--threshold", "nan"],
        &["verify", "one.png", "other.png", "--threshold", "-0.1"],
        &["identify", "people"],
        &["identify", "people", "one.png", "--threshold", "4.1"],
    ] {
        let Finished { code, stdout, stderr } = facenet(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
    assert!(files(folder.path()).is_empty());
}

/// A command line for each command that embeds.
const COMMANDS: [&[&str]; 4] = [
    &["embed", "people", "--out", "out"],
    &["cluster", "people", "--cut", "1", "--out", "out"],
    &["verify", "people/p1/1.png", "people/p1/2.png", "--threshold", "1"],
    &["identify", "people", "people/p1/1.png", "--threshold", "1"],
];

#[test]
fn missing_networks_point_to_the_download() {
    let folder = folder();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for arguments in COMMANDS {
        let stderr = failed(facenet(folder.path(), &[arguments, &["--data", "empty"]].concat()));
        let advice = "network face-reidentification-retail-0095 not found; run `facenet download`";
        assert!(stderr.contains(advice), "{arguments:?}: {stderr}");
        let stderr = failed(facenet(folder.path(), &[arguments, &["--weights", "gone.bin"]].concat()));
        assert!(stderr.contains("gone.bin") && !stderr.contains("download"), "{arguments:?}: {stderr}");
    }
    assert!(!folder.path().join("out").exists() && !folder.path().join("runs").exists());
}

#[test]
fn networks_of_the_wrong_kind_are_named() {
    let folder = folder();
    let path = folder.path();
    write_network(&path.join("points.safetensors"), built_in(LANDMARK_NETWORK).unwrap(), None);
    write_network(&path.join("aligned.safetensors"), aligned(), None);
    for arguments in COMMANDS {
        let stderr = failed(facenet(path, &[arguments, &["--weights", "points.safetensors"]].concat()));
        assert!(stderr.contains("points.safetensors") && stderr.contains("embedding"), "{arguments:?}: {stderr}");
        let networks = ["--weights", "aligned.safetensors", "--detector", "tiny.safetensors"];
        let stderr = failed(facenet(path, &[arguments, &networks].concat()));
        assert!(stderr.contains("tiny.safetensors") && stderr.contains("detect faces"), "{arguments:?}: {stderr}");
    }
    assert!(!path.join("out").exists());
}

#[test]
fn a_missing_detector_is_pointed_out() {
    let folder = folder();
    let path = folder.path();
    write_network(&path.join("aligned.safetensors"), aligned(), None);
    for arguments in COMMANDS {
        let stderr = failed(facenet(path, &[arguments, &["--weights", "aligned.safetensors"]].concat()));
        let advice = "network yunet_n not found; run `facenet download`, or pass --detector FILE";
        assert!(stderr.contains(advice), "{arguments:?}: {stderr}");
        assert_eq!(tiny_facenet(path, arguments).stderr, "", "{arguments:?}: the network takes whole pictures");
        fs::remove_dir_all(path.join("out")).unwrap_or_default();
    }
}

#[test]
fn listed_landmarks_align_faces() {
    let folder = folder();
    let path = folder.path();
    write_network(&path.join("aligned.safetensors"), aligned(), None);
    let points = ["6", "8", "12", "8.5", "9", "11", "7", "15", "11", "15"];
    fs::write(path.join("people/points.txt"), format!("p2/3.png\t{}\n", points.join("\t"))).unwrap();
    let embed = |out: &str| {
        let arguments = ["embed", "people", "--weights", "aligned.safetensors", "--out", out, "--json"];
        facenet(path, &[&arguments[..], &["--landmarks", "people/points.txt"]].concat())
    };
    let finished = embed("out");
    assert!(finished.stderr.starts_with("help: run `facenet download` for yunet_n"), "{finished:?}");
    let result = finished.json(0);
    assert_eq!(result["framings"], json!({ "landmark_list": 1, "detector": 0, "center_crop": 0 }));
    assert_eq!((&result["photos"], &result["faces"]), (&json!(18), &json!(1)));
    assert_eq!(result["doubts"][0], json!({ "photo": "p1/1.png", "reason": "not on the landmark list" }));
    let index = table(&path.join("out/index.csv"));
    assert_eq!(
        (&index["photo"][..], &index["framing"][..]),
        (&["p2/3.png".to_owned()][..], &["landmark_list".to_owned()][..])
    );
    let columns = ["left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y", "nose_x", "nose_y", "left_mouth_x"];
    assert_eq!(columns.map(|column| index[column][0].as_str()), points[..7]);
    assert_eq!(embed("again").json(0)["cached"], 18);
    fs::write(path.join("people/points.txt"), format!("p2/3.png\t7\t{}\n", points[1..].join("\t"))).unwrap();
    assert_eq!(embed("moved").json(0)["cached"], 17);
    assert_ne!(embeddings(&path.join("out")), embeddings(&path.join("moved")));
}

#[test]
fn equal_images_show_the_same_person() {
    let folder = folder();
    fs::copy(folder.path().join("people/p1/1.png"), folder.path().join("copy.png")).unwrap();
    for other in ["people/p1/1.png", "copy.png"] {
        let arguments = ["verify", "people/p1/1.png", other, "--threshold", "0", "--json"];
        let result = tiny_facenet(folder.path(), &arguments).json(0);
        assert_eq!((&result["squared_distance"], &result["same"]), (&json!(0.0), &json!(true)), "{result}");
        assert_eq!(result["photos"][1], json!({ "photo": other, "faces": 1, "doubt": null }));
        assert_eq!(
            (&result["faces"][1]["photo"], &result["faces"][1]["framing"]),
            (&json!(other), &json!("center_crop"))
        );
    }
}

#[test]
fn a_threshold_decides_a_verification() {
    let folder = folder();
    let path = folder.path();
    assert_eq!(tiny_facenet(path, &["embed", "people", "--out", "out"]).code, Some(0));
    let embeddings = embeddings(&path.join("out"));
    let expected = squared_distance(&embeddings["p1/1.png"], &embeddings["p4/2.png"]);
    let below = (expected - 1e-3).to_string();
    let above = (expected + 1e-3).to_string();
    for (threshold, same, says) in [
        ("0", false, "different people\n"),
        (&below, false, "different people\n"),
        (&above, true, "the same person\n"),
        ("4", true, "the same person\n"),
    ] {
        let arguments = ["verify", "people/p1/1.png", "people/p4/2.png", "--threshold", threshold];
        let result = tiny_facenet(path, &[&arguments[..], &["--json"]].concat()).json(0);
        assert_near(number(&result["squared_distance"]), expected);
        assert_near(number(&result["threshold"]), threshold.parse().unwrap());
        assert_eq!((&result["same"], &result["confidence"]), (&json!(same), &Value::Null), "{result}");
        let text = tiny_facenet(path, &arguments).stdout;
        assert!(text.starts_with(says) && text.contains("people/p4/2.png: cropped"), "{text}");
        assert!(text.contains(&format!("squared distance {expected:.3}, threshold")), "{text}");
    }
}

#[test]
fn without_a_calibration_a_threshold_is_required() {
    let folder = folder();
    for arguments in [&["verify", "people/p1/1.png", "people/p1/2.png"][..], &["identify", "people", "people/p1"]] {
        let stderr = failed(tiny_facenet(folder.path(), arguments));
        assert!(stderr.contains("this network has no calibration"), "{stderr}");
        assert!(stderr.contains("--threshold"), "{stderr}");
    }
}

/// Calibrates the network of the folder to the median distance of its images. Also returns their
/// embeddings.
fn calibrate(folder: &Path) -> (Calibration, BTreeMap<String, Vec<f32>>) {
    assert_eq!(tiny_facenet(folder, &["embed", "people", "--out", "embedded"]).code, Some(0));
    let embeddings = embeddings(&folder.join("embedded"));
    let rows: Vec<&Vec<f32>> = embeddings.values().collect();
    let pairs =
        rows.iter().enumerate().flat_map(|(row, one)| rows[..row].iter().map(|other| squared_distance(one, other)));
    let mut distances: Vec<f64> = pairs.collect();
    distances.sort_by(f64::total_cmp);
    let threshold = distances[distances.len() / 2];
    let calibration = Calibration { threshold, slope: 1.0 / threshold };
    write_network(&folder.join("tiny.safetensors"), tiny(), Some(calibration));
    (calibration, embeddings)
}

#[test]
fn a_calibration_gives_confidences() {
    let folder = folder();
    let path = folder.path();
    let (calibration, embeddings) = calibrate(path);
    let mut verdicts = Vec::new();
    for other in ["p1/1.png", "p1/2.png", "p2/1.png", "p3/2.png", "p4/3.png", "p5/1.png", "p6/1.png"] {
        let images = ["people/p1/1.png".to_owned(), format!("people/{other}")];
        let result = tiny_facenet(path, &["verify", &images[0], &images[1], "--json"]).json(0);
        let distance = squared_distance(&embeddings["p1/1.png"], &embeddings[other]);
        assert_near(number(&result["squared_distance"]), distance);
        assert_near(number(&result["threshold"]), calibration.threshold);
        let same = result["same"].as_bool().unwrap();
        assert_eq!(same, distance <= calibration.threshold);
        let confidence = number(&result["confidence"]);
        let probability = calibration.probability(distance);
        assert_near(confidence, probability.max(1.0 - probability));
        assert!((0.5..1.0).contains(&confidence), "{result}");
        let text = tiny_facenet(path, &["verify", &images[0], &images[1]]).stdout;
        let verdict = if same { "the same person" } else { "different people" };
        assert!(text.starts_with(&format!("{verdict}, {:.1} % confident\n", 100.0 * confidence)), "{text}");
        verdicts.push(same);
    }
    assert!(verdicts.contains(&true) && verdicts.contains(&false), "{verdicts:?}");
}

/// Moves the third image of each of `people` to `probes`, which leaves two of each for the gallery.
fn split_people(folder: &Path) {
    for person in 1..=6 {
        fs::create_dir_all(folder.join(format!("probes/p{person}"))).unwrap();
        let place = |within: &str| folder.join(within).join(format!("p{person}/3.png"));
        fs::rename(place("people"), place("probes")).unwrap();
    }
}

/// The squared distances of a probe to both images of each person.
fn distances(embeddings: &BTreeMap<String, Vec<f32>>, probe: &str) -> Vec<Vec<f64>> {
    let of_person = |person| {
        let images = [1, 2].map(|image| format!("p{person}/{image}.png"));
        images.map(|name| squared_distance(&embeddings[&name], &embeddings[probe])).to_vec()
    };
    (1..=6).map(of_person).collect()
}

#[test]
fn probes_are_identified_in_order() {
    let folder = folder();
    let path = folder.path();
    let (calibration, embeddings) = calibrate(path);
    split_people(path);
    // An enrolled person in another folder, an enrolled image, a folder.
    fs::create_dir(path.join("strangers")).unwrap();
    fs::rename(path.join("probes/p6/3.png"), path.join("strangers/p6.png")).unwrap();
    fs::copy(path.join("people/p1/1.png"), path.join("people/stray.png")).unwrap();
    let arguments = ["identify", "people", "strangers/p6.png", "people/p4/2.png", "probes"];
    let names = ["p6/3.png", "p4/2.png", "p1/3.png", "p2/3.png", "p3/3.png", "p4/3.png", "p5/3.png"];
    let paths = ["strangers/p6.png", "people/p4/2.png"].map(str::to_owned).into_iter();
    let paths: Vec<String> = paths.chain(names[2..].iter().map(|name| format!("probes/{name}"))).collect();

    let finished = tiny_facenet(path, &[&arguments[..], &["--json"]].concat());
    let result = finished.json(0);
    assert_eq!(finished.stderr, "");
    assert_eq!((&result["people"], &result["gallery_faces"]), (&json!(6), &json!(12)), "a stray image is not enrolled");
    let answers = result["probes"].as_array().unwrap();
    assert_eq!(answers.iter().map(|answer| answer["photo"].as_str().unwrap()).collect::<Vec<_>>(), paths);
    let [mut rank1, mut rightly, mut wrongly] = [0.0; 3];
    for (answer, probe) in answers.iter().zip(names) {
        let people = distances(&embeddings, probe);
        let images = people.iter().flatten().enumerate();
        let (image, distance) = images.min_by(|(_, one), (_, other)| one.total_cmp(other)).unwrap();
        let nearest = format!("p{}", image / 2 + 1);
        assert_eq!(answer["nearest"]["person"], nearest);
        assert_eq!(answer["nearest"]["photo"], format!("people/{nearest}/{}.png", image % 2 + 1));
        assert_near(number(&answer["nearest"]["squared_distance"]), *distance);

        let posteriors = calibration.posteriors(&people);
        let unknown = 1.0 - posteriors.iter().sum::<f64>();
        let (index, &most_probable) =
            posteriors.iter().enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other)).unwrap();
        let person = format!("p{}", index + 1);
        let known = most_probable >= unknown;
        assert_eq!(answer["person"], if known { json!(person) } else { Value::Null });
        assert_near(number(&answer["confidence"]), if known { most_probable } else { unknown });
        if probe != names[0] {
            rank1 += f64::from(probe.starts_with(&nearest));
            rightly += f64::from(known && probe.starts_with(&person));
            wrongly += f64::from(known && !probe.starts_with(&person));
        }
    }
    assert_eq!(answers[1]["nearest"]["person"], "p4");
    let agreement = &result["agreement_with_folders"];
    assert_eq!(agreement["probes"], 6, "the other folder is not named after a person");
    for (name, count) in [("rank1", rank1), ("named_rightly", rightly), ("named_wrongly", wrongly)] {
        assert_near(number(&agreement[name]), count / 6.0);
    }
}

#[test]
fn the_nearest_images_vote() {
    let folder = folder();
    let path = folder.path();
    let (calibration, embeddings) = calibrate(path);
    split_people(path);
    let identify = |rest: &[&str]| tiny_facenet(path, &[&["identify", "people", "probes"], rest].concat());
    let result = identify(&["--neighbors", "3", "--threshold", "4", "--json"]).json(0);
    assert_eq!(result["neighbors"], 3);
    for (answer, person) in result["probes"].as_array().unwrap().iter().zip(1..) {
        let people = distances(&embeddings, &format!("p{person}/3.png"));
        let mut images: Vec<(f64, usize)> = people.iter().flatten().copied().zip(0..).collect();
        images.sort_by(|one, other| one.0.total_cmp(&other.0));
        let voters: Vec<usize> = images[..3].iter().map(|(_, image)| image / 2).collect();
        let votes = |person: usize| voters.iter().filter(|&&voter| voter == person).count();
        // With three votes the nearest image loses only to two others that agree.
        let winner = if voters[1] == voters[2] { voters[1] } else { voters[0] };
        assert_eq!(answer["person"], format!("p{}", winner + 1));
        assert_eq!((&answer["votes"], &answer["confidence"]), (&json!(votes(winner)), &Value::Null));
        assert_eq!(answer["posterior"], Value::Null, "a threshold replaces the calibration");
    }

    let result = identify(&["--neighbors", "100", "--json"]).json(0);
    assert_eq!(result["neighbors"], 12, "there are no more images");
    let threshold = calibration.squared_distance_at(6.0);
    assert_near(number(&result["threshold"]), threshold);
    for (answer, person) in result["probes"].as_array().unwrap().iter().zip(1..) {
        let people = distances(&embeddings, &format!("p{person}/3.png"));
        let near = people.iter().flatten().filter(|&&distance| distance <= threshold).count();
        assert_eq!(answer["person"].is_null(), near == 0, "{near} images within {threshold}: {answer}");
    }
    let plain = identify(&["--json"]).json(0);
    for (answer, plain) in result["probes"].as_array().unwrap().iter().zip(plain["probes"].as_array().unwrap()) {
        assert_eq!(answer["posterior"], plain["posterior"]);
        assert!(answer["posterior"]["probability"].is_f64() && answer["posterior"]["unknown"].is_f64(), "{answer}");
        assert!(answer["confidence"].is_null() && plain["confidence"].is_f64() && plain.get("votes").is_none());
    }
    let text = identify(&["--neighbors", "1"]).stdout;
    assert!(text.contains(" of 1 neighbor, by calibration ") || text.contains(": unknown, by calibration "), "{text}");
    assert_eq!(identify(&["--neighbors", "0"]).code, Some(2));
}

#[test]
fn a_threshold_decides_who_is_unknown() {
    let folder = folder();
    let path = folder.path();
    split_people(path);
    let identify = |probe: &str, rest: &[&str]| tiny_facenet(path, &[&["identify", "people", probe], rest].concat());
    let result = identify("probes", &["--threshold", "0", "--json"]).json(0);
    let answers = result["probes"].as_array().unwrap();
    assert_eq!(answers.len(), 6);
    for answer in answers {
        assert_eq!((&answer["person"], &answer["confidence"]), (&Value::Null, &Value::Null), "{answer}");
    }
    let agreement = &result["agreement_with_folders"];
    assert_eq!((&agreement["named_rightly"], &agreement["named_wrongly"]), (&json!(0.0), &json!(0.0)), "{agreement}");
    let result = identify("probes", &["--threshold", "4", "--json"]).json(0);
    for answer in result["probes"].as_array().unwrap() {
        assert_eq!(answer["person"], answer["nearest"]["person"]);
    }
    let agreement = &result["agreement_with_folders"];
    assert_eq!(agreement["named_rightly"], agreement["rank1"], "{agreement}");

    // Enrolled images are at distance 0 from themselves.
    let result = identify("people", &["--threshold", "0", "--json"]).json(0);
    assert_eq!(result["agreement_with_folders"]["named_rightly"], 1.0, "{result}");

    let text = identify("probes/p1", &["--threshold", "0"]).stdout;
    assert!(text.contains("probes/p1/3.png: unknown (nearest: p"), "{text}");
    assert!(text.contains("6 people enrolled with 12 faces, by tiny"), "{text}");
    assert!(text.contains("of 1 probe in folders named after enrolled people"), "{text}");
    fs::copy(path.join("probes/p1/3.png"), path.join("loose.png")).unwrap();
    let text = identify("loose.png", &["--threshold", "4"]).stdout;
    assert!(text.starts_with("loose.png: p") && !text.contains("enrolled people"), "{text}");
    let result = identify("loose.png", &["--threshold", "4", "--json"]).json(0);
    assert_eq!(result["agreement_with_folders"], Value::Null);
}

#[test]
fn unreadable_images_are_listed_and_the_others_identified() {
    let folder = folder();
    let path = folder.path();
    split_people(path);
    fs::write(path.join("people/p2/2.png"), "not an image").unwrap();
    for image in ["people/p5/1.png", "people/p5/2.png"] {
        fs::write(path.join(image), "not an image").unwrap();
    }
    let arguments = ["identify", "people", "probes/p1/3.png", "gone.png", "probes/p2/3.png", "--threshold", "4"];
    let finished = tiny_facenet(path, &[&arguments[..], &["--json"]].concat());
    assert!(finished.stderr.starts_with("error: 4 of 15 photos or folders could not be read"), "{finished:?}");
    let result = finished.json(1);
    assert_eq!((&result["people"], &result["gallery_faces"]), (&json!(5), &json!(9)));
    let images = |list: &str| -> Vec<&str> {
        result[list].as_array().unwrap().iter().map(|entry| entry["photo"].as_str().unwrap()).collect()
    };
    assert_eq!(images("probes"), ["probes/p1/3.png", "probes/p2/3.png"]);
    assert_eq!(images("unread"), ["people/p2/2.png", "people/p5/1.png", "people/p5/2.png", "gone.png"]);
    assert!(result["probes"].as_array().unwrap().iter().all(|answer| answer["person"] != "p5"));

    for person in [1, 2, 3, 4, 6] {
        for image in [1, 2] {
            fs::write(path.join(format!("people/p{person}/{image}.png")), "not an image").unwrap();
        }
    }
    let stderr = failed(tiny_facenet(path, &arguments));
    assert!(stderr.contains("no photo of people shows a face"), "{stderr}");
}
