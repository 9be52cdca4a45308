//! The command `download` against a local server; no other connection is made.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use facenet_download::{Source, file_set, install};
use facenet_tests::{Finished, Program, Server, data, olivetti_file, olivetti_gray, respond, serve};
use facenet_training::{DatasetLoader, DatasetSource};
use serde_json::Value;
use sha2::{Digest, Sha256};

const LFW_FILES: [&str; 9] = [
    "lfw.tgz",
    "pairs.txt",
    "pairsDevTrain.txt",
    "pairsDevTest.txt",
    "people.txt",
    "peopleDevTrain.txt",
    "peopleDevTest.txt",
    "lfw-names.txt",
    "lfw_landmark.txt",
];

/// The command; connections other than to localhost go to a proxy that does not exist.
fn command(folder: &Path, arguments: &[&str]) -> std::process::Command {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut command = Program::new(env!("CARGO_BIN_EXE_xtask"), folder).command(arguments);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(name.to_ascii_lowercase()).env(name, &nobody);
    }
    command.env_remove("no_proxy").env("NO_PROXY", "127.0.0.1");
    command
}

fn download(folder: &Path, arguments: &[&str]) -> Finished {
    Finished::from(command(folder, &[&["download"], arguments].concat()).output().unwrap())
}

/// The one line that `--json` prints.
fn json(finished: &Finished) -> Value {
    assert_eq!((finished.stdout.lines().count(), finished.stdout.ends_with('\n')), (1, true), "{finished:?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

fn states(report: &Value) -> Vec<(&str, &str)> {
    report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["name"].as_str().unwrap(), file["state"].as_str().unwrap()))
        .collect()
}

