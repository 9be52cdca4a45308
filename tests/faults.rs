//! Damaged data, wrong lists, places that can't be written, interruptions: exit code 1, the path named, nothing half
//! written, no panic.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::SyntheticFaces;
use facenet_tests::{Finished, Program, TINY_RECIPE, write_people, write_picture};
use tempfile::TempDir;

/// A folder with the recipe `tiny.toml`, and `people`: six with two pictures each.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_people(&folder.path().join("people"), 6, 2);
        fs::write(folder.path().join("tiny.toml"), TINY_RECIPE).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self) -> Program {
        Program::new(env!("CARGO_BIN_EXE_xtask"), self.folder.path())
    }

    /// Both commands that read people fail, name `named` and leave nothing; the message of the last.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], named: &str) -> String {
        let messages = ["run", "train"].map(|command| {
            let defaults: &[&str] = match arguments.contains(&"--recipe") {
                true => &[command, "--out", "out", "--json"],
                false => &[command, "--out", "out", "--json", "--recipe", "tiny.toml"],
            };
            let finished = self.program().run([defaults, arguments].concat());
            assert_failed(&finished, named);
            assert_eq!(files(&self.path("out")), [""; 0], "{arguments:?}");
            finished.stderr
        });
        messages[1].clone()
    }
}

