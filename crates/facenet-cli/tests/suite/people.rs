//! Commands on images of real people, with the default networks.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_tests::{Browser, Finished, Program, Theme, data};
use serde_json::{Value, json};

/// The data folder and `images` in it, if these and the default networks are installed.
fn root_and(images: &str) -> Option<(PathBuf, PathBuf)> {
    for weights in ["face-reidentification-retail-0095", "landmarks-regression-retail-0009"] {
        data(&format!("weights/{weights}/{weights}.xml"))?;
    }
    Some((data("")?, data(images)?))
}

/// Runs a command with the networks of a data folder.
fn facenet(folder: &Path, root: &Path, arguments: &[&str]) -> Finished {
    let data = ["--data", root.to_str().unwrap(), "--json"];
    Program::new(env!("CARGO_BIN_EXE_facenet"), folder).run([arguments, &data].concat())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

/// Checks the layout of a contact sheet.
const LOOK: &str = r"
    const wrong = [];
    for (const details of document.querySelectorAll('details')) details.open = true;
    if (document.documentElement.scrollWidth > innerWidth + 1)
        wrong.push(`wider than the window: ${document.documentElement.scrollWidth} of ${innerWidth}`);
    for (const image of document.images) {
        const box = image.getBoundingClientRect();
        if (!image.complete || image.naturalWidth === 0 || !image.alt || box.width < 20 || box.right > innerWidth)
            wrong.push(`image ${image.alt}`);
    }
    return JSON.stringify({ wrong, images: document.images.length });
";

#[test]
fn ten_people_are_grouped() {
    let Some((root, images)) = root_and("photos/krasserm_lfw10") else { return };
    let folder = tempfile::tempdir().unwrap();
    let finished = facenet(folder.path(), &root, &["cluster", images.to_str().unwrap(), "--out", "out"]);
    let result = finished.json(0);
    assert_eq!(finished.stderr, "");
    let f = number(&result["agreement_with_folders"]["bcubed_f"]);
    println!("B-cubed F {f} at {}, {} groups", result["cut"], result["cluster_count"]);
    assert!(f >= 0.97, "{f}");
    assert_eq!(result["pictures"], 100);
    // The instability of one of the faces is near the limit.
    let located = |how: &str| result["framings"][how].as_u64().unwrap();
    assert_eq!(located("landmark_network") + located("center_crop"), 100);
    assert!(located("landmark_network") >= 99, "{}", result["framings"]);

    let Some(browser) = Browser::find() else { return };
    for theme in [Theme::Light, Theme::Dark] {
        for size in [[1200, 1600], [500, 900]] {
            let seen = browser.evaluate(&folder.path().join("out/index.html"), size, theme, LOOK);
            let seen: Value = serde_json::from_str(&seen).unwrap();
            assert_eq!(seen["wrong"], json!([]), "{theme:?} {size:?}");
            assert!(seen["images"].as_u64().unwrap() >= 100);
        }
    }
}

#[test]
fn pairs_of_photos_are_verified() {
    let Some((root, photos)) = root_and("photos/openface/images/examples") else { return };
    let folder = tempfile::tempdir().unwrap();
    let verify = |one: &str, other: &str| {
        let [one, other] = [one, other].map(|name| photos.join(name).with_extension("jpg"));
        facenet(folder.path(), &root, &["verify", one.to_str().unwrap(), other.to_str().unwrap()]).json(0)
    };
    for (one, other, same) in [
        ("lennon-1", "lennon-2", true),
        ("clapton-1", "clapton-2", true),
        ("clapton-1", "lennon-2", false),
        ("adams", "carell", false),
    ] {
        let result = verify(one, other);
        assert_eq!(result["same"], same, "{result}");
        assert!(number(&result["confidence"]) > 0.9, "{result}");
        for image in result["pictures"].as_array().unwrap() {
            assert_eq!((&image["framing"], &image["doubt"]), (&json!("landmark_network"), &Value::Null), "{result}");
        }
    }
    let result = verify("adams", "longoria-cooper");
    let warnings = [0, 1].map(|image| result["pictures"][image]["doubt"].as_str());
    assert_eq!(warnings[0], None);
    assert!(warnings[1].is_some_and(|warning| warning.contains("2 faces")), "{result}");
}

#[test]
fn faces_are_detected() {
    let Some(_) = data("weights/yunet_n/yunet_n.pth") else { return };
    let (Some(root), Some(photos)) = (data(""), data("photos/openface/images/examples")) else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.jpg"), "not an image").unwrap();
    let names = ["lennon-1.jpg", "longoria-cooper.jpg"].map(|name| photos.join(name).to_str().unwrap().to_owned());
    let finished = facenet(folder.path(), &root, &["detect", &names[0], "broken.jpg", &names[1]]);
    assert!(finished.stderr.contains("1 of 3 photos could not be read"), "{finished:?}");
    let result = finished.json(1);
    assert_eq!(result["unread"][0]["photo"], "broken.jpg");
    let found = result["photos"].as_array().unwrap();
    let faces: Vec<usize> = found.iter().map(|photo| photo["faces"].as_array().unwrap().len()).collect();
    assert_eq!(faces, [1, 2], "{result}");
    for (photo, name) in found.iter().zip(&names) {
        assert_eq!(photo["photo"], **name);
        let [width, height] = ["width", "height"].map(|side| number(&photo[side]));
        for face in photo["faces"].as_array().unwrap() {
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|edge| number(&face["box"][edge]));
            assert!(number(&face["score"]) > 0.7, "{face}");
            assert!(right - left > 30.0 && left > -10.0 && right < width + 10.0, "{face}");
            assert!(top > -10.0 && bottom < height + 10.0, "{face}");
            for point in face["landmarks"].as_array().unwrap() {
                let [x, y] = [0, 1].map(|axis| number(&point[axis]));
                assert!((left..right).contains(&x) && (top..bottom).contains(&y), "{face}");
            }
        }
    }
    assert_eq!(facenet(folder.path(), &root, &["detect", &names[0], "--min-score", "1"]).code, Some(2));
    let none = facenet(folder.path(), &root, &["detect", &names[0], "--min-score", "0.99"]).json(0);
    assert_eq!(none["photos"][0]["faces"], json!([]));
}