#[test]
fn offline_says_what_is_missing_and_where_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let finished = download(folder.path(), &["lfw", "--offline", "--data", "sets"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stderr, "error: 9 of 9 files of lfw are missing\n");
    for part in [
        "Labeled Faces in the Wild",
        "missing     sets/lfw/images\n",
        "lfw.tgz: 180,566,744 bytes, sha256 055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0\n",
        "  from https://ndownloader.figshare.com/files/5976018\n",
        "  to   sets/downloads/lfw.tgz\n",
        "  to   sets/lfw/protocol/pairsDevTest.txt\n",
        "  to   sets/lfw/lfw_landmark_5pt_mtcnn_raw250.txt\n",
        "/umass-vis-lfw.github.io/2a620cd8cceb10430f8c7012fe9fa5f0837759e9/pairs.txt\n",
    ] {
        assert!(finished.stdout.contains(part), "{part} in {}", finished.stdout);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");

    let finished = download(folder.path(), &["olivetti", "--offline", "--json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let report = json(&finished);
    assert_eq!((&report["dataset"], &report["folder"]), (&"olivetti".into(), &"data/olivetti".into()));
    assert_eq!((&report["complete"], &report["files"][0]["bytes"]), (&false.into(), &Value::Null));
    assert!(report["terms"].as_str().unwrap().contains("AT&T Laboratories Cambridge"));
    assert_eq!(states(&report), [("olivettifaces.mat", "missing")]);
    assert_eq!(report["files"][0]["path"], "data/olivetti");
    assert_eq!(report["files"][0]["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn offline_says_where_weights_are_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let finished = download(folder.path(), &["weights/landmarks-regression-retail-0009", "--offline"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stderr, "error: 2 of 2 files of weights/landmarks-regression-retail-0009 are missing\n");
    for part in [
        "Open Model Zoo (Intel): Apache-2.0\n\nmissing ",
        "landmarks-regression-retail-0009.bin: 762,464 bytes, sha256 743d6045",
        "/libovface/00b553845ff3e69e4559f6d9946f2a74c223afab/models/landmarks-regression-retail-0009.bin\n",
        "  from https://storage.openvinotoolkit.org/",
        "  to   data/weights/landmarks-regression-retail-0009/landmarks-regression-retail-0009.xml\n",
    ] {
        assert!(finished.stdout.contains(part), "{part} in {}", finished.stdout);
    }
    let finished = download(folder.path(), &["weights/mobilefacenet_y1", "--offline", "--json"]);
    let report = json(&finished);
    assert_eq!(
        (&report["dataset"], &report["folder"]),
        (&"weights/mobilefacenet_y1".into(), &"data/weights/mobilefacenet_y1".into())
    );
    assert!(report["terms"].as_str().unwrap().contains("non-commercial research"));
    assert_eq!(states(&report), [("model-y1-0000.xml", "missing"), ("model-y1-0000.bin", "missing")]);
    let finished = download(folder.path(), &["weights/mobilefacenet_y1", "--offline"]);
    assert!(!finished.stdout.contains("next: "), "{finished:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn weights_come_from_a_mirror_and_are_imported() {
    for (name, next) in [
        ("weights/mobilefacenet_y1", Some("data/weights/mobilefacenet_y1/model-y1-0000.xml")),
        (
            "weights/face-reidentification-retail-0095",
            Some("data/weights/face-reidentification-retail-0095/face-reidentification-retail-0095.xml"),
        ),
        ("weights/landmarks-regression-retail-0009", None),
    ] {
        let Some(weights) = data(name) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(move |request, stream| {
            serve(request, stream, &fs::read(weights.join(&request.path["/nets/".len()..]))?)
        });
        let arguments = [name, "--mirror", &server.address("nets")];
        let end = match next {
            Some(path) => format!("\n{name} is complete\nnext: cargo xtask evaluate lfw --weights {path}\n"),
            None => format!("\n{name} is complete\n"),
        };
        for state in ["downloaded", "present"] {
            let finished = download(folder.path(), &arguments);
            assert_eq!(finished.code, Some(0), "{finished:?}");
            assert_eq!(finished.stdout.matches(&format!("\n{state} ")).count(), 2, "{finished:?}");
            assert!(finished.stdout.ends_with(&end), "{finished:?}");
            assert_eq!(server.requests().len(), 2, "present files are not requested again");
        }
        let Some(path) = next else { continue };
        let imported = command(folder.path(), &["import", path, "--out", "imported"]).output().unwrap();
        assert_eq!(Finished::from(imported).code, Some(0));
    }
}

#[test]
fn data_sets_go_where_other_commands_look() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &["download", "olivetti", "--offline"]).env("FACENET_DATA", "there").output();
    assert!(Finished::from(output.unwrap()).stdout.contains("  to   there/downloads/olivettifaces.mat\n"));
    for (dataset, advice) in [
        ("olivetti", "cargo xtask download olivetti"),
        ("orl", "cargo xtask download olivetti"),
        ("lfw", "cargo xtask download lfw"),
    ] {
        let finished = Finished::from(command(folder.path(), &["run", "--dataset", dataset]).output().unwrap());
        assert_eq!(finished.code, Some(1));
        assert!(finished.stderr.contains(advice), "{}", finished.stderr);
    }
}

#[test]
fn olivetti_loads_from_where_it_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    let file = olivetti_file(400);
    let mut set = file_set("olivetti").unwrap();
    set.files[0].sha256 = format!("{:x}", Sha256::digest(&file));
    fs::create_dir(folder.path().join("downloads")).unwrap();
    fs::write(folder.path().join("downloads/olivettifaces.mat"), file).unwrap();
    install(&set, folder.path(), &Source::Disk, &mut |_| {}).1.unwrap();

    let dataset = DatasetLoader::new(&DatasetSource::Olivetti, [64, 64]).data(folder.path()).load().unwrap();
    assert_eq!(dataset.training.faces.dim(), (260, 64, 64, 3));
    assert_eq!((dataset.unseen.people[0].as_str(), dataset.unseen.images[9].as_str()), ("s31", "s31/10.png"));
    // Image 10 of person 31 is column 310.
    assert_eq!(dataset.unseen.faces[[9, 3, 60, 1]], olivetti_gray(309, 3, 60));
}

#[test]
fn wrong_use_ends_with_two() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["orl"],
        &["weights"],
        &["weights/"],
        &["weights/../lfw"],
        &["lfw", "olivetti"],
        &["lfw", "--mirror"],
        &["lfw", "--mirror", "ftp://127.0.0.1/"],
        &["lfw", "--mirror", "http://"],
        &["lfw", "--mirror", "http://127.0.0.1/", "--offline"],
    ] {
        let finished = download(folder.path(), arguments);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{arguments:?}: {finished:?}");
    }
    let finished = download(folder.path(), &["weights/facenet"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    for name in ["lfw-funneled", "olivetti", "weights/mobilefacenet_y1"] {
        assert!(finished.stderr.contains(name), "{name} in {}", finished.stderr);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn wrong_bytes_from_a_mirror_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|request, stream| serve(request, stream, b"not what was asked for"));
    let finished = download(folder.path(), &["olivetti", "--json", "--mirror", &server.address("faces/")]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(states(&json(&finished)), [("olivettifaces.mat", "missing")]);
    assert_eq!(server.requests()[0].path, "/faces/olivettifaces.mat");
    for part in [
        "olivetti: 1 file to download, about 4,000,000 bytes\n",
        "error: can't download olivettifaces.mat",
        &server.address("faces/olivettifaces.mat: wrong bytes"),
        "https://ndownloader.figshare.com/files/5976027: ",
        "https://api.figshare.com/v2/file/download/5976027: ",
        "https://cs.nyu.edu/~roweis/data/olivettifaces.mat: ",
        "help: run the command again later to resume, name another source with --mirror URL, or put the file (sha256 b612fb",
        "data/downloads/olivettifaces.mat",
    ] {
        assert!(finished.stderr.contains(part), "{part} in {}", finished.stderr);
    }
    assert_eq!(finished.stderr.matches("can't download").count(), 1, "said once: {}", finished.stderr);
    assert!(!finished.stderr.contains('\u{1b}'), "no bars outside a terminal");
    let left: Vec<_> =
        fs::read_dir(folder.path().join("data/downloads")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
    assert!(!folder.path().join("data/olivetti").exists());
}

#[test]
fn lists_are_downloaded_once_from_a_mirror() {
    let Some(lfw) = data("lfw") else { return };
    let folder = tempfile::tempdir().unwrap();
    // Other images: the lists fit other crops as well.
    fs::create_dir_all(folder.path().join("data/lfw/images/Ann")).unwrap();
    let server = Server::start(move |request, stream| {
        let path = match request.path.as_str() {
            "/lfw_landmark.txt" => lfw.join("lfw_landmark_5pt_mtcnn_raw250.txt"),
            list => lfw.join("protocol").join(&list[1..]),
        };
        serve(request, stream, &fs::read(path)?)
    });
    let address = server.address("");
    let finished = download(folder.path(), &["lfw", "--json", "--mirror", &address]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let report = json(&finished);
    let expected =
        |rest: &'static str| LFW_FILES.map(|name| (name, if name == "lfw.tgz" { "unverified" } else { rest }));
    assert_eq!(states(&report), expected("downloaded"));
    assert_eq!(report["complete"], true);
    let mut asked: Vec<String> = server.requests().into_iter().map(|request| request.path[1..].to_owned()).collect();
    asked.sort();
    let mut names = LFW_FILES[1..].to_vec();
    names.sort_unstable();
    assert_eq!(asked, names);

    for arguments in [&["lfw", "--json", "--mirror", &address][..], &["lfw", "--json", "--offline"], &["lfw", "--json"]]
    {
        let finished = download(folder.path(), arguments);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{finished:?}");
        assert_eq!(states(&json(&finished)), expected("present"));
    }
    assert_eq!(server.requests().len(), 8);
    let finished = download(folder.path(), &["lfw"]);
    assert!(finished.stdout.contains("unverified  data/lfw/images: no download has made this folder"), "{finished:?}");
    assert!(finished.stdout.ends_with("\nnothing of lfw is missing\n"), "{finished:?}");

    // A changed list is reported and kept.
    let list = folder.path().join("data/lfw/protocol/people.txt");
    fs::write(&list, "1\nAnn\t1\n").unwrap();
    let finished = download(folder.path(), &["lfw", "--json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains(
            "people.txt is not the published people.txt: it has 8 bytes\nhelp: move the file away and run the command again"
        ),
        "{finished:?}"
    );
    assert_eq!(states(&json(&finished))[4], ("people.txt", "missing"));
    assert_eq!(states(&json(&finished))[5], ("peopleDevTrain.txt", "present"));
    assert_eq!(fs::read(list).unwrap(), b"1\nAnn\t1\n");
}

#[test]
fn a_killed_download_is_resumed() {
    let Some(lfw) = data("lfw/protocol") else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("data/lfw/images/Ann")).unwrap();
    // Half of a list, then a pause.
    let pairs = fs::read(lfw.join("pairs.txt")).unwrap();
    let half = pairs.len() / 2;
    let slow = Server::start(move |_, stream| {
        respond(stream, "200 OK", &["Content-Length: 155335"], &pairs[..half])?;
        thread::sleep(Duration::from_secs(10));
        Ok(())
    });
    let mut child = command(folder.path(), &["download", "lfw", "--mirror", &slow.address("")]).spawn().unwrap();
    let part = folder.path().join("data/lfw/protocol/pairs.txt.part");
    let start = Instant::now();
    while fs::metadata(&part).map_or(0, |part| part.len()) < half as u64 {
        assert!(start.elapsed() < Duration::from_secs(10), "nothing arrives");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.path().join("data/lfw/protocol/pairs.txt").exists());

    let server = Server::start(move |request, stream| match fs::read(lfw.join(&request.path[1..])) {
        Ok(list) => serve(request, stream, &list),
        Err(_) => respond(stream, "404 Not Found", &["Content-Length: 0"], &[]),
    });
    let finished = download(folder.path(), &["lfw", "--mirror", &server.address("")]);
    assert_eq!(server.starts()[0], Some(half));
    assert!(folder.path().join("data/lfw/protocol/pairs.txt").is_file() && !part.exists());
    // This server has no landmarks.
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("can't download lfw_landmark.txt"), "{finished:?}");
}
