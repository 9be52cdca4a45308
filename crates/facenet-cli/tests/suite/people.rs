//! Commands on images of real people, with the default networks.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::read_image;
use facenet_tests::{Browser, Finished, Program, Theme, data, write_image};
use ndarray::{Array3, s};
use serde_json::{Value, json};

/// The data folder and `images` in it, if these and the default networks are installed.
fn root_and(images: &str) -> Option<(PathBuf, PathBuf)> {
    data("weights/face-reidentification-retail-0095/face-reidentification-retail-0095.xml")?;
    data("weights/yunet_n/yunet_n.pth")?;
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
    assert_eq!((&result["photos"], &result["without_faces"]), (&json!(100), &json!([])));

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
        for face in result["faces"].as_array().unwrap() {
            assert_eq!((&face["framing"], &face["doubt"]), (&json!("detector"), &Value::Null), "{result}");
        }
    }
    let result = verify("adams", "longoria-cooper");
    assert_eq!([0, 1].map(|photo| &result["photos"][photo]["faces"]), [&json!(1), &json!(2)], "{result}");
}

#[test]
fn faces_are_detected() {
    let Some(_) = data("weights/yunet_n/yunet_n.pth") else { return };
    let (Some(root), Some(photos)) = (data(""), data("photos/openface/images/examples")) else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.jpg"), "not an image").unwrap();
    let names = ["lennon-1.jpg", "longoria-cooper.jpg"].map(|name| photos.join(name).to_str().unwrap().to_owned());
    let finished = facenet(folder.path(), &root, &["detect", &names[0], "broken.jpg", &names[1]]);
    assert!(finished.stderr.contains("1 of 3 photos or folders could not be read"), "{finished:?}");
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

/// Pictures without faces: noise, flat ones, gradients, text, textures.
fn write_pictures_without_faces(folder: &Path, count: usize) -> Vec<PathBuf> {
    fs::create_dir_all(folder).unwrap();
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 40) as usize
    };
    let mut picture = |kind: usize| -> Array3<u8> {
        let (size, [a, b, c]) = ((120 + random() % 200, 120 + random() % 300, 3), [random(), random(), random()]);
        match kind {
            0 => Array3::from_shape_simple_fn(size, || random() as u8),
            1 => Array3::from_elem(size, a as u8),
            2 => {
                Array3::from_shape_fn(size, |(row, column, channel)| ((a % 3 * row + column * (channel + 1)) / 4) as u8)
            }
            3 => {
                let mut page = Array3::from_elem(size, 250);
                // Words of strokes on lines.
                for row in (8..size.0 - 12).step_by(14) {
                    let mut column = 8;
                    while column + 9 < size.1 {
                        if random() % 6 > 0 {
                            let (height, width) = (4 + random() % 6, 1 + random() % 5);
                            page.slice_mut(s![row..row + height, column..column + 1, ..]).fill(20);
                            page.slice_mut(s![row + height / 2..row + height / 2 + 1, column..column + width, ..])
                                .fill(20);
                        }
                        column += 7;
                    }
                }
                page
            }
            _ => Array3::from_shape_fn(size, |(row, column, channel)| {
                let [row, column] = [row, column].map(|at| at as f64);
                let wave = (row / (2 + b % 9) as f64).sin() * (column / (2 + c % 9) as f64 + channel as f64).cos();
                (128.0 + 100.0 * wave) as u8
            }),
        }
    };
    (0..count)
        .map(|index| {
            let path = folder.join(format!("{index}.png"));
            write_image(&path, &picture(index % 5));
            path
        })
        .collect()
}

#[test]
#[cfg(unix)]
fn pictures_without_faces_are_nobody() {
    let Some((root, images)) = root_and("photos/krasserm_lfw10") else { return };
    let folder = tempfile::tempdir().unwrap();
    let all = folder.path().join("all");
    let pictures = write_pictures_without_faces(&all.join("pictures"), 50);
    std::os::unix::fs::symlink(&images, all.join("people")).unwrap();
    let result = facenet(folder.path(), &root, &["cluster", "all", "--out", "out", "--cache", "cache"]).json(0);
    assert_eq!((&result["photos"], result["without_faces"].as_array().unwrap().len()), (&json!(150), 50));
    for face in result["faces"].as_array().unwrap() {
        assert!(face["photo"].as_str().unwrap().starts_with("people/"), "{face}");
    }
    assert_eq!(fs::read_dir(folder.path().join("out/no_face")).unwrap().count(), 50);

    let face = fs::read_dir(images.join("Ariel_Sharon")).unwrap().next().unwrap().unwrap().path();
    for (one, other) in [(&pictures[0], &pictures[5]), (&face, &pictures[1]), (&pictures[3], &face)] {
        let finished = facenet(folder.path(), &root, &["verify", one.to_str().unwrap(), other.to_str().unwrap()]);
        assert!(finished.stderr.contains("no verdict") && finished.stderr.contains("no face found"), "{finished:?}");
        let result = finished.json(1);
        assert_eq!([&result["same"], &result["confidence"], &result["faces"]], [&Value::Null; 3], "{result}");
        assert!(result["reason"].as_str().unwrap().contains(".png: no face found"), "{result}");
    }
    let probes = pictures[..5].iter().map(|path| path.to_str().unwrap());
    let arguments: Vec<&str> =
        ["identify", images.to_str().unwrap(), "--cache", "cache"].into_iter().chain(probes).collect();
    let result = facenet(folder.path(), &root, &arguments).json(0);
    assert_eq!((&result["photos"], &result["probes"]), (&json!(5), &json!([])), "{result}");
    let named = |note: &Value| note["reason"] == "no face found";
    assert_eq!(result["doubts"].as_array().unwrap().iter().filter(|note| named(note)).count(), 5, "{result}");
}

