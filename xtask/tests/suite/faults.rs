//! Damaged data, malformed lists, unwritable folders, interruptions: exit code 1, the path named,
//! no partial files, no panic.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::SyntheticFaces;
use facenet_tests::{Finished, Program, TINY_RECIPE, write_image, write_people};
use tempfile::TempDir;

/// A folder with the recipe `tiny.toml` and `people` (six with two images each).
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

    /// Checks that `run` and `train` fail, name `named` and leave no files; returns the last
    /// message.
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
    assert!(stderr.matches("(os error").count() <= 1, "repeated: {stderr}");
    assert!(!stderr.chars().any(|character| character.is_control() && !"\n\t".contains(character)), "{stderr:?}");
}

/// The file names in a folder, temporary files included; empty if it does not exist.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_intact_folder_works() {
    let bench = Bench::new();
    let finished = bench.program().run(["run", "--out", "out", "--dataset", "people", "--recipe", "tiny.toml"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(files(&bench.path("out")), ["checkpoint.safetensors", "report.html", "result.json"]);
}

#[test]
fn damaged_images() {
    let bench = Bench::new();
    let portrait = SyntheticFaces::new(1).portrait(1, 1, [40, 40]);
    let jpeg = bench.path("whole.jpg");
    write_image(&jpeg, &portrait);
    let jpeg = fs::read(jpeg).unwrap();
    let png = bench.path("whole.png");
    write_image(&png, &portrait);
    let mut png = fs::read(png).unwrap();
    claim_size(&mut png, 60_000);
    // Images of training, validation and unseen people.
    for (person, name, content, message) in [
        ("p1", "3.jpg", jpeg[..jpeg.len() / 2].to_vec(), "is truncated"),
        ("p2", "3.jpg", jpeg[..jpeg.len() - 9].to_vec(), "is truncated"),
        ("p4", "3.jpg", b"Not an image, but a letter.\n".to_vec(), "is not an image of a known format"),
        ("p6", "3.jpg", Vec::new(), "is empty"),
        ("p6", "3.png", png, "declares 60000 x 60000 pixels"),
        ("p1", "3.pnm", b"P6 60000 60000 255\n".to_vec(), "declares 60000 x 60000 pixels"),
        ("p3", "3.ppm", b"P6 20 18 255\nfew".to_vec(), "is truncated"),
    ] {
        let path = format!("people/{person}/{name}");
        fs::write(bench.path(&path), content).unwrap();
        let stderr = bench.refuses(&["--dataset", "people"], &path);
        assert!(stderr.contains(message), "{message} in {stderr}");
        let help = if message.starts_with("declares") { "scale it down" } else { "replace it by an intact image" };
        assert!(stderr.contains(&format!("\nhelp: {help}")), "{stderr}");
        fs::remove_file(bench.path(&path)).unwrap();
    }
}

/// Sets the width and height that a PNG file declares.
fn claim_size(png: &mut [u8], side: u32) {
    png[16..20].copy_from_slice(&side.to_be_bytes());
    png[20..24].copy_from_slice(&side.to_be_bytes());
    // The checksum at the end of each chunk (ISO 3309), over its name, the two sides and five more
    // bytes.
    let checksum = !png[12..29].iter().fold(u32::MAX, |checksum, &byte| {
        (0..8).fold(checksum ^ u32::from(byte), |bits, _| (bits >> 1) ^ (0xedb8_8320 & (bits & 1).wrapping_neg()))
    });
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
}

#[test]
fn malformed_folders_of_people() {
    let bench = Bench::new();
    fs::create_dir(bench.path("people/p7")).unwrap();
    let stderr = bench.refuses(&["--dataset", "people"], "people/p7");
    assert!(stderr.contains("contains no images"), "{stderr}");

    write_people(&bench.path("one"), 1, 9);
    let stderr = bench.refuses(&["--dataset", "one"], "one has 1 people");
    assert!(stderr.contains("expected at least 6"), "{stderr}");
    fs::create_dir(bench.path("nobody")).unwrap();
    bench.refuses(&["--dataset", "nobody"], "nobody contains no people");
    bench.refuses(&["--dataset", "absent"], "there is no folder absent");
    bench.refuses(&["--dataset", "tiny.toml"], "there is no folder tiny.toml");
}

#[test]
fn missing_data_sets() {
    let bench = Bench::new();
    for (dataset, folder) in [("orl", "orl/data_faces"), ("lfw", "lfw/images")] {
        let stderr = bench.refuses(&["--dataset", dataset, "--data", "absent"], &format!("absent/{folder}"));
        assert!(stderr.contains("FACENET_DATA") && stderr.contains("--dataset synthetic"), "{stderr}");
        bench.refuses(&["--dataset", dataset], &format!("data/{folder}"));
    }
    write_people(&bench.path("few/orl/data_faces"), 6, 2);
    let stderr = bench.refuses(&["--dataset", "orl", "--data", "few"], "few/orl/data_faces");
    assert!(stderr.contains("holds 6 people, expected 40"), "{stderr}");
}

#[test]
fn malformed_lists() {
    let bench = Bench::new();
    let (images, lists) = (bench.path("lfw/images"), bench.path("lfw/protocol"));
    fs::create_dir_all(&lists).unwrap();
    for (person, name) in ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay"].into_iter().enumerate() {
        fs::create_dir_all(images.join(name)).unwrap();
        for image in 1..=2 {
            let portrait = SyntheticFaces::new(1).portrait(person as u64, image, [160, 160]);
            write_image(&images.join(name).join(format!("{name}_000{image}.jpg")), &portrait);
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
    assert_eq!(finished.code, Some(0), "the intact lists: {finished:?}");

    for (list, text, named, message) in [
        ("peopleDevTrain.txt", "Ann\t2\n", "peopleDevTrain.txt:1", "expected a header"),
        ("peopleDevTrain.txt", "5\nAnn\t2\nBob\t2\nCid\t2\nDan\t2\n", "peopleDevTrain.txt:1", "declares 5"),
        ("peopleDevTrain.txt", "4\nAnn\t2\nBob\t3\nCid\t2\nDan\t2\n", "Bob_0003.jpg", "peopleDevTrain.txt:3"),
        ("peopleDevTrain.txt", "1\nAnn\t2\n", "peopleDevTrain.txt", "only one person"),
        ("peopleDevTest.txt", "2\nEve\t2\nGil\t1\n", "Gil_0001.jpg", "peopleDevTest.txt:3"),
        ("peopleDevTest.txt", "two\nEve\t2\nFay\t2\n", "peopleDevTest.txt:1", "expected a header"),
        ("pairsDevTest.txt", "Eve\t1\t2\nFay\t2\tEve\t1\n", "pairsDevTest.txt:1", "expected a header"),
        ("pairsDevTest.txt", "2\nEve\t1\t2\nFay\t2\tEve\t1\n", "pairsDevTest.txt:1", "declares 4"),
        ("pairsDevTest.txt", "1\nEve\t1\t3\nFay\t2\tEve\t1\n", "pairsDevTest.txt:2", "image 3 of Eve"),
        ("pairsDevTest.txt", "1\nEve\t1\t2\nFay\t2\tAnn\t1\n", "pairsDevTest.txt:3", "image 1 of Ann"),
    ] {
        fs::write(lists.join(list), text).unwrap();
        let stderr = bench.refuses(&lfw, named);
        assert!(stderr.contains(message), "{message} in {stderr}");
        reset();
    }
    fs::remove_file(lists.join("pairsDevTest.txt")).unwrap();
    let stderr = bench.refuses(&lfw, "pairsDevTest.txt");
    assert!(stderr.contains("\nhelp: it is missing, or was removed"), "{stderr}");
}

#[test]
fn unwritable_outputs() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "mine").unwrap();
    for out in ["file", "file/below"] {
        for command in ["run", "train"] {
            let arguments = [command, "--out", out, "--dataset", "people", "--recipe", "tiny.toml"];
            assert_failed(&bench.program().run(arguments), out);
        }
    }
    assert_eq!(fs::read(bench.path("file")).unwrap(), b"mine");
    // A folder in place of the checkpoint.
    fs::create_dir_all(bench.path("taken/checkpoint.safetensors")).unwrap();
    let arguments = ["train", "--out", "taken", "--dataset", "people", "--recipe", "tiny.toml"];
    assert_failed(&bench.program().run(arguments), "taken/checkpoint.safetensors");
    assert_eq!(files(&bench.path("taken")), ["checkpoint.safetensors"]);
    assert_eq!(files(&bench.path("taken/checkpoint.safetensors")), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_read_only_folder() {
    use std::os::unix::fs::PermissionsExt;

    let bench = Bench::new();
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(out.join("probe"), "").is_ok() {
        println!("skipped: this user may write to read-only folders");
        return;
    }
    bench.refuses(&["--dataset", "people"], "can't write out: ");
}

#[test]
fn unusable_checkpoints() {
    let bench = Bench::new();
    fs::write(bench.path("garbage"), "no checkpoint at all").unwrap();
    let finished = bench.program().run(["train", "--out", "whole", "--dataset", "people", "--recipe", "tiny.toml"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let whole = fs::read(bench.path("whole/checkpoint.safetensors")).unwrap();
    fs::write(bench.path("truncated"), &whole[..whole.len() / 2]).unwrap();
    // A network without training state.
    let mut trained = facenet_recognition::read_checkpoint(&bench.path("whole/checkpoint.safetensors")).unwrap();
    trained.training = None;
    facenet_recognition::write_checkpoint(&bench.path("trained"), &trained).unwrap();
    for name in ["garbage", "truncated", "trained", "absent", "people"] {
        let finished = bench.program().run(["train", "--out", "out", "--dataset", "people", "--resume", name]);
        assert_failed(&finished, name);
        assert_eq!(files(&bench.path("out")), [""; 0], "{name}");
    }
}

#[test]
fn malformed_recipes() {
    let bench = Bench::new();
    for (text, message) in [
        ("steps: 3".to_owned(), "not a recipe"),
        (String::new(), "missing field"),
        (TINY_RECIPE.replace("margin = 0.2", "margin = nan"), "margin is NaN"),
        (TINY_RECIPE.replace("steps = 6", "steps = 6\nstep = 6"), "`step`"),
        (TINY_RECIPE.replace("steps = 6", "steps = 0"), "steps is 0"),
        (TINY_RECIPE.replacen("kernel = 3", "kernel = 99", 1), "a 99x99 window"),
        (TINY_RECIPE.replace("embedding = 8", "embedding = 0"), "embedding"),
    ] {
        fs::write(bench.path("bad.toml"), text).unwrap();
        let stderr = bench.refuses(&["--dataset", "people", "--recipe", "bad.toml"], "bad.toml");
        assert!(stderr.contains(message), "{message} in {stderr}");
    }
    bench.refuses(&["--dataset", "people", "--recipe", "absent.toml"], "absent.toml");
    // A valid recipe that does not fit the images.
    let crop = format!("crop = {{ rectangle = {{ left = 9, top = 0, width = 10, height = 10 }} }}\n{TINY_RECIPE}");
    fs::write(bench.path("bad.toml"), crop).unwrap();
    bench.refuses(&["--dataset", "people", "--recipe", "bad.toml"], "people/p1/1.png");
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    const TRAIN: [&str; 5] = ["train", "--dataset", "people", "--recipe", "tiny.toml"];
    const RUN: [&str; 5] = ["run", "--dataset", "people", "--recipe", "tiny.toml"];

    /// Runs a shell script in the folder of the bench; `"$@"` is the program with the arguments.
    fn script(bench: &Bench, text: &str, arguments: &[&str]) -> Finished {
        let program = env!("CARGO_BIN_EXE_xtask");
        Program::new("sh", bench.folder.path()).run([&["-c", text, "sh", program], arguments].concat())
    }

    fn make_pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// The shell's limit on file size stands in for a full disk: 8 blocks are less than a
    /// checkpoint.
    #[test]
    fn checkpoints_above_the_file_size_limit() {
        let bench = Bench::new();
        let out = ["--out", "out"];
        assert_eq!(bench.program().run([&TRAIN[..], &out].concat()).code, Some(0));
        let checkpoint = bench.path("out/checkpoint.safetensors");
        let before = fs::read(&checkpoint).unwrap();
        for blocks in [0, 8] {
            for command in [TRAIN, RUN] {
                // With the signal ignored, the write fails instead.
                let text = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
                let finished = script(&bench, &text, &[&command[..], &out, &["--seed", "1"]].concat());
                assert_failed(&finished, "can't write out/checkpoint.safetensors: ");
                assert!(finished.stderr.contains("\nhelp: "), "{}", finished.stderr);
                assert_eq!(files(&bench.path("out")), ["checkpoint.safetensors"]);
                assert!(fs::read(&checkpoint).unwrap() == before);
            }
        }
        let resumed = ["train", "--dataset", "people", "--resume", "out/checkpoint.safetensors", "--out", "again"];
        assert_eq!(bench.program().run(resumed).code, Some(0));
    }

    /// A size limit that a checkpoint meets and the report page exceeds: the page is missing, the
    /// other files are complete.
    #[test]
    fn a_report_above_the_file_size_limit() {
        let bench = Bench::new();
        write_people(&bench.path("many"), 60, 6);
        let run = ["run", "--dataset", "many", "--recipe", "tiny.toml", "--out", "out"];
        assert_eq!(bench.program().run(run).code, Some(0));
        let length = |name: &str| fs::metadata(bench.path("out").join(name)).unwrap().len();
        // Shells count in blocks of 512 or 1,024 bytes.
        let blocks = length("checkpoint.safetensors").max(length("result.json")).div_ceil(512) + 1;
        assert!(length("report.html") > blocks * 1024, "{} bytes, {blocks} blocks", length("report.html"));
        let finished = script(&bench, &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), &run);
        assert_failed(&finished, "can't write out/report.html: ");
        assert!(finished.stderr.contains("\nhelp: "), "{}", finished.stderr);
        assert_eq!(files(&bench.path("out")), ["checkpoint.safetensors", "result.json"]);
        assert!(facenet_recognition::read_checkpoint(&bench.path("out/checkpoint.safetensors")).is_ok());
        serde_json::from_slice::<serde_json::Value>(&fs::read(bench.path("out/result.json")).unwrap()).unwrap();
    }

    /// Whether a test can mount file systems.
    fn can_mount() -> bool {
        let mount = ["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"];
        let can =
            Command::new("unshare").args(mount).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !can {
            println!("skipped: this user may not mount file systems (unshare, mount)");
        }
        can
    }

    #[test]
    fn a_full_disk() {
        if !can_mount() {
            return;
        }
        let bench = Bench::new();
        fs::create_dir(bench.path("disk")).unwrap();
        // Room for one checkpoint, not for two.
        let text = "exec unshare --user --map-root-user --mount sh -c '
            mount -t tmpfs -o size=64k none disk && \"$@\" && sha256sum <disk/checkpoint.safetensors >before
            \"$@\" --seed 1; code=$?
            ls -A disk >listing; sha256sum <disk/checkpoint.safetensors >after; exit $code
        ' sh \"$@\" 2>&1 >printed";
        let finished = script(&bench, text, &[&TRAIN[..], &["--out", "disk"]].concat());
        let Finished { code, stdout: stderr, .. } = finished;
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.starts_with("error: can't write disk/checkpoint.safetensors: No space left"), "{stderr}");
        assert!(stderr.ends_with("\nhelp: free some space on the disk, or write to another one\n"), "{stderr}");
        let read = |name| fs::read_to_string(bench.path(name)).unwrap();
        assert_eq!(read("listing"), "checkpoint.safetensors\n");
        assert!(read("before").len() > 60 && read("before") == read("after"));
    }

    #[test]
    fn a_read_only_file_system() {
        if !can_mount() {
            return;
        }
        let bench = Bench::new();
        fs::create_dir(bench.path("disk")).unwrap();
        let text = "exec unshare --user --map-root-user --mount sh -c '
            mount -t tmpfs -o ro none disk && exec \"$@\"
        ' sh \"$@\"";
        for out in ["disk", "disk/below"] {
            for command in [TRAIN, RUN] {
                let finished = script(&bench, text, &[&command[..], &["--out", out]].concat());
                assert_failed(&finished, out);
                let help = "\nhelp: the file system is read-only; pass another folder with --out\n";
                assert!(
                    finished.stderr.contains("Read-only") && finished.stderr.ends_with(help),
                    "{}",
                    finished.stderr
                );
            }
        }
    }

    /// Not even root can write there.
    #[cfg(target_os = "linux")]
    #[test]
    fn folders_that_reject_files() {
        let bench = Bench::new();
        for out in ["/proc", "/proc/below", "/sys", "/sys/below", "/dev/null", "/dev/full/below"] {
            for command in [TRAIN, RUN] {
                let finished = bench.program().run([&command[..], &["--out", out]].concat());
                assert_failed(&finished, out);
                assert!(
                    finished.stderr.contains("\nhelp: ") && finished.stderr.contains("--out"),
                    "{}",
                    finished.stderr
                );
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_standard_output() {
        let bench = Bench::new();
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let train = [&TRAIN[..], &["--out", "out", "--json"]].concat();
        let run = [&RUN[..], &["--out", "out"]].concat();
        for arguments in [&["gradcheck", "--json"][..], &["gradcheck"], &train, &run] {
            let output = bench.program().command(arguments).stdout(full()).output().unwrap();
            let finished = Finished::from(output);
            assert_failed(&finished, "can't write to standard output: ");
            assert!(finished.stderr.contains("\nhelp: free some space"), "{}", finished.stderr);
        }
        // Files written before are complete.
        assert_eq!(files(&bench.path("out")), ["checkpoint.safetensors", "report.html", "result.json"]);
        // If even standard error can't be written, the exit code remains.
        let output = bench.program().command(["train", "--recipe", "absent.toml"]).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
    }

    /// Reading any of these would block or never end.
    #[test]
    fn pipes_and_devices_are_not_read() {
        let bench = Bench::new();
        let refuses = |arguments: &[&str], named: &str| {
            let child = bench.program().command(arguments).spawn().unwrap();
            let finished = Finished::wait(child, Duration::from_secs(60));
            assert_failed(&finished, &format!("can't read {named}: not a regular file"));
        };
        let makes: [fn(&Path); 2] = [make_pipe, |path| symlink("/dev/zero", path).unwrap()];
        for make in makes {
            let (image, file) = (bench.path("people/p2/3.png"), bench.path("file"));
            make(&image);
            refuses(&[&TRAIN[..], &["--out", "out"]].concat(), "people/p2/3.png");
            fs::remove_file(&image).unwrap();
            make(&file);
            refuses(&["train", "--dataset", "people", "--out", "out", "--recipe", "file"], "file");
            refuses(&["train", "--dataset", "people", "--out", "out", "--resume", "file"], "file");
            fs::remove_file(&file).unwrap();
        }
        refuses(&["train", "--dataset", "people", "--out", "out", "--recipe", "people"], "people");
        // Sparse: it takes no room.
        File::create(bench.path("long.toml")).unwrap().set_len(5 << 30).unwrap();
        let finished = bench.program().run(["train", "--out", "out", "--recipe", "long.toml"]);
        assert_failed(&finished, "can't read long.toml: longer than ");
        assert_eq!(files(&bench.path("out")), [""; 0]);
    }

    #[test]
    fn broken_links() {
        let bench = Bench::new();
        for (link, target) in [("people/p2/3.png", "3.png"), ("people/p7", "p7"), ("people/landmarks.txt", "nowhere")] {
            symlink(target, bench.path(link)).unwrap();
            let stderr = bench.refuses(&["--dataset", "people"], &format!("can't read {link}: "));
            assert!(stderr.contains("broken symbolic link"), "{stderr}");
            fs::remove_file(bench.path(link)).unwrap();
        }
        // A way up from a person's folder is not followed.
        symlink("..", bench.path("people/p2/up")).unwrap();
        symlink("../..", bench.path("people/p2/up.png")).unwrap();
        assert_eq!(bench.program().run([&TRAIN[..], &["--out", "out"]].concat()).code, Some(0));
    }

    /// Names on Linux are any bytes but `/` and 0.
    #[test]
    fn names_of_any_bytes() {
        let bench = Bench::new();
        let name = OsStr::from_bytes(b"\x1b[31m\xff\n\"{\xc2\x9b");
        let shown = r#"\u{1b}[31m\xff\n"{\u{9b}"#;
        if fs::rename(bench.path("people"), bench.folder.path().join(name)).is_err() {
            println!("skipped: no folder can be called {shown}");
            return;
        }
        let person = bench.folder.path().join(name).join(name);
        fs::rename(bench.folder.path().join(name).join("p6"), &person).unwrap();
        let own = |command: &'static str| {
            [OsStr::new(command), "--dataset".as_ref(), name, "--recipe".as_ref(), "tiny.toml".as_ref()]
        };
        let finished = bench.program().run(own("run"));
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{finished:?}");
        assert!(finished.stdout.starts_with(&format!("{shown}: tiny trained on ")), "{}", finished.stdout);
        assert!(!finished.stdout.chars().any(|character| character.is_control() && character != '\n'));
        assert_eq!(
            files(&bench.path(&format!("runs/{shown}"))),
            ["checkpoint.safetensors", "report.html", "result.json"]
        );
        let arguments = own("train").into_iter().chain(["--json".as_ref(), "--out".as_ref(), name]);
        let finished = bench.program().run(arguments);
        assert_eq!((finished.code, finished.stdout.lines().count()), (Some(0), 1), "{finished:?}");
        let result: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(result["dataset"], shown);
        assert_eq!(result["checkpoint"], format!("{shown}/checkpoint.safetensors"));

        fs::write(person.join(OsStr::from_bytes(b"\xfe\r.jpg")), "letter").unwrap();
        assert_failed(
            &bench.program().run(own("train")),
            &format!(r"{shown}/{shown}/\xfe\r.jpg is not an image of a known format"),
        );
        fs::write(bench.path("tiny.toml"), "\u{1b}[2J = \u{9b}").unwrap();
        assert_failed(&bench.program().run(own("train")), r"\u{1b}[2J");
    }

    #[test]
    fn names_that_are_too_long() {
        let bench = Bench::new();
        for path in ["n".repeat(256), "n/".repeat(5000)] {
            let finished = bench.program().run([&TRAIN[..], &["--out", &path]].concat());
            assert_failed(&finished, &path);
            assert!(finished.stderr.contains("\nhelp: the name is too long"), "{}", finished.stderr);
            bench.refuses(&["--dataset", &path], &path[..256]);
            bench.refuses(&["--dataset", "people", "--recipe", &format!("{path}.toml")], &path[..256]);
        }
    }
}

/// Ctrl-C ends training after the current step; the checkpoint is complete and can be resumed.
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
        assert!(stderr.contains("\nhelp: ") && stderr.contains("--resume"), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert_eq!(files(&bench.path(command)), ["checkpoint.safetensors"], "no result, no partial file");

        let bytes = fs::read(&checkpoint).unwrap();
        facenet_recognition::Embedder::from_checkpoint(&bytes).unwrap();
        let step = facenet_recognition::read_checkpoint(&checkpoint).unwrap().training.unwrap().step;
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
