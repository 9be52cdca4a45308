//! Commands on pictures of one face each, by a small network: `embed`, `verify`, `identify`, and what they share.

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

/// A folder with `people`, six with three pictures each, and a network without a calibration, `tiny.safetensors`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_people(&folder.path().join("people"), 6, 3);
    write_network(&folder.path().join("tiny.safetensors"), tiny(), None);
    folder
}

fn tiny() -> Description {
    Recipe::from_toml(TINY_RECIPE).unwrap().network
}

/// One that asks for aligned faces.
fn aligned() -> Description {
    let mut network = tiny();
    network.preprocessing.template = Some([[5.0, 6.0], [10.0, 6.0], [7.5, 9.0], [5.5, 12.0], [9.5, 12.0]]);
    network
}

/// A network that has learned nothing, as a checkpoint.
fn write_network(path: &Path, description: Description, calibration: Option<Calibration>) {
    let network = Network::new(description, Initializer::default(), 1).unwrap();
    let calibration = calibration.as_ref().map(calibration_text);
    write_checkpoint(path, &Checkpoint { calibration, ..Checkpoint::from(network) }).unwrap();
}

fn facenet(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_facenet"), folder).run(arguments)
}

/// A command with the network of the folder.
fn tiny_facenet(folder: &Path, arguments: &[&str]) -> Finished {
    facenet(folder, &[arguments, &["--weights", "tiny.safetensors"]].concat())
}

/// A command that fails without a result; what it says.
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

/// The one folder of a cache.
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