#[test]
fn faces_of_a_photo_are_named_and_drawn() {
    let Some((root, photos)) = root_and("photos/openface/images/examples") else { return };
    let folder = tempfile::tempdir().unwrap();
    let gallery = folder.path().join("gallery");
    for (person, photo) in [("Lennon", "lennon-1.jpg"), ("Clapton", "clapton-1.jpg")] {
        fs::create_dir_all(gallery.join(person)).unwrap();
        fs::copy(photos.join(photo), gallery.join(person).join("1.jpg")).unwrap();
    }
    // Both on one photo.
    let [lennon, clapton] = ["lennon-2.jpg", "clapton-2.jpg"].map(|name| read_image(&photos.join(name)).unwrap());
    let (height, width) = (lennon.dim().0.max(clapton.dim().0), lennon.dim().1 + clapton.dim().1);
    let mut group = Array3::zeros((height, width, 3));
    group.slice_mut(s![..lennon.dim().0, ..lennon.dim().1, ..]).assign(&lennon);
    group.slice_mut(s![..clapton.dim().0, lennon.dim().1.., ..]).assign(&clapton);
    write_image(&folder.path().join("group.png"), &group);

    let arguments = ["identify", "gallery", "group.png", "--draw", "drawn"];
    let result = facenet(folder.path(), &root, &arguments).json(0);
    let names = |result: &Value| -> Vec<(u64, String)> {
        let probes = result["probes"].as_array().unwrap().iter();
        probes
            .map(|probe| (probe["face"].as_u64().unwrap(), probe["person"].as_str().unwrap_or("-").to_owned()))
            .collect()
    };
    let both = [(1, "Lennon".to_owned()), (2, "Clapton".to_owned())];
    assert_eq!(names(&result), both, "{result}");
    let drawn = read_image(&folder.path().join("drawn/group.jpg")).unwrap();
    assert_eq!((drawn.dim(), &result["drawings"]), (group.dim(), &json!(["drawn/group.jpg"])));
    let left = number(&result["probes"][0]["box"][0]) as usize;
    let top = number(&result["probes"][0]["box"][1]) as usize;
    let edge =
        (left - 3..left + 3).map(|column| drawn[[top + 5, column, 1]].saturating_sub(drawn[[top + 5, column, 0]]));
    assert!(edge.max().unwrap() > 60, "a green box");
    let again = facenet(folder.path(), &root, &arguments);
    assert!(again.code == Some(1) && again.stderr.contains("drawn is not empty"), "{again:?}");

    let pick = |face: &str| {
        names(&facenet(folder.path(), &root, &["identify", "gallery", "group.png", "--face", face]).json(0))
    };
    assert_eq!((pick("2"), pick("3")), (both[1..].to_vec(), vec![]));
    assert_eq!(pick("largest").len(), 1);
    assert_eq!(facenet(folder.path(), &root, &["identify", "gallery", "group.png", "--face", "0"]).code, Some(2));
    let verify = |face: &str| {
        let photo = photos.join("clapton-1.jpg");
        facenet(folder.path(), &root, &["verify", photo.to_str().unwrap(), "group.png", "--face", face])
    };
    let found = verify("all").json(0);
    assert_eq!((&found["same"], &found["faces"][1]["face"]), (&json!(true), &json!(2)), "{found}");
    // Neither has a second face on the portrait.
    assert!(verify("2").json(1)["reason"].as_str().unwrap().contains("no face with that number"));

    let detected = facenet(folder.path(), &root, &["detect", "group.png", "--draw", "boxes"]).json(0);
    assert_eq!(detected["photos"][0]["drawing"], "boxes/group.jpg");
    assert!(number(&detected["photos"][0]["faces"][0]["quality"]["size"]) > 30.0, "{detected}");
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
    assert_eq!((&result["photos"], &agreement["folders"]), (&json!(948), &json!(158)));
    assert!(number(&agreement["bcubed_f"]) >= 0.97, "{agreement}");
    assert_eq!(result["without_faces"], json!([]));

    // All embeddings are cached.
    let finished = facenet(folder.path(), &root, &["embed", "all", "--out", "embedded", "--cache", "cache"]);
    assert_eq!(finished.json(0)["cached"], 948);

    let result = facenet(folder.path(), &root, &["identify", "enrolled", "probes", "--cache", "cache"]).json(0);
    let agreement = &result["agreement_with_folders"];
    println!("{agreement}, {} s", result["seconds"]);
    assert_eq!((&result["people"], &result["gallery_faces"]), (&json!(158), &json!(158)));
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