#[track_caller]
fn assert_failed(finished: &Finished, named: &str) {
    let Finished { code, stdout, stderr } = finished;
    assert_eq!((*code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(named), "{named} in {stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{stderr}");
}

/// The names in a folder, temporary ones included; none if it is not there.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_people_as_they_are_can_be_used() {
    let bench = Bench::new();
    let finished = bench.program().run(["run", "--out", "out", "--dataset", "people", "--recipe", "tiny.toml"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(files(&bench.path("out")), ["checkpoint.safetensors", "result.json"]);
}

#[test]
fn damaged_pictures() {
    let bench = Bench::new();
    let portrait = SyntheticFaces::new(1).portrait(1, 1, [40, 40]);
    let jpeg = bench.path("whole.jpg");
    write_picture(&jpeg, &portrait);
    let jpeg = fs::read(jpeg).unwrap();
    let png = bench.path("whole.png");
    write_picture(&png, &portrait);
    let mut png = fs::read(png).unwrap();
    claim_size(&mut png, 60_000);
    // Pictures of training, of validation and of unseen people.
    for (person, name, content, message) in [
        ("p1", "3.jpg", jpeg[..jpeg.len() / 2].to_vec(), "is truncated"),
        ("p2", "3.jpg", jpeg[..jpeg.len() - 1].to_vec(), "is truncated"),
        ("p4", "3.jpg", b"Not a picture, but a letter.\n".to_vec(), "is not a JPEG, PNG or PNM picture"),
        ("p6", "3.jpg", Vec::new(), "is empty"),
        ("p6", "3.png", png, "claims 60000 x 60000 pixels"),
        ("p1", "3.pnm", b"P6 60000 60000 255\n".to_vec(), "claims 60000 x 60000 pixels"),
        ("p3", "3.ppm", b"P6 20 18 255\nfew".to_vec(), "is truncated"),
    ] {
        let path = format!("people/{person}/{name}");
        fs::write(bench.path(&path), content).unwrap();
        let stderr = bench.refuses(&["--dataset", "people"], &path);
        assert!(stderr.contains(message), "{message} in {stderr}");
        fs::remove_file(bench.path(&path)).unwrap();
    }
}

/// Makes a PNG file claim so many rows and columns.
fn claim_size(png: &mut [u8], side: u32) {
    png[16..20].copy_from_slice(&side.to_be_bytes());
    png[20..24].copy_from_slice(&side.to_be_bytes());
    // The checksum that ends each chunk (ISO 3309), here over its name, the two sides and five bytes more.
    let checksum = !png[12..29].iter().fold(u32::MAX, |checksum, &byte| {
        (0..8).fold(checksum ^ u32::from(byte), |bits, _| (bits >> 1) ^ (0xedb8_8320 & (bits & 1).wrapping_neg()))
    });
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
}

#[test]
fn folders_that_are_no_set_of_people() {
    let bench = Bench::new();
    fs::create_dir(bench.path("people/p7")).unwrap();
    let stderr = bench.refuses(&["--dataset", "people"], "people/p7");
    assert!(stderr.contains("holds no pictures"), "{stderr}");

    write_people(&bench.path("one"), 1, 9);
    let stderr = bench.refuses(&["--dataset", "one"], "one has 1 people");
    assert!(stderr.contains("at least 6 are needed"), "{stderr}");
    fs::create_dir(bench.path("nobody")).unwrap();
    bench.refuses(&["--dataset", "nobody"], "nobody holds no people");
    bench.refuses(&["--dataset", "absent"], "there is no folder absent");
    bench.refuses(&["--dataset", "tiny.toml"], "there is no folder tiny.toml");
}

#[test]
fn absent_data() {
    let bench = Bench::new();
    for (dataset, folder) in [("orl", "orl/data_faces"), ("lfw", "lfw/images")] {
        let stderr = bench.refuses(&["--dataset", dataset, "--data", "absent"], &format!("absent/{folder}"));
        assert!(stderr.contains("FACENET_DATA") && stderr.contains("--dataset synthetic"), "{stderr}");
        bench.refuses(&["--dataset", dataset], &format!("data/{folder}"));
    }
    write_people(&bench.path("few/orl/data_faces"), 6, 2);
    let stderr = bench.refuses(&["--dataset", "orl", "--data", "few"], "few/orl/data_faces");
    assert!(stderr.contains("holds 6 people, not 40"), "{stderr}");
}

#[test]
fn wrong_lists() {
    let bench = Bench::new();
    let (images, lists) = (bench.path("lfw/images"), bench.path("lfw/protocol"));
    fs::create_dir_all(&lists).unwrap();
    for (person, name) in ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay"].into_iter().enumerate() {
        fs::create_dir_all(images.join(name)).unwrap();
        for picture in 1..=2 {
            let portrait = SyntheticFaces::new(1).portrait(person as u64, picture, [160, 160]);
            write_picture(&images.join(name).join(format!("{name}_000{picture}.jpg")), &portrait);
        }
    }
    let right = [
        ("peopleDevTrain.txt", "4\nAnn\t2\nBob\t2\nCid\t2\nDan\t2\n"),
        ("peopleDevTest.txt", "2\nEve\t2\nFay\t2\n"),
        ("pairsDevTest.txt", "1\nEve\t1\t2\nFay\t2\tEve\t1\n"),
    ];
    let reset = || right.iter().for_each(|(list, text)| fs::write(lists.join(list), text).unwrap());
    let lfw = ["--dataset", "lfw", "--data", "."];
    reset();
    let finished = bench.program().run([&["train", "--out", "fine", "--recipe", "tiny.toml"], &lfw[..]].concat());
    assert_eq!(finished.code, Some(0), "the lists as they should be: {finished:?}");

    for (list, text, named, message) in [
        ("peopleDevTrain.txt", "Ann\t2\n", "peopleDevTrain.txt:1", "expected a header"),
        ("peopleDevTrain.txt", "5\nAnn\t2\nBob\t2\nCid\t2\nDan\t2\n", "peopleDevTrain.txt:1", "promises 5"),
        ("peopleDevTrain.txt", "4\nAnn\t2\nBob\t3\nCid\t2\nDan\t2\n", "Bob_0003.jpg", "peopleDevTrain.txt:3"),
        ("peopleDevTrain.txt", "1\nAnn\t2\n", "peopleDevTrain.txt", "one person only"),
        ("peopleDevTest.txt", "2\nEve\t2\nGil\t1\n", "Gil_0001.jpg", "peopleDevTest.txt:3"),
        ("peopleDevTest.txt", "two\nEve\t2\nFay\t2\n", "peopleDevTest.txt:1", "expected a header"),
        ("pairsDevTest.txt", "Eve\t1\t2\nFay\t2\tEve\t1\n", "pairsDevTest.txt:1", "expected a header"),
        ("pairsDevTest.txt", "2\nEve\t1\t2\nFay\t2\tEve\t1\n", "pairsDevTest.txt:1", "promises 4"),
        ("pairsDevTest.txt", "1\nEve\t1\t3\nFay\t2\tEve\t1\n", "pairsDevTest.txt:2", "picture 3 of Eve"),
        ("pairsDevTest.txt", "1\nEve\t1\t2\nFay\t2\tAnn\t1\n", "pairsDevTest.txt:3", "picture 1 of Ann"),
    ] {
        fs::write(lists.join(list), text).unwrap();
        let stderr = bench.refuses(&lfw, named);
        assert!(stderr.contains(message), "{message} in {stderr}");
        reset();
    }
    fs::remove_file(lists.join("pairsDevTest.txt")).unwrap();
    bench.refuses(&lfw, "pairsDevTest.txt");
}

#[test]
fn places_that_can_not_be_written() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "mine").unwrap();
    for out in ["file", "file/below"] {
        for command in ["run", "train"] {
            let arguments = [command, "--out", out, "--dataset", "people", "--recipe", "tiny.toml"];
            assert_failed(&bench.program().run(arguments), out);
        }
    }
    assert_eq!(fs::read(bench.path("file")).unwrap(), b"mine");
    // A folder where the checkpoint should be.
    fs::create_dir_all(bench.path("taken/checkpoint.safetensors")).unwrap();
    let arguments = ["train", "--out", "taken", "--dataset", "people", "--recipe", "tiny.toml"];
    assert_failed(&bench.program().run(arguments), "taken/checkpoint.safetensors");
    assert_eq!(files(&bench.path("taken")), ["checkpoint.safetensors"]);
    assert_eq!(files(&bench.path("taken/checkpoint.safetensors")), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_read_only() {
    use std::os::unix::fs::PermissionsExt;

    let bench = Bench::new();
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(out.join("probe"), "").is_ok() {
        println!("skipped: this user may write to read-only folders");
        return;
    }
    bench.refuses(&["--dataset", "people"], "out/checkpoint.safetensors");
}

#[test]
fn files_to_go_on_from_that_are_none() {
    let bench = Bench::new();
    fs::write(bench.path("garbage"), "no checkpoint at all").unwrap();
    let finished = bench.program().run(["train", "--out", "whole", "--dataset", "people", "--recipe", "tiny.toml"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let whole = fs::read(bench.path("whole/checkpoint.safetensors")).unwrap();
    fs::write(bench.path("truncated"), &whole[..whole.len() / 2]).unwrap();
    // A network for use, without the state of its training.
    let mut trained = facenet::read_checkpoint(&bench.path("whole/checkpoint.safetensors")).unwrap();
    trained.training = None;
    facenet::write_checkpoint(&bench.path("trained"), &trained).unwrap();
    for name in ["garbage", "truncated", "trained", "absent", "people"] {
        let finished = bench.program().run(["train", "--out", "out", "--dataset", "people", "--resume", name]);
        assert_failed(&finished, name);
        assert_eq!(files(&bench.path("out")), [""; 0], "{name}");
    }
}

#[test]
fn recipes_that_are_none() {
    let bench = Bench::new();
    for (text, message) in [
        ("steps: 3".to_owned(), "not a recipe"),
        (String::new(), "missing field"),
        (TINY_RECIPE.replace("margin = 0.2", "margin = nan"), "margin is NaN"),
        (TINY_RECIPE.replace("steps = 6", "steps = 6\nstep = 6"), "`step`"),
        (TINY_RECIPE.replace("steps = 6", "steps = 0"), "steps is 0"),
        (TINY_RECIPE.replacen("kernel = 3", "kernel = 99", 1), "a window of 99"),
        (TINY_RECIPE.replace("embedding = 8", "embedding = 0"), "embedding"),
    ] {
        fs::write(bench.path("bad.toml"), text).unwrap();
        let stderr = bench.refuses(&["--dataset", "people", "--recipe", "bad.toml"], "bad.toml");
        assert!(stderr.contains(message), "{message} in {stderr}");
    }
    bench.refuses(&["--dataset", "people", "--recipe", "absent.toml"], "absent.toml");
    // Recipes that are right, but not for these people.
    let crop = format!("crop = {{ rectangle = {{ left = 9, top = 0, width = 10, height = 10 }} }}\n{TINY_RECIPE}");
    fs::write(bench.path("bad.toml"), crop).unwrap();
    bench.refuses(&["--dataset", "people", "--recipe", "bad.toml"], "people/p1/1.png");
}

/// Ctrl-C ends training after the step; its checkpoint is whole, and training goes on from there.
#[cfg(unix)]
#[test]
fn interruptions() {
    use std::process::Command;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    let bench = Bench::new();
    for command in ["train", "run"] {
        let checkpoint = bench.path(command).join("checkpoint.safetensors");
        let arguments = [command, "--out", command, "--dataset", "people", "--recipe", "tiny.toml"];
        let child = bench.program().command([&arguments[..], &["--steps", "1000000000"]].concat()).spawn().unwrap();
        let start = Instant::now();
        while !checkpoint.exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "no checkpoint");
            sleep(Duration::from_millis(10));
        }
        assert!(Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap().success());
        let Finished { code, stdout, stderr } = Finished::wait(child, Duration::from_secs(60));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        let named = format!("{command}/checkpoint.safetensors is written");
        assert!(stderr.contains("error: interrupted after ") && stderr.contains(&named), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert_eq!(files(&bench.path(command)), ["checkpoint.safetensors"], "no result, nothing half written");

        let bytes = fs::read(&checkpoint).unwrap();
        facenet::Embedder::from_checkpoint(&bytes).unwrap();
        let step = facenet::read_checkpoint(&checkpoint).unwrap().training.unwrap().step;
        assert!(stderr.contains(&format!("interrupted after {step} steps;")), "{step}: {stderr}");

        let arguments = ["train", "--out", command, "--dataset", "people", "--minutes", "0.0001", "--json"];
        let resume = checkpoint.to_str().unwrap();
        let finished = bench.program().run([&arguments[..], &["--resume", resume]].concat());
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let result: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(result["stopped_by"], "minutes");
        assert!(result["train"]["steps"].as_u64().unwrap() > step, "{result}");
    }
}