/// The embeddings that `embed` wrote, by the names of their pictures.
fn embeddings(out: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(out.join("embeddings.safetensors")).unwrap();
    let tensors = ForeignTensors::from_safetensors(&bytes).unwrap().tensors;
    let tensor = &tensors["embeddings"];
    let pictures = &table(&out.join("index.csv"))["picture"];
    assert_eq!((tensors.len(), &tensor.shape), (1, &vec![pictures.len(), 8]));
    pictures.iter().cloned().zip(tensor.values.chunks(8).map(<[f32]>::to_vec)).collect()
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

/// The pictures of `people`, in order.
fn names_of_people() -> Vec<String> {
    (1..=6).flat_map(|person| (1..=3).map(move |picture| format!("p{person}/{picture}.png"))).collect()
}

#[test]
fn embeddings_are_written_row_by_row() {
    let folder = folder();
    let path = folder.path();
    let finished = tiny_facenet(path, &["embed", "people", "--csv", "--json"]);
    let result = finished.json(0);
    assert_eq!(finished.stderr, "");
    for (name, expected) in [("pictures", 18), ("dimension", 8), ("cached", 0)] {
        assert_eq!(result[name], expected, "{name}: {result}");
    }
    assert_eq!(result["network"], "tiny");
    assert_eq!(result["framings"], json!({ "landmark_list": 0, "landmark_network": 0, "center_crop": 18 }));
    assert_eq!((&result["doubts"], &result["unread"]), (&json!([]), &json!([])));
    let written = ["embeddings.safetensors", "index.csv", "embeddings.csv"];
    assert_eq!(result["files"], json!(written.map(|file| format!("runs/embed/people/{file}"))));
    let out = path.join("runs/embed/people");
    assert_eq!(files(&out).into_keys().collect::<Vec<_>>(), ["embeddings.csv", "embeddings.safetensors", "index.csv"]);
    assert_eq!(files(&path.join("runs")).into_keys().collect::<Vec<_>>(), ["cache", "embed"]);

    let index = table(&out.join("index.csv"));
    assert_eq!(index["picture"], names_of_people());
    assert_eq!(index["row"], (0..18).map(|row| row.to_string()).collect::<Vec<_>>());
    assert!(index["framing"].iter().all(|framing| framing == "center_crop"));
    assert!(["faces", "doubt", "left_eye_x", "right_mouth_y"].iter().all(|name| index[*name] == [""; 18]));

    let embedder = Embedder::from_checkpoint(&fs::read(path.join("tiny.safetensors")).unwrap()).unwrap();
    let world = SyntheticFaces::new(1);
    let faces: Vec<_> = (1..=6)
        .flat_map(|person| (1..=3).map(move |picture| (person, picture)))
        .map(|(person, picture)| {
            Crop::Center { fraction: 1.0 }.apply(world.portrait(person, picture, [20, 18]).view(), [16, 16])
        })
        .collect();
    let faces: Vec<_> = faces.iter().map(|face| face.view()).collect();
    let expected: Array2<f32> = embedder.embed(stack(Axis(0), &faces).unwrap().view()).unwrap();
    let numbers = table(&out.join("embeddings.csv"));
    assert_eq!(numbers["picture"], names_of_people());
    let embeddings = embeddings(&out);
    for (row, name) in names_of_people().iter().enumerate() {
        let embedding = &embeddings[name];
        assert!(squared_distance(embedding, expected.row(row).as_slice().unwrap()) < 1e-10, "{name}");
        let parsed: Vec<f32> = (1..=8).map(|column| numbers[&column.to_string()][row].parse().unwrap()).collect();
        assert_eq!(&parsed, embedding, "{name}");
    }
}

#[test]
fn the_result_can_be_read() {
    let folder = folder();
    let Finished { code, stdout, stderr } = tiny_facenet(folder.path(), &["embed", "people/", "--out", "new/out"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    for text in [
        "18 embeddings of 8 numbers by tiny; faces cropped: 18; 0 of them from the cache",
        "new/out/embeddings.safetensors written",
        "new/out/index.csv written",
    ] {
        assert!(stdout.contains(text), "{text}: {stdout}");
    }
    assert_eq!(files(&folder.path().join("new/out")).len(), 2, "no table unless asked for");
}

#[test]
fn what_is_embedded_is_found_again_by_what_pictures_hold() {
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
    assert_eq!(cached_files(&path.join("kept")).len(), 1, "nothing new is nothing to keep");
    assert!(!path.join("runs").exists());

    fs::rename(path.join("people/p1/1.png"), path.join("people/p6/9.png")).unwrap();
    // Another picture under the name of one that is known.
    fs::copy(path.join("people/p2/2.png"), path.join("people/p2/1.png")).unwrap();
    assert_eq!(embed("three", "tiny.safetensors"), 18);
    let (before, after) = (embeddings(&path.join("one")), embeddings(&path.join("three")));
    assert_eq!(after["p6/9.png"], before["p1/1.png"]);
    assert_eq!(after["p2/1.png"], before["p2/2.png"]);
    assert_ne!(after["p2/1.png"], before["p2/1.png"]);

    let wider = Description { embedding: Some(16), ..tiny() };
    write_network(&path.join("wider.safetensors"), wider, None);
    assert_eq!(embed("four", "wider.safetensors"), 0, "another network, other embeddings");
    assert_eq!(files(&path.join("kept")).len(), 2);
}

#[test]
fn embedding_goes_on_where_it_was_stopped() {
    let folder = folder();
    let path = folder.path();
    write_people(&path.join("many"), 3, 100);
    let embed = |out| tiny_facenet(path, &["embed", "many", "--cache", "cache", "--out", out, "--json"]).json(0);
    assert_eq!(embed("whole")["cached"], 0);
    let kept = cached_files(&path.join("cache"));
    assert_eq!(kept.len(), 2, "kept part by part");
    // Stopped while the second part was written.
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
fn a_picture_that_can_not_be_read_does_not_stop_the_others() {
    let folder = folder();
    fs::write(folder.path().join("people/p2/broken.jpg"), "no picture").unwrap();
    fs::write(folder.path().join("people/p3/notes.txt"), "passed over").unwrap();
    let finished = tiny_facenet(folder.path(), &["embed", "people", "--out", "out", "--json"]);
    assert!(finished.stderr.starts_with("error: 1 of 19 pictures could not be read"), "{finished:?}");
    let result = finished.json(1);
    assert_eq!((&result["pictures"], &result["unread"][0]["picture"]), (&json!(18), &json!("p2/broken.jpg")));
    assert_eq!(result["unread"].as_array().unwrap().len(), 1);
    assert_eq!(embeddings(&folder.path().join("out")).into_keys().collect::<Vec<_>>(), names_of_people());
    let text = tiny_facenet(folder.path(), &["embed", "people"]);
    assert!(text.code == Some(1) && text.stdout.contains("people/p2/broken.jpg"), "{text:?}");

    fs::create_dir(folder.path().join("broken")).unwrap();
    fs::rename(folder.path().join("people/p2/broken.jpg"), folder.path().join("broken/1.jpg")).unwrap();
    let text = tiny_facenet(folder.path(), &["embed", "broken", "--out", "none"]);
    assert_eq!(text.code, Some(1));
    assert!(text.stdout.starts_with("0 embeddings of 8 numbers by tiny; no faces;"), "{text:?}");
    assert!(embeddings(&folder.path().join("none")).is_empty());
}

#[test]
fn a_damaged_cache_is_named() {
    let folder = folder();
    let path = folder.path();
    let embed = || tiny_facenet(path, &["embed", "people", "--cache", "cache"]);
    assert_eq!(embed().code, Some(0));
    let [file] = &cached_files(&path.join("cache"))[..] else { panic!("one file") };
    let whole = fs::read(file).unwrap();
    let others = fs::read(path.join("runs/embed/people/embeddings.safetensors")).unwrap();
    for damage in [&[][..], b"no cache", &whole[..whole.len() - 1], &whole[..4], &others] {
        fs::write(file, damage).unwrap();
        let stderr = failed(embed());
        let name = file.strip_prefix(path).unwrap().to_str().unwrap();
        assert!(stderr.contains(name), "{name}: {stderr}");
    }
    fs::write(file, whole).unwrap();
    assert_eq!(embed().code, Some(0));
    let out = files(&path.join("runs/embed")).into_keys().collect::<Vec<_>>();
    assert_eq!(out, ["people", "people-2"], "nothing is written over, and what failed leaves nothing");
}

#[test]
fn folders_that_will_not_do() {
    let folder = folder();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    for (arguments, says) in [
        (&["embed", "empty"][..], "empty holds no pictures"),
        (&["embed", "nowhere"], "nowhere"),
        (&["embed", "file"], "file"),
        (&["embed", "people", "--out", "file"], "file"),
        (&["embed", "people", "--out", "out", "--cache", "file"], "file"),
        (&["embed", "people", "--landmarks", "list.txt"], "tiny does not ask for aligned faces"),
        (&["embed", "people", "--landmark-network", "nowhere.xml"], "nowhere.xml"),
        (&["identify", "people/p1", "people/p2", "--threshold", "1"], "people/p1"),
        (&["identify", "nowhere", "people/p2", "--threshold", "1"], "nowhere"),
        (&["identify", "people", "people/p2", "empty", "--threshold", "1"], "empty holds no pictures"),
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
fn wrong_use_ends_with_two() {
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

/// What every command that embeds is asked here.
const ASKED: [&[&str]; 4] = [
    &["embed", "people", "--out", "out"],
    &["cluster", "people", "--cut", "1", "--out", "out"],
    &["verify", "people/p1/1.png", "people/p1/2.png", "--threshold", "1"],
    &["identify", "people", "people/p1/1.png", "--threshold", "1"],
];

#[test]
fn without_weights_the_download_is_named() {
    let folder = folder();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for arguments in ASKED {
        let stderr = failed(facenet(folder.path(), &[arguments, &["--data", "empty"]].concat()));
        let command = "facenet download weights/face-reidentification-retail-0095";
        assert!(stderr.contains(command), "{arguments:?}: {stderr}");
        let stderr = failed(facenet(folder.path(), &[arguments, &["--weights", "gone.bin"]].concat()));
        assert!(stderr.contains("gone.bin") && !stderr.contains("download"), "{arguments:?}: {stderr}");
    }
    assert!(!folder.path().join("out").exists() && !folder.path().join("runs").exists());
}

#[test]
fn networks_that_are_for_something_else_are_named() {
    let folder = folder();
    let path = folder.path();
    write_network(&path.join("points.safetensors"), built_in(LANDMARK_NETWORK).unwrap(), None);
    write_network(&path.join("aligned.safetensors"), aligned(), None);
    for arguments in ASKED {
        let stderr = failed(facenet(path, &[arguments, &["--weights", "points.safetensors"]].concat()));
        assert!(stderr.contains("points.safetensors") && stderr.contains("embedding"), "{arguments:?}: {stderr}");
        for network in ["aligned.safetensors", "tiny.safetensors"] {
            let networks = ["--weights", network, "--landmark-network", "tiny.safetensors"];
            let stderr = failed(facenet(path, &[arguments, &networks].concat()));
            assert!(
                stderr.contains("tiny.safetensors") && stderr.contains("five points of a face"),
                "{arguments:?}: {stderr}"
            );
        }
    }
    assert!(!path.join("out").exists());
}

#[test]
fn it_is_said_that_a_network_could_find_faces() {
    let folder = folder();
    let path = folder.path();
    write_network(&path.join("points.safetensors"), built_in(LANDMARK_NETWORK).unwrap(), None);
    write_network(&path.join("aligned.safetensors"), aligned(), None);
    for arguments in ASKED {
        let aligned = [arguments, &["--weights", "aligned.safetensors"]].concat();
        let Finished { code, stderr, .. } = facenet(path, &aligned);
        let command = "`facenet download weights/landmarks-regression-retail-0009`";
        assert!(code == Some(0) && stderr.starts_with("help: ") && stderr.contains(command), "{arguments:?}: {stderr}");
        fs::remove_dir_all(path.join("out")).unwrap_or_default();
        let finished = facenet(path, &[&aligned[..], &["--landmark-network", "points.safetensors"]].concat());
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        fs::remove_dir_all(path.join("out")).unwrap_or_default();
        assert_eq!(tiny_facenet(path, arguments).stderr, "", "{arguments:?}: nothing to align to");
        fs::remove_dir_all(path.join("out")).unwrap_or_default();
    }
}

#[test]
fn listed_landmarks_align() {
    let folder = folder();
    let path = folder.path();
    write_network(&path.join("aligned.safetensors"), aligned(), None);
    let points = ["6", "8", "12", "8.5", "9", "11", "7", "15", "11", "15"];
    fs::write(path.join("people/points.txt"), format!("p2/3.png\t{}\n", points.join("\t"))).unwrap();
    let embed = |out: &str, list: &[&str]| {
        let arguments = ["embed", "people", "--weights", "aligned.safetensors", "--out", out, "--json"];
        facenet(path, &[&arguments, list].concat()).json(0)
    };
    embed("cropped", &[]);
    let result = embed("out", &["--landmarks", "people/points.txt"]);
    assert_eq!(result["framings"], json!({ "landmark_list": 1, "landmark_network": 0, "center_crop": 17 }));
    assert_eq!(result["cached"], 17, "a face that is cut out otherwise is another one");
    let index = table(&path.join("out/index.csv"));
    let row = index["picture"].iter().position(|name| name == "p2/3.png").unwrap();
    assert_eq!(index["framing"][row], "landmark_list");
    let columns = ["left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y", "nose_x", "nose_y", "left_mouth_x"];
    assert_eq!(columns.map(|column| index[column][row].as_str()), points[..7]);
    let (cropped, listed) = (embeddings(&path.join("cropped")), embeddings(&path.join("out")));
    let changed: Vec<&String> = cropped.keys().filter(|name| cropped[*name] != listed[*name]).collect();
    assert_eq!(changed, ["p2/3.png"]);
}

#[test]
fn one_picture_twice_is_one_person() {
    let folder = folder();
    fs::copy(folder.path().join("people/p1/1.png"), folder.path().join("copy.png")).unwrap();
    for other in ["people/p1/1.png", "copy.png"] {
        let arguments = ["verify", "people/p1/1.png", other, "--threshold", "0", "--json"];
        let result = tiny_facenet(folder.path(), &arguments).json(0);
        assert_eq!((&result["squared_distance"], &result["same"]), (&json!(0.0), &json!(true)), "{result}");
        assert_eq!(result["pictures"][1], json!({ "picture": other, "framing": "center_crop", "doubt": null }));
    }
}

#[test]
fn a_threshold_decides() {
    let folder = folder();
    let path = folder.path();
    assert_eq!(tiny_facenet(path, &["embed", "people", "--out", "out"]).code, Some(0));
    let embeddings = embeddings(&path.join("out"));
    let expected = squared_distance(&embeddings["p1/1.png"], &embeddings["p4/2.png"]);
    let below = (expected - 1e-3).to_string();
    let above = (expected + 1e-3).to_string();
    for (threshold, same, says) in [
        ("0", false, "two people\n"),
        (&below, false, "two people\n"),
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
fn without_a_calibration_a_threshold_is_asked_for() {
    let folder = folder();
    for arguments in [&["verify", "people/p1/1.png", "people/p1/2.png"][..], &["identify", "people", "people/p1"]] {
        let stderr = failed(tiny_facenet(folder.path(), arguments));
        assert!(stderr.contains("nothing tells what distances of this network mean"), "{stderr}");
        assert!(stderr.contains("--threshold"), "{stderr}");
    }
}

/// Gives the network of the folder a calibration in the middle of the distances of its pictures; returns their embeddings,
/// too.
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
fn a_calibration_tells_how_sure_it_is() {
    let folder = folder();
    let path = folder.path();
    let (calibration, embeddings) = calibrate(path);
    let mut verdicts = Vec::new();
    for other in ["p1/1.png", "p1/2.png", "p2/1.png", "p3/2.png", "p4/3.png", "p5/1.png", "p6/1.png"] {
        let pictures = ["people/p1/1.png".to_owned(), format!("people/{other}")];
        let result = tiny_facenet(path, &["verify", &pictures[0], &pictures[1], "--json"]).json(0);
        let distance = squared_distance(&embeddings["p1/1.png"], &embeddings[other]);
        assert_near(number(&result["squared_distance"]), distance);
        assert_near(number(&result["threshold"]), calibration.threshold);
        let same = result["same"].as_bool().unwrap();
        assert_eq!(same, distance <= calibration.threshold);
        let confidence = number(&result["confidence"]);
        let probability = calibration.probability(distance);
        assert_near(confidence, probability.max(1.0 - probability));
        assert!((0.5..1.0).contains(&confidence), "{result}");
        let text = tiny_facenet(path, &["verify", &pictures[0], &pictures[1]]).stdout;
        let verdict = if same { "the same person" } else { "two people" };
        assert!(text.starts_with(&format!("{verdict}, {:.1} % sure\n", 100.0 * confidence)), "{text}");
        verdicts.push(same);
    }
    assert!(verdicts.contains(&true) && verdicts.contains(&false), "{verdicts:?}");
}

/// Takes the third picture of each of `people` to `probes`, so that there are two of each in the gallery.
fn part_people(folder: &Path) {
    for person in 1..=6 {
        fs::create_dir_all(folder.join(format!("probes/p{person}"))).unwrap();
        let place = |within: &str| folder.join(within).join(format!("p{person}/3.png"));
        fs::rename(place("people"), place("probes")).unwrap();
    }
}

/// The squared distances of a probe to both pictures of each person.
fn distances(embeddings: &BTreeMap<String, Vec<f32>>, probe: &str) -> Vec<Vec<f64>> {
    let of_person = |person| {
        let pictures = [1, 2].map(|picture| format!("p{person}/{picture}.png"));
        pictures.map(|name| squared_distance(&embeddings[&name], &embeddings[probe])).to_vec()
    };
    (1..=6).map(of_person).collect()
}

#[test]
fn probes_are_named_in_their_order() {
    let folder = folder();
    let path = folder.path();
    let (calibration, embeddings) = calibrate(path);
    part_people(path);
    // One of an enrolled person that lies elsewhere, one that is enrolled, a folder.
    fs::create_dir(path.join("strangers")).unwrap();
    fs::rename(path.join("probes/p6/3.png"), path.join("strangers/p6.png")).unwrap();
    fs::copy(path.join("people/p1/1.png"), path.join("people/stray.png")).unwrap();
    let arguments = ["identify", "people", "strangers/p6.png", "people/p4/2.png", "probes"];
    let asked = ["p6/3.png", "p4/2.png", "p1/3.png", "p2/3.png", "p3/3.png", "p4/3.png", "p5/3.png"];
    let places = ["strangers/p6.png", "people/p4/2.png"].map(str::to_owned).into_iter();
    let places: Vec<String> = places.chain(asked[2..].iter().map(|name| format!("probes/{name}"))).collect();

    let finished = tiny_facenet(path, &[&arguments[..], &["--json"]].concat());
    let result = finished.json(0);
    assert_eq!(finished.stderr, "");
    assert_eq!((&result["people"], &result["gallery_pictures"]), (&json!(6), &json!(12)), "a stray one is nobody");
    let answers = result["probes"].as_array().unwrap();
    assert_eq!(answers.iter().map(|answer| answer["picture"].as_str().unwrap()).collect::<Vec<_>>(), places);
    let [mut rank1, mut rightly, mut wrongly] = [0.0; 3];
    for (answer, probe) in answers.iter().zip(asked) {
        let people = distances(&embeddings, probe);
        let pictures = people.iter().flatten().enumerate();
        let (picture, distance) = pictures.min_by(|(_, one), (_, other)| one.total_cmp(other)).unwrap();
        let nearest = format!("p{}", picture / 2 + 1);
        assert_eq!(answer["nearest"]["person"], nearest);
        assert_eq!(answer["nearest"]["picture"], format!("people/{nearest}/{}.png", picture % 2 + 1));
        assert_near(number(&answer["nearest"]["squared_distance"]), *distance);

        let posteriors = calibration.posteriors(&people);
        let nobody = 1.0 - posteriors.iter().sum::<f64>();
        let (index, &likeliest) =
            posteriors.iter().enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other)).unwrap();
        let person = format!("p{}", index + 1);
        let known = likeliest >= nobody;
        assert_eq!(answer["person"], if known { json!(person) } else { Value::Null });
        assert_near(number(&answer["confidence"]), if known { likeliest } else { nobody });
        if probe != asked[0] {
            rank1 += f64::from(probe.starts_with(&nearest));
            rightly += f64::from(known && probe.starts_with(&person));
            wrongly += f64::from(known && !probe.starts_with(&person));
        }
    }
    assert_eq!(answers[1]["nearest"]["person"], "p4");
    let agreement = &result["agreement_with_folders"];
    assert_eq!(agreement["probes"], 6, "the stranger's folder is nobody's");
    for (name, count) in [("rank1", rank1), ("named_rightly", rightly), ("named_wrongly", wrongly)] {
        assert_near(number(&agreement[name]), count / 6.0);
    }
}

#[test]
fn a_threshold_decides_who_is_unknown() {
    let folder = folder();
    let path = folder.path();
    part_people(path);
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

    // Those who are enrolled are at no distance from themselves.
    let result = identify("people", &["--threshold", "0", "--json"]).json(0);
    assert_eq!(result["agreement_with_folders"]["named_rightly"], 1.0, "{result}");

    let text = identify("probes/p1", &["--threshold", "0"]).stdout;
    assert!(text.contains("probes/p1/3.png: unknown, cropped (the nearest is p"), "{text}");
    assert!(text.contains("among 6 people with 12 pictures, by tiny"), "{text}");
    assert!(text.contains("of 1 probe in folders called as enrolled people"), "{text}");
    fs::copy(path.join("probes/p1/3.png"), path.join("loose.png")).unwrap();
    let text = identify("loose.png", &["--threshold", "4"]).stdout;
    assert!(text.starts_with("loose.png: p") && !text.contains("enrolled people"), "{text}");
    let result = identify("loose.png", &["--threshold", "4", "--json"]).json(0);
    assert_eq!(result["agreement_with_folders"], Value::Null);
}

#[test]
fn who_can_be_read_is_named() {
    let folder = folder();
    let path = folder.path();
    part_people(path);
    fs::write(path.join("people/p2/2.png"), "no picture").unwrap();
    for picture in ["people/p5/1.png", "people/p5/2.png"] {
        fs::write(path.join(picture), "no picture").unwrap();
    }
    let arguments = ["identify", "people", "probes/p1/3.png", "gone.png", "probes/p2/3.png", "--threshold", "4"];
    let finished = tiny_facenet(path, &[&arguments[..], &["--json"]].concat());
    assert!(finished.stderr.starts_with("error: 4 of 15 pictures could not be read"), "{finished:?}");
    let result = finished.json(1);
    assert_eq!((&result["people"], &result["gallery_pictures"]), (&json!(5), &json!(9)));
    let pictures = |list: &str| -> Vec<&str> {
        result[list].as_array().unwrap().iter().map(|entry| entry["picture"].as_str().unwrap()).collect()
    };
    assert_eq!(pictures("probes"), ["probes/p1/3.png", "probes/p2/3.png"]);
    assert_eq!(pictures("unread"), ["people/p2/2.png", "people/p5/1.png", "people/p5/2.png", "gone.png"]);
    assert!(result["probes"].as_array().unwrap().iter().all(|answer| answer["person"] != "p5"));

    for person in [1, 2, 3, 4, 6] {
        for picture in [1, 2] {
            fs::write(path.join(format!("people/p{person}/{picture}.png")), "no picture").unwrap();
        }
    }
    let stderr = failed(tiny_facenet(path, &arguments));
    assert!(stderr.contains("no picture of people could be read"), "{stderr}");
}
