//! `facenet cluster`: folders of links and a page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use facenet_recognition::{Calibration, calibration_text, read_checkpoint, write_checkpoint};
use facenet_tests::{Finished, Program, TINY_RECIPE, write_people};
use facenet_training::{DatasetSource, Recipe, RunOptions, Start};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with `people`, six with three images each, and a network trained on them for a few
/// steps.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_people(&folder.path().join("people"), 6, 3);
    let options = RunOptions {
        dataset: DatasetSource::Folder(folder.path().join("people")),
        data: folder.path().to_owned(),
        start: Start::Scratch { recipe: Box::new(Recipe::from_toml(TINY_RECIPE).unwrap()), seed: 0 },
        minutes: None,
        out: folder.path().join("trained"),
    };
    fs::create_dir(&options.out).unwrap();
    let (dataset, _) = options.load(&|_| ()).unwrap();
    options.train(&dataset, &AtomicBool::new(false), &|_| ()).unwrap();
    folder
}

fn facenet(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_facenet"), folder).run(arguments)
}

/// `facenet cluster` with the network of the folder.
fn cluster(folder: &Path, arguments: &[&str]) -> Finished {
    facenet(folder, &[&["cluster", "--weights", "trained/checkpoint.safetensors"], arguments].concat())
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The images in the folders of people.
fn placed(folder: &Path) -> BTreeSet<String> {
    names(folder).iter().flat_map(|person| names(&folder.join(person))).collect()
}

#[test]
fn each_person_has_a_folder_of_links() {
    let folder = folder();
    let result = cluster(folder.path(), &["people", "--people", "3", "--json"]).json(0);
    for (name, number) in [("photos", 18), ("face_count", 18), ("cluster_count", 3), ("people", 3)] {
        assert_eq!(result[name], number, "{name}: {result}");
    }
    assert_eq!(result["framings"], json!({ "landmark_list": 0, "detector": 0, "center_crop": 18 }));
    assert_eq!((&result["method"], result.get("cut")), (&Value::from("k_means"), None));
    assert_eq!(result.get("linkage"), None);
    assert_eq!(result["doubts"], json!([]), "the network takes whole pictures");
    let clusters: Vec<Vec<String>> = serde_json::from_value(result["clusters"].clone()).unwrap();
    assert!(clusters.is_sorted_by_key(|cluster| std::cmp::Reverse(cluster.len())));
    assert_eq!(clusters.iter().flatten().collect::<BTreeSet<_>>().len(), 18);
    assert_eq!(result["agreement_with_folders"]["folders"], 6);
    assert!(result["agreement_with_folders"]["bcubed_f"].as_f64().unwrap() > 0.0);

    assert_eq!(result["folder"], "runs/cluster/people");
    let out = folder.path().join("runs/cluster/people");
    assert_eq!(names(&out), ["clusters.csv", "index.html", "people"].map(str::to_owned).into());
    assert_eq!(names(&out.join("people/001")).len(), clusters[0].len());
    let first = &clusters[0][0];
    let link = out.join("people/001").join(first.replace('/', " - "));
    let image = folder.path().join("people").join(first);
    assert_eq!(fs::read_link(&link).unwrap(), fs::canonicalize(&image).unwrap());
    let table = fs::read_to_string(out.join("clusters.csv")).unwrap();
    assert_eq!(
        (table.lines().count(), table.lines().next()),
        (19, Some("photo,cluster,face,framing,left,top,right,bottom,size,score,sharpness,yaw,pitch,roll,doubt"))
    );
    assert!(table.contains(&format!("{first},1,1,center_crop,")), "{table}");
    assert!(fs::read_to_string(out.join("index.html")).unwrap().contains("18 faces of 3 people on 18 photos"));
}

#[test]
fn copies_of_an_image_are_one_person() {
    let folder = folder();
    let copies = folder.path().join("copies");
    fs::create_dir(&copies).unwrap();
    for copy in 0..6 {
        let image = format!("people/p{}/1.png", 1 + copy % 2);
        fs::copy(folder.path().join(image), copies.join(format!("{copy}.png"))).unwrap();
    }
    let by_cut = cluster(folder.path(), &["copies", "--cut", "0", "--json"]).json(0);
    assert_eq!(by_cut["clusters"], json!([["0.png", "2.png", "4.png"], ["1.png", "3.png", "5.png"]]));
    let finished = cluster(folder.path(), &["copies", "--people", "3"]);
    let line = "fewer than the 3 people asked for: the reliable faces have too few different embeddings\n";
    assert!(finished.code == Some(0) && finished.stdout.contains(line), "{finished:?}");
}

#[test]
fn images_are_grouped_by_any_method() {
    let folder = folder();
    let group =
        |arguments: &[&str]| cluster(folder.path(), &[&["people", "--out", "out", "--json"], arguments].concat());
    let groups = |arguments: &[&str]| {
        let result = group(arguments).json(0);
        fs::remove_dir_all(folder.path().join("out")).unwrap();
        result
    };
    for method in ["average", "complete", "single", "ward"] {
        let by_number = groups(&["--method", method, "--people", "4"]);
        assert_eq!((&by_number["method"], &by_number["linkage"]), (&json!("agglomerative"), &json!(method)));
        assert_eq!((&by_number["cluster_count"], &by_number["people"]), (&json!(4), &json!(4)));
        assert_eq!(groups(&["--method", method, "--cut", "0"])["cluster_count"], 18);
    }
    assert_eq!(groups(&["--method", "ward", "--cut", "1000"])["cluster_count"], 1);
    let k_means = ["--method", "k-means", "--people", "3"];
    assert_eq!(groups(&k_means)["clusters"], groups(&k_means[2..])["clusters"], "the default with --people");
    // With two points DBSCAN finds what single linkage merges.
    let single = groups(&["--method", "single", "--cut", "0.2"]);
    let dbscan = groups(&["--method", "dbscan", "--cut", "0.2"]);
    assert_eq!((&dbscan["method"], &dbscan["clusters"]), (&json!("dbscan"), &single["clusters"]));
    let alone = groups(&["--method", "dbscan", "--cut", "0.2", "--min-points", "18"]);
    assert_eq!((&alone["alone"], &alone["min_points"]), (&json!(18), &json!(18)), "noise stays alone");

    for (arguments, message) in [
        (&["--method", "k-means"][..], "needs --people K"),
        (&["--method", "k-means", "--cut", "1"], "k-means takes --people K, not --cut D"),
        (&["--method", "dbscan"], "needs --cut D"),
        (&["--method", "dbscan", "--cut", "0"], "needs --cut D, above 0"),
        (&["--method", "dbscan", "--people", "3"], "dbscan takes --cut D, not --people K"),
        (&["--method", "complete"], "needs --cut D or --people K"),
        (&["--method", "single", "--cut", "4.5"], "a --cut from 0 to 4"),
        (&["--cut", "1", "--min-points", "3"], "--min-points is for --method dbscan"),
        (&["--cut", "1", "--seed", "3"], "--seed is for k-means"),
        (&["--cut=-1"], "at least 0"),
        (&["--cut", "1", "--people", "3"], "cannot be used with"),
    ] {
        let Finished { code, stdout, stderr } = group(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn default_folders_are_numbered() {
    let folder = folder();
    for expected in ["people", "people-2", "people-3"] {
        let result = cluster(folder.path(), &["people/", "--cut", "4", "--copies", "--json"]).json(0);
        assert_eq!(result["folder"], format!("runs/cluster/{expected}"));
        assert_eq!((&result["cluster_count"], &result["alone"]), (&Value::from(1), &Value::from(0)));
        assert_eq!((&result["method"], &result["cut"]), (&Value::from("agglomerative"), &Value::from(4.0)));
    }
    assert_eq!(names(&folder.path().join("runs/cluster")).len(), 3, "no temporary folder is left");
    let copy = folder.path().join("runs/cluster/people-3/people/001/p2 - 1.png");
    assert!(fs::symlink_metadata(&copy).unwrap().is_file());
    assert_eq!(fs::read(copy).unwrap(), fs::read(folder.path().join("people/p2/1.png")).unwrap());
}

#[test]
fn the_result_is_readable_text() {
    let folder = folder();
    let Finished { code, stdout, stderr } = cluster(folder.path(), &["people", "--cut", "0", "--out", "new/out"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    for text in [
        "18 faces on 18 photos, 18 people by tiny; ",
        "on one photo only: 18 people",
        "agreement with the 6 folders: B-cubed F",
        "faces cropped: 18",
        "open new/out/index.html in a browser",
    ] {
        assert!(stdout.contains(text), "{text}: {stdout}");
    }
    // Without groups of several images there is no folder `people`.
    assert_eq!(
        names(&folder.path().join("new/out")),
        ["alone", "clusters.csv", "index.html"].map(str::to_owned).into()
    );
    assert_eq!(names(&folder.path().join("new/out/alone")).len(), 18);
}

#[test]
fn unreadable_images_are_listed_and_the_others_grouped() {
    let folder = folder();
    let odd = "p1/odd, \"name\".png";
    fs::copy(folder.path().join("people/p1/1.png"), folder.path().join("people").join(odd)).unwrap();
    fs::write(folder.path().join("people/p2/broken.jpg"), "not an image").unwrap();
    fs::write(folder.path().join("people/p3/notes.txt"), "not an image file").unwrap();
    let finished = cluster(folder.path(), &["people", "--cut", "1", "--out", "out", "--json"]);
    assert!(finished.stderr.starts_with("error: 1 of 20 photos or folders could not be read"), "{finished:?}");
    let result = finished.json(1);
    assert_eq!((&result["photos"], &result["other_files"]), (&json!(19), &json!(1)));
    assert_eq!(result["unread"].as_array().unwrap().len(), 1);
    assert_eq!(result["unread"][0]["photo"], "p2/broken.jpg");
    let out = folder.path().join("out");
    let mut placed = placed(&out.join("people"));
    placed.append(&mut names(&out.join("alone")));
    assert_eq!((placed.len(), placed.contains("p1 - odd, _name_.png")), (19, true), "{placed:?}");
    let table = fs::read_to_string(out.join("clusters.csv")).unwrap();
    assert!(table.contains("\n\"p1/odd, \"\"name\"\".png\",") && table.contains("\np2/broken.jpg,,,,"), "{table}");
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("Not read: 1 file or folder") && page.contains("broken.jpg"));
}

#[test]
fn a_folder_of_broken_images_has_no_groups() {
    let folder = folder();
    fs::create_dir(folder.path().join("broken")).unwrap();
    fs::write(folder.path().join("broken/1.png"), "not an image").unwrap();
    for arguments in
        [&["--method", "ward", "--people", "1"][..], &["--people", "1"], &["--method", "dbscan", "--cut", "1"]]
    {
        let result = cluster(folder.path(), &[&["broken", "--json"], arguments].concat()).json(1);
        assert_eq!((&result["clusters"], &result["unread"][0]["photo"]), (&json!([]), &json!("1.png")));
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir(path.join("full")).unwrap();
    fs::write(path.join("full/file"), "mine").unwrap();
    fs::create_dir(path.join("empty")).unwrap();
    fs::create_dir(path.join("none")).unwrap();
    let before = names(path);
    for (arguments, says) in [
        (&["people", "--cut", "1", "--out", "full"][..], "full is not empty"),
        (&["people", "--cut", "1", "--out", "full/file"], "full/file"),
        (&["people", "--cut", "1", "--out", "people"], "is inside"),
        (&["people", "--cut", "1", "--out", "people/p1/../new"], "is inside"),
        (&[".", "--cut", "1"], "is inside"),
        (&["people", "--people", "19", "--out", "new"], "18 faces can't be 19 people"),
        (&["none", "--cut", "1", "--out", "new"], "no photos below none"),
        (&["nowhere", "--cut", "1", "--out", "new"], "nowhere"),
        (&["tiny.toml", "--cut", "1", "--out", "new"], "tiny.toml"),
    ] {
        let Finished { code, stdout, stderr } = cluster(path, arguments);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says) && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
    let mut after = names(path);
    assert!(after.remove("data-home"), "the embeddings of a command that failed later are cached");
    assert_eq!(after, before);
    assert_eq!(names(&path.join("full")).len(), 1);
    assert_eq!(cluster(path, &["people", "--cut", "1", "--out", "empty"]).code, Some(0));
    assert!(path.join("empty/index.html").is_file());
}

#[test]
fn the_default_cut_is_that_of_the_calibration() {
    let folder = folder();
    let checkpoint = folder.path().join("trained/checkpoint.safetensors");
    let trained = read_checkpoint(&checkpoint).unwrap();
    for (threshold, expected) in [(1.5, 1.2), (0.1, 0.0), (7.0, 4.0)] {
        let calibration = Calibration { threshold, slope: 20.0_f64.ln() / 0.3 };
        let calibrated =
            facenet_network::Checkpoint { calibration: Some(calibration_text(&calibration)), ..trained.clone() };
        write_checkpoint(&checkpoint, &calibrated).unwrap();
        let result = cluster(folder.path(), &["people", "--json"]).json(0);
        let cut = result["cut"].as_f64().unwrap();
        assert!((cut - expected).abs() < 1e-6, "{cut} for {expected}, where the likelihood ratio is 20");
    }
    write_checkpoint(&checkpoint, &facenet_network::Checkpoint { calibration: None, ..trained }).unwrap();
    let before = names(&folder.path().join("runs/cluster"));
    let Finished { code, stdout, stderr } = cluster(folder.path(), &["people", "--json"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("--people K") && stderr.contains("--cut D"), "{stderr}");
    assert_eq!(names(&folder.path().join("runs/cluster")), before);
}