/// Links to the first six images of LFW's people with at least ten: the first image of each in `enrolled`,
/// the others in `probes`, all in `all`. Returns the number of images.
#[cfg(unix)]
fn link_people(images: &Path, folder: &Path) -> usize {
    let mut count = 0;
    for person in fs::read_dir(images).unwrap().map(|person| person.unwrap()) {
        let mut files: Vec<PathBuf> = fs::read_dir(person.path()).unwrap().map(|image| image.unwrap().path()).collect();
        if files.len() < 10 {
            continue;
        }
        files.sort();
        files.truncate(6);
        count += files.len();
        for (number, file) in files.iter().enumerate() {
            for place in ["all", if number == 0 { "enrolled" } else { "probes" }] {
                let own = folder.join(place).join(person.file_name());
                fs::create_dir_all(&own).unwrap();
                std::os::unix::fs::symlink(fs::canonicalize(file).unwrap(), own.join(file.file_name().unwrap()))
                    .unwrap();
            }
        }
    }
    count
}

#[test]
#[cfg(unix)]
fn people_of_lfw_are_grouped_and_identified() {
    let Some((root, images)) = root_and("lfw/images") else { return };
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(link_people(&images, folder.path()), 948);

    let result = facenet(folder.path(), &root, &["cluster", "all", "--out", "out", "--cache", "cache"]).json(0);
    let agreement = &result["agreement_with_folders"];
    println!("{agreement} at {}, {} groups, {} s", result["cut"], result["cluster_count"], result["seconds"]);
    assert_eq!((&result["pictures"], &agreement["folders"]), (&json!(948), &json!(158)));
    assert!(number(&agreement["bcubed_f"]) >= 0.97, "{agreement}");
    assert!(number(&result["framings"]["landmark_network"]) >= 940.0, "{}", result["framings"]);

    // All embeddings are cached.
    let finished = facenet(folder.path(), &root, &["embed", "all", "--out", "embedded", "--cache", "cache"]);
    assert_eq!(finished.json(0)["cached"], 948);

    let result = facenet(folder.path(), &root, &["identify", "enrolled", "probes", "--cache", "cache"]).json(0);
    let agreement = &result["agreement_with_folders"];
    println!("{agreement}, {} s", result["seconds"]);
    assert_eq!((&result["people"], &result["gallery_pictures"]), (&json!(158), &json!(158)));
    assert_eq!(agreement["probes"], 948 - 158);
    assert!(number(&agreement["rank1"]) >= 0.985, "{agreement}");
    // Most probes are named, and hardly any wrongly.
    assert!(number(&agreement["named_rightly"]) >= 0.9, "{agreement}");
    assert!(number(&agreement["named_wrongly"]) <= 0.01, "{agreement}");

    // With one image per person a vote is the nearest image, and its threshold that of the posterior.
    let arguments = ["identify", "enrolled", "probes", "--cache", "cache", "--neighbors", "1"];
    let vote = facenet(folder.path(), &root, &arguments).json(0);
    println!("one neighbor: {}", vote["agreement_with_folders"]);
    let names = |result: &Value| -> Vec<Value> {
        result["probes"].as_array().unwrap().iter().map(|probe| probe["person"].clone()).collect()
    };
    assert_eq!(names(&vote), names(&result));
}
