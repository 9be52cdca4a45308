use std::time::Duration;

use facenet_tests::{Server, olivetti_file, olivetti_gray, respond, serve};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::catalogue::file_set;
use crate::install::{complete, install};
use crate::transfer::RetryPolicy;

/// An archive of three images of two people, with a list beside them.
fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for name in ["small/Ann/Ann_0001.jpg", "small/Ann/Ann_0002.jpg", "small/Bob/Bob_0001.jpg", "small/list.txt"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(name.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, name.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

const LIST: &[u8] = b"2\nAnn\t2\nBob\t1\n";

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn images_of(archive: &[u8], images: usize) -> RemoteFile {
    RemoteFile {
        name: "small.tgz",
        addresses: Vec::new(),
        size: Size::Exactly(archive.len() as u64),
        sha256: sha256(archive),
        layout: Layout::People { folder: "images", format: ArchiveFormat::TarGz { root: "small" }, people: 2, images },
    }
}

/// A data set like LFW, but small.
fn small() -> FileSet {
    let list = RemoteFile {
        name: "people.txt",
        addresses: Vec::new(),
        size: Size::Exactly(LIST.len() as u64),
        sha256: sha256(LIST),
        layout: Layout::File("protocol/people.txt"),
    };
    FileSet { name: "small", terms: "made for tests", files: vec![images_of(&archive(), 3), list], embedder: None }
}

/// A data folder, a mirror, and the events of unpacking.
struct Fixture {
    root: TempDir,
    server: Server,
    events: Vec<String>,
}

impl Fixture {
    fn new() -> Self {
        let server = Server::start(|request, stream| match request.path.as_str() {
            "/mirror/small.tgz" => serve(request, stream, &archive()),
            "/mirror/people.txt" => serve(request, stream, LIST),
            _ => respond(stream, "404 Not Found", &["Content-Length: 0"], &[]),
        });
        Self { root: tempfile::tempdir().unwrap(), server, events: Vec::new() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn states(&self, set: &FileSet) -> Result<Vec<FileState>, Error> {
        let installation = Installation { data: self.root.path(), set };
        set.files.iter().map(|file| installation.state(file)).collect()
    }

    /// Installs what is missing.
    fn install(&mut self, set: &FileSet, offline: bool) -> Result<Vec<FileState>, Error> {
        let milliseconds = Duration::from_millis;
        let policy = RetryPolicy {
            connect_timeout: milliseconds(1_000),
            read_timeout: milliseconds(5_000),
            attempts: 2,
            backoff: milliseconds(1),
            ..RetryPolicy::default()
        };
        let (client, mirror) = (Client::new(policy, None), self.server.address("mirror/"));
        let source = if offline { Source::Disk } else { Source::Network { client: &client, mirror: Some(&mirror) } };
        let installation = Installation { data: self.root.path(), set };
        let wanted = self.states(set)?.contains(&FileState::Missing);
        let _lock = if wanted { Some(installation.lock()?) } else { None };
        let mut states = Vec::new();
        for file in &set.files {
            states.push(match installation.state(file)? {
                FileState::Missing => installation.install(file, &source, &mut |event| match event {
                    Event::LeftOut { files } => self.events.push(format!("{files} left out")),
                    Event::Unpacked { done, of } => self.events.push(format!("{done} of {of}")),
                    _ => {}
                })?,
                state => state,
            });
        }
        Ok(states)
    }

    /// The paths of all files in the data folder, except the lock.
    fn names(&self) -> Vec<String> {
        fn walk(folder: &Path, names: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, names) } else { names.push(path) }
            }
        }
        let mut paths = Vec::new();
        walk(self.root.path(), &mut paths);
        let name = |path: PathBuf| path.strip_prefix(self.root.path()).unwrap().to_str().unwrap().replace('\\', "/");
        let mut names: Vec<String> = paths.into_iter().map(name).filter(|name| name != "downloads/.lock").collect();
        names.sort();
        names
    }

    fn assert_complete(&self) {
        assert_eq!(self.names(), COMPLETE);
        assert_eq!(fs::read(self.path("small/images/Ann/Ann_0002.jpg")).unwrap(), b"small/Ann/Ann_0002.jpg");
        assert_eq!(fs::read(self.path("small/protocol/people.txt")).unwrap(), LIST);
    }
}

const COMPLETE: [&str; 5] = [
    "small/images/.download.json",
    "small/images/Ann/Ann_0001.jpg",
    "small/images/Ann/Ann_0002.jpg",
    "small/images/Bob/Bob_0001.jpg",
    "small/protocol/people.txt",
];

use FileState::{Downloaded, Missing, Present, Unverified};

#[test]
fn a_hostile_archive_with_the_right_hash_leaves_nothing() {
    for (name, kind) in [
        ("small/../../escaped.jpg", tar::EntryType::Regular),
        ("small/Ann/Ann_0001.jpg", tar::EntryType::Symlink),
        ("elsewhere/Ann/Ann_0001.jpg", tar::EntryType::Regular),
    ] {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_entry_type(kind);
        // Past the tar library's own check of names.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, &[][..]).unwrap();
        let hostile = tar.into_inner().unwrap().finish().unwrap();
        let set =
            FileSet { name: "small", terms: "made for tests", files: vec![images_of(&hostile, 3)], embedder: None };
        let mut fixture = Fixture::new();
        fixture.server = Server::start(move |request, stream| serve(request, stream, &hostile));
        let error = fixture.install(&set, false).unwrap_err().to_string();
        assert!(error.contains("small.tgz") && error.contains(name), "{error}");
        assert!(
            !fixture.path("small/images").exists() && !fixture.path("escaped.jpg").exists(),
            "{:?}",
            fixture.names()
        );
        assert!(!fixture.path("small/escaped.jpg").exists());
    }
}

#[test]
fn everything_is_installed_once() {
    let (mut fixture, set) = (Fixture::new(), small());
    assert_eq!(fixture.states(&set).unwrap(), [Missing, Missing]);
    assert!(fixture.names().is_empty(), "looking leaves nothing");
    assert_eq!(fixture.install(&set, false).unwrap(), [Downloaded, Downloaded]);
    fixture.assert_complete();
    assert!(Installation { data: fixture.root.path(), set: &set }.leftovers().is_empty());
    assert_eq!(fixture.events, ["1 of 3", "2 of 3", "3 of 3", "1 left out"]);
    assert_eq!(fixture.server.requests().len(), 2);

    for offline in [false, true] {
        assert_eq!(fixture.install(&set, offline).unwrap(), [Present, Present]);
    }
    assert_eq!(fixture.server.requests().len(), 2, "what is installed is not requested again");
    // If one list is gone, it alone is downloaded.
    fs::remove_file(fixture.path("small/protocol/people.txt")).unwrap();
    assert_eq!(fixture.install(&set, false).unwrap(), [Present, Downloaded]);
    assert_eq!(fixture.server.requests().len(), 3);
    fixture.assert_complete();
    // Files that systems leave in folders.
    fixture.write("small/images/Ann/Thumbs.db", b"thumbs");
    fixture.write("small/images/.DS_Store", b"icons");
    assert_eq!(fixture.states(&set).unwrap(), [Present, Present]);
}

#[test]
fn interrupted_runs_are_repaired() {
    let (mut fixture, set) = (Fixture::new(), small());
    let archive = archive();
    // Half a download, and a half unpacked archive with a truncated image.
    fixture.write("downloads/small.tgz.part", &archive[..100]);
    fixture.write("small/.images.part/Ann/Ann_0001.jpg", b"half");
    fixture.write("small/.images.part/Eve/Eve_0001.jpg", b"of another time");
    fixture.write("small/protocol/people.txt.part", &LIST[..3]);
    assert_eq!(fixture.states(&set).unwrap(), [Missing, Missing]);
    assert_eq!(fixture.install(&set, false).unwrap(), [Downloaded, Downloaded]);
    assert_eq!(fixture.server.starts(), [Some(100), Some(3)]);
    fixture.assert_complete();
}

#[test]
fn files_put_there_by_hand_are_used_and_kept() {
    let (mut fixture, set) = (Fixture::new(), small());
    assert_eq!(fixture.install(&set, true).unwrap(), [Missing, Missing]);
    assert!(fixture.names().is_empty());
    let installation = Installation { data: fixture.root.path(), set: &set };
    assert_eq!(installation.download_path(&set.files[0]), fixture.path("downloads/small.tgz"));
    assert_eq!(installation.download_path(&set.files[1]), fixture.path("small/protocol/people.txt"));
    fixture.write("downloads/small.tgz", &archive());
    fixture.write("small/protocol/people.txt", LIST);
    assert_eq!(fixture.install(&set, true).unwrap(), [Downloaded, Present]);
    assert_eq!(fixture.names(), [&["downloads/small.tgz"], &COMPLETE[..]].concat());
    let leftovers = Installation { data: fixture.root.path(), set: &set }.leftovers();
    assert_eq!(leftovers, [fixture.path("downloads/small.tgz")]);
    assert!(fixture.server.requests().is_empty());
}

#[test]
fn other_files_in_place_are_errors_and_kept() {
    for (path, bytes) in [
        ("small/protocol/people.txt", &b"2\nAnn\t2\nEve\t1\n"[..]),
        ("small/protocol/people.txt", b"short"),
        ("downloads/small.tgz", b"short"),
        ("downloads/small.tgz", &vec![0; archive().len()]),
        ("small/images", b"a file"),
    ] {
        for offline in [false, true] {
            let (mut fixture, set) = (Fixture::new(), small());
            fixture.write(path, bytes);
            let error = fixture.install(&set, offline).map(|states| panic!("{states:?}")).unwrap_err().to_string();
            let named = error.contains(&fixture.path(path).display().to_string());
            assert!(named && error.contains(" is not "), "{error}");
            assert_eq!(fs::read(fixture.path(path)).unwrap(), bytes);
        }
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused() {
    for path in ["small/protocol/people.txt", "downloads/small.tgz", "small/images/.download.json"] {
        for device in [None, Some("/dev/zero")] {
            let (mut fixture, set) = (Fixture::new(), small());
            let at = fixture.path(path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            match device {
                Some(device) => std::os::unix::fs::symlink(device, &at).unwrap(),
                None => assert!(std::process::Command::new("mkfifo").arg(&at).status().unwrap().success()),
            }
            let error = fixture.install(&set, false).map(|states| panic!("{states:?}")).unwrap_err().to_string();
            assert!(error.contains("not a regular file"), "{error}");
        }
    }
}

#[test]
fn other_folders_are_left_alone() {
    let (mut fixture, set) = (Fixture::new(), small());
    fixture.write("small/images/Eve/Eve_0001.jpg", b"mine");
    assert_eq!(fixture.install(&set, false).unwrap(), [Unverified, Downloaded]);
    assert_eq!(fixture.names(), ["small/images/Eve/Eve_0001.jpg", "small/protocol/people.txt"]);
    // Another edition of the archive, or a record that can't be read.
    for record in ["{\"file\":\"small.tgz\",\"sha256\":\"00\"}", "{", ""] {
        fixture.write("small/images/.download.json", record.as_bytes());
        assert_eq!(fixture.states(&set).unwrap(), [Unverified, Present]);
    }
    // An empty folder is used.
    let (mut fixture, set) = (Fixture::new(), small());
    fs::create_dir_all(fixture.path("small/images")).unwrap();
    assert_eq!(fixture.install(&set, false).unwrap(), [Downloaded, Downloaded]);
    fixture.assert_complete();
}

#[test]
fn images_are_counted() {
    let (mut fixture, set) = (Fixture::new(), small());
    fixture.install(&set, false).unwrap();
    fs::remove_file(fixture.path("small/images/Ann/Ann_0002.jpg")).unwrap();
    let error = fixture.states(&set).unwrap_err().to_string();
    let changed = format!("{} has changed since it was installed", fixture.path("small/images").display());
    assert!(error.contains(&changed) && error.contains("2 images of 2 people, expected 3 of 2"), "{error}");

    // An archive with another number of images than expected is not installed, and leaves nothing
    // unfinished.
    let mut fixture = Fixture::new();
    let set = FileSet { files: vec![images_of(&archive(), 4)], ..small() };
    let error = fixture.install(&set, false).unwrap_err().to_string();
    assert!(error.contains("small.tgz can't be used") && error.contains("3 images of 2 people, expected 4"), "{error}");
    assert_eq!(fixture.names(), ["downloads/small.tgz"]);
}

#[test]
fn damaged_archives_leave_no_folder() {
    let mut fixture = Fixture::new();
    let archive = archive();
    let cut = &archive[..archive.len() - 10];
    let set = FileSet { files: vec![images_of(cut, 3)], ..small() };
    fixture.write("downloads/small.tgz", cut);
    let error = fixture.install(&set, true).unwrap_err().to_string();
    assert!(error.contains("can't unpack") && error.contains("small.tgz"), "{error}");
    assert_eq!(fixture.names(), ["downloads/small.tgz"]);
    assert!(!fixture.path("small/.images.part").exists());
}

#[test]
fn only_one_process_installs_at_a_time() {
    let (mut fixture, set) = (Fixture::new(), small());
    let lock = Installation { data: fixture.root.path(), set: &set }.lock().unwrap();
    let error = fixture.install(&set, false).unwrap_err().to_string();
    assert!(error.contains("another download into"), "{error}");
    drop(lock);

    // Nothing is requested while another process installs, and no lock is needed where nothing is
    // missing.
    let client = Client::new(RetryPolicy::default(), None);
    let mirror = fixture.server.address("mirror/");
    let source = Source::Network { client: &client, mirror: Some(&mirror) };
    let data = fixture.root.path().to_owned();
    let installation = Installation { data: &data, set: &set };
    let mut states = [Missing; 2];
    let lock = installation.lock().unwrap();
    let error = complete(&installation, &source, &mut states, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("another download into"), "{error}");
    assert!(fixture.server.requests().is_empty() && states == [Missing; 2]);
    drop(lock);
    complete(&installation, &source, &mut states, &mut |_| {}).unwrap();
    assert_eq!(states, [Downloaded; 2]);
    fixture.assert_complete();
    let _lock = installation.lock().unwrap();
    complete(&installation, &source, &mut states, &mut |_| {}).unwrap();
    assert_eq!(states, [Present; 2]);
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let (mut fixture, set) = (Fixture::new(), small());
    fs::create_dir_all(fixture.path("downloads/.lock")).unwrap();
    let error = fixture.install(&set, false).unwrap_err().to_string();
    assert!(error.contains("can't write") && error.contains(".lock"), "{error}");

    // A file where a folder should be.
    for (file, named) in [("downloads", "downloads/.lock"), ("small", "small/images")] {
        let mut fixture = Fixture::new();
        fixture.write(file, b"mine");
        let error = fixture.install(&set, false).unwrap_err().to_string();
        assert!(error.contains(&fixture.path(named).display().to_string()), "{error}");
        assert_eq!(fs::read(fixture.path(file)).unwrap(), b"mine");
    }
}

#[test]
fn wrong_bytes_everywhere_list_all_addresses() {
    let mut fixture = Fixture::new();
    let mut set = small();
    fixture.server = Server::start(|request, stream| serve(request, stream, &vec![1; archive().len()]));
    set.files[0].addresses = vec![fixture.server.address("first"), fixture.server.address("second")];
    let error = fixture.install(&set, false).unwrap_err().to_string();
    for address in ["mirror/small.tgz", "first", "second"] {
        assert!(error.contains(&format!("{}: wrong bytes", fixture.server.address(address))), "{error}");
    }
    assert!(error.contains(&fixture.path("downloads/small.tgz").display().to_string()), "{error}");
    assert!(fixture.names().is_empty() && !fixture.path("downloads/small.tgz.part").exists());
}

#[test]
fn olivetti_becomes_a_folder_per_person() {
    let file = olivetti_file(400);
    let mut set = file_set("olivetti").unwrap();
    set.files[0].sha256 = sha256(&file);
    let mut fixture = Fixture::new();
    fixture.server = Server::start(move |request, stream| serve(request, stream, &file));
    assert_eq!(fixture.install(&set, false).unwrap(), [Downloaded]);
    assert_eq!(fixture.states(&set).unwrap(), [Present]);
    assert_eq!(fixture.names().len(), 401);
    // The 10th image of the 31st person is the 310th column.
    let image = image::open(fixture.path("olivetti/s31/10.png")).unwrap().into_luma8();
    assert_eq!(image.get_pixel(60, 3).0, [olivetti_gray(309, 3, 60)]);
}

#[test]
fn the_report_says_what_is_installed_and_what_is_missing() {
    let (fixture, mut set) = (Fixture::new(), small());
    set.files[0].addresses = vec!["https://example.org/small.tgz".to_owned()];
    set.embedder = Some("people.txt");
    fixture.write("small/protocol/people.txt", LIST);
    let (report, result) = install(&set, fixture.root.path(), &Source::Disk, &mut |_| {});
    assert_eq!(result.unwrap_err().to_string(), "1 of 2 files of small are missing");
    assert_eq!(report.embedder(), None);
    let (images, list) = (fixture.path("small/images"), fixture.path("small/protocol/people.txt"));
    let expected = format!(
        "made for tests\n\nmissing     {}\npresent     {}\n\nsmall.tgz: {}, sha256 {}\n  from https://example.org/small.tgz\n  \
         to   {}\n\nfiles put there by hand are verified and used by the next run\n",
        images.display(),
        list.display(),
        set.files[0].size,
        set.files[0].sha256,
        fixture.path("downloads/small.tgz").display()
    );
    assert_eq!(report.to_string(), expected);
    let json = serde_json::to_string(&report).unwrap();
    let start = format!("{{\"dataset\":\"small\",\"folder\":{:?},\"terms\":\"made for tests\",", fixture.path("small"));
    assert!(
        json.starts_with(&format!("{start}\"complete\":false,\"files\":[{{\"name\":\"small.tgz\",\"path\":")),
        "{json}"
    );
    let end = format!("\"bytes\":{},\"sha256\":\"{}\",\"state\":\"present\"}}]}}", LIST.len(), sha256(LIST));
    assert!(json.ends_with(&end), "{json}");

    fixture.write("downloads/small.tgz", &archive());
    let mut events = Vec::new();
    let (report, result) =
        install(&set, fixture.root.path(), &Source::Disk, &mut |event| events.push(format!("{event:?}")));
    result.unwrap();
    assert_eq!(events.len(), 6, "started, three images, one file left out, finished: {events:?}");
    assert_eq!(report.embedder(), Some(list.as_path()));
    let end = format!("\n{} is no longer needed\n\nsmall is complete\n", fixture.path("downloads/small.tgz").display());
    assert!(report.to_string().ends_with(&end), "{report}");
}
