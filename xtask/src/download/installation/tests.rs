use std::time::Duration;

use facenet_tests::{Server, respond, serve};
use facenet_training::{DatasetLoader, DatasetSource};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::super::olivetti;
use super::super::transfer::{Patience, part_of};
use super::*;

/// An archive of three pictures of two people, with a list beside them.
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

fn pictures_of(archive: &[u8], pictures: usize) -> RemoteFile {
    RemoteFile {
        name: "small.tgz",
        addresses: Vec::new(),
        size: Size::Exactly(archive.len() as u64),
        sha256: sha256(archive),
        product: Product::People { folder: "images", packing: Packing::TarGz { top: "small" }, people: 2, pictures },
    }
}

/// A data set as LFW is, but small.
fn small() -> FileSet {
    let list = RemoteFile {
        name: "people.txt",
        addresses: Vec::new(),
        size: Size::Exactly(LIST.len() as u64),
        sha256: sha256(LIST),
        product: Product::File("protocol/people.txt"),
    };
    FileSet { name: "small", terms: "made for tests", files: vec![pictures_of(&archive(), 3), list], embedder: None }
}

/// Where data sets lie, a mirror, and what was said.
struct Place {
    root: TempDir,
    server: Server,
    said: Vec<String>,
}

impl Place {
    fn new() -> Self {
        let server = Server::start(|request, stream| match request.path.as_str() {
            "/mirror/small.tgz" => serve(request, stream, &archive()),
            "/mirror/people.txt" => serve(request, stream, LIST),
            _ => respond(stream, "404 Not Found", &["Content-Length: 0"], &[]),
        });
        Self { root: tempfile::tempdir().unwrap(), server, said: Vec::new() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn states(&self, set: &FileSet) -> Result<Vec<State>> {
        let installation = Installation { data: self.root.path(), set };
        set.files.iter().map(|file| installation.state(file)).collect()
    }

    /// Makes what is missing.
    fn make(&mut self, set: &FileSet, offline: bool) -> Result<Vec<State>> {
        let milliseconds = Duration::from_millis;
        let patience = Patience {
            connect: milliseconds(1_000),
            stall: milliseconds(5_000),
            tries: 2,
            pause: milliseconds(1),
            ..Patience::default()
        };
        let (client, mirror) = (Client::new(patience, None), self.server.address("mirror/"));
        let source = if offline { Source::Disk } else { Source::Network { client: &client, mirror: Some(&mirror) } };
        let installation = Installation { data: self.root.path(), set };
        let wanted = self.states(set)?.contains(&State::Missing);
        let _alone = if wanted { Some(installation.lock()?) } else { None };
        let mut states = Vec::new();
        for file in &set.files {
            states.push(match installation.state(file)? {
                State::Missing => installation.make(file, &source, &mut |step| match step {
                    Step::LeftOut(files) => self.said.push(format!("{files} left out")),
                    Step::Pictures(pictures) => self.said.push(format!("{pictures} pictures")),
                    Step::Transfer(_) => {}
                })?,
                state => state,
            });
        }
        Ok(states)
    }

    /// Names of all there is below a folder, but the lock.
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

use State::{Downloaded, Missing, Present, Unverified};

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
        // Past the library's own check of names.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, &[][..]).unwrap();
        let hostile = tar.into_inner().unwrap().finish().unwrap();
        let set =
            FileSet { name: "small", terms: "made for tests", files: vec![pictures_of(&hostile, 3)], embedder: None };
        let mut place = Place::new();
        place.server = Server::start(move |request, stream| serve(request, stream, &hostile));
        let error = format!("{:#}", place.make(&set, false).unwrap_err());
        assert!(error.contains("small.tgz") && error.contains(name), "{error}");
        assert!(!place.path("small/images").exists() && !place.path("escaped.jpg").exists(), "{:?}", place.names());
        assert!(!place.path("small/escaped.jpg").exists());
    }
}

#[test]
fn from_nothing_to_all_and_no_further() {
    let (mut place, set) = (Place::new(), small());
    assert_eq!(place.states(&set).unwrap(), [Missing, Missing]);
    assert!(place.names().is_empty(), "to look leaves nothing");
    assert_eq!(place.make(&set, false).unwrap(), [Downloaded, Downloaded]);
    place.assert_complete();
    assert!(Installation { data: place.root.path(), set: &set }.leftovers().is_empty());
    assert_eq!(place.said, ["1 pictures", "2 pictures", "3 pictures", "1 left out"]);
    assert_eq!(place.server.requests().len(), 2);

    for offline in [false, true] {
        assert_eq!(place.make(&set, offline).unwrap(), [Present, Present]);
    }
    assert_eq!(place.server.requests().len(), 2, "what is there is not asked for again");
    // One list is gone: it alone is fetched.
    fs::remove_file(place.path("small/protocol/people.txt")).unwrap();
    assert_eq!(place.make(&set, false).unwrap(), [Present, Downloaded]);
    assert_eq!(place.server.requests().len(), 3);
    place.assert_complete();
    // What systems leave in folders that are looked at.
    place.write("small/images/Ann/Thumbs.db", b"thumbs");
    place.write("small/images/.DS_Store", b"icons");
    assert_eq!(place.states(&set).unwrap(), [Present, Present]);
}

#[test]
fn interrupted_runs_are_repaired() {
    let (mut place, set) = (Place::new(), small());
    let archive = archive();
    // Half a download, and half an unpacking with a picture that isn't one.
    place.write("downloads/small.tgz.part", &archive[..100]);
    place.write("small/.images.part/Ann/Ann_0001.jpg", b"half");
    place.write("small/.images.part/Eve/Eve_0001.jpg", b"of another time");
    place.write("small/protocol/people.txt.part", &LIST[..3]);
    assert_eq!(place.states(&set).unwrap(), [Missing, Missing]);
    assert_eq!(place.make(&set, false).unwrap(), [Downloaded, Downloaded]);
    assert_eq!(place.server.starts(), [Some(100), Some(3)]);
    place.assert_complete();
}

#[test]
fn files_put_there_by_hand_are_used_and_stay() {
    let (mut place, set) = (Place::new(), small());
    assert_eq!(place.make(&set, true).unwrap(), [Missing, Missing]);
    assert!(place.names().is_empty());
    let installation = Installation { data: place.root.path(), set: &set };
    assert_eq!(installation.download(&set.files[0]), place.path("downloads/small.tgz"));
    assert_eq!(installation.download(&set.files[1]), place.path("small/protocol/people.txt"));
    place.write("downloads/small.tgz", &archive());
    place.write("small/protocol/people.txt", LIST);
    assert_eq!(place.make(&set, true).unwrap(), [Downloaded, Present]);
    assert_eq!(place.names(), [&["downloads/small.tgz"], &COMPLETE[..]].concat());
    let leftovers = Installation { data: place.root.path(), set: &set }.leftovers();
    assert_eq!(leftovers, [place.path("downloads/small.tgz")]);
    assert!(place.server.requests().is_empty());
}

#[test]
fn other_files_under_the_names_are_errors_and_stay() {
    for (path, bytes) in [
        ("small/protocol/people.txt", &b"2\nAnn\t2\nEve\t1\n"[..]),
        ("small/protocol/people.txt", b"short"),
        ("downloads/small.tgz", b"short"),
        ("downloads/small.tgz", &vec![0; archive().len()]),
        ("small/images", b"a file"),
    ] {
        for offline in [false, true] {
            let (mut place, set) = (Place::new(), small());
            place.write(path, bytes);
            let error = format!("{:#}", place.make(&set, offline).map(|states| panic!("{states:?}")).unwrap_err());
            let named = error.contains(&place.path(path).display().to_string());
            assert!(named && error.contains("move it away"), "{error}");
            assert_eq!(fs::read(place.path(path)).unwrap(), bytes);
        }
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_not_waited_for() {
    for path in ["small/protocol/people.txt", "downloads/small.tgz", "small/images/.download.json"] {
        for device in [None, Some("/dev/zero")] {
            let (mut place, set) = (Place::new(), small());
            let at = place.path(path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            match device {
                Some(device) => std::os::unix::fs::symlink(device, &at).unwrap(),
                None => assert!(std::process::Command::new("mkfifo").arg(&at).status().unwrap().success()),
            }
            let error = format!("{:#}", place.make(&set, false).map(|states| panic!("{states:?}")).unwrap_err());
            assert!(error.contains("not a regular file"), "{error}");
        }
    }
}

#[test]
fn folders_of_others_are_left_alone() {
    let (mut place, set) = (Place::new(), small());
    place.write("small/images/Eve/Eve_0001.jpg", b"mine");
    assert_eq!(place.make(&set, false).unwrap(), [Unverified, Downloaded]);
    assert_eq!(place.names(), ["small/images/Eve/Eve_0001.jpg", "small/protocol/people.txt"]);
    // Another edition of the archive, or a record that can't be read.
    for record in ["{\"file\":\"small.tgz\",\"sha256\":\"00\"}", "{", ""] {
        place.write("small/images/.download.json", record.as_bytes());
        assert_eq!(place.states(&set).unwrap(), [Unverified, Present]);
    }
    // An empty folder is nobody's.
    let (mut place, set) = (Place::new(), small());
    fs::create_dir_all(place.path("small/images")).unwrap();
    assert_eq!(place.make(&set, false).unwrap(), [Downloaded, Downloaded]);
    place.assert_complete();
}

#[test]
fn pictures_are_counted() {
    let (mut place, set) = (Place::new(), small());
    place.make(&set, false).unwrap();
    fs::remove_file(place.path("small/images/Ann/Ann_0002.jpg")).unwrap();
    let error = format!("{:#}", place.states(&set).unwrap_err());
    let advice = format!("remove {} to have it made again", place.path("small/images").display());
    assert!(error.contains(&advice) && error.contains("2 pictures of 2 people, expected 3 of 2"), "{error}");

    // An archive with another number of pictures than known gets no name, and leaves nothing half made.
    let mut place = Place::new();
    let set = FileSet { files: vec![pictures_of(&archive(), 4)], ..small() };
    let error = format!("{:#}", place.make(&set, false).unwrap_err());
    assert!(
        error.contains("small.tgz can't be used") && error.contains("3 pictures of 2 people, expected 4"),
        "{error}"
    );
    assert_eq!(place.names(), ["downloads/small.tgz"]);
}

#[test]
fn damaged_archives_leave_no_folder() {
    let mut place = Place::new();
    let archive = archive();
    let cut = &archive[..archive.len() - 10];
    let set = FileSet { files: vec![pictures_of(cut, 3)], ..small() };
    place.write("downloads/small.tgz", cut);
    let error = format!("{:#}", place.make(&set, true).unwrap_err());
    assert!(error.contains("can't unpack") && error.contains("small.tgz"), "{error}");
    assert_eq!(place.names(), ["downloads/small.tgz"]);
    assert!(!place.path("small/.images.part").exists());
}

#[test]
fn two_downloads_at_once() {
    let (mut place, set) = (Place::new(), small());
    let lock = Installation { data: place.root.path(), set: &set }.lock().unwrap();
    let error = format!("{:#}", place.make(&set, false).unwrap_err());
    assert!(error.contains("another download into"), "{error}");
    drop(lock);

    // The command asks nobody for anything while another one does, and needs no lock where nothing is missing.
    let client = Client::new(Patience::default(), None);
    let mirror = place.server.address("mirror/");
    let source = Source::Network { client: &client, mirror: Some(&mirror) };
    let data = place.root.path().to_owned();
    let installation = Installation { data: &data, set: &set };
    let mut states = [Missing; 2];
    let lock = installation.lock().unwrap();
    let error = super::super::complete(&installation, &source, &mut states).unwrap_err();
    assert!(format!("{error:#}").contains("another download into"), "{error:#}");
    assert!(place.server.requests().is_empty() && states == [Missing; 2]);
    drop(lock);
    super::super::complete(&installation, &source, &mut states).unwrap();
    assert_eq!(states, [Downloaded; 2]);
    place.assert_complete();
    let _lock = installation.lock().unwrap();
    super::super::complete(&installation, &source, &mut states).unwrap();
    assert_eq!(states, [Present; 2]);
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let (mut place, set) = (Place::new(), small());
    fs::create_dir_all(place.path("downloads/.lock")).unwrap();
    let error = format!("{:#}", place.make(&set, false).unwrap_err());
    assert!(error.contains("can't write") && error.contains(".lock") && error.contains("--data"), "{error}");

    // A file where a folder should be.
    for (file, named) in [("downloads", "downloads/.lock"), ("small", "small/images")] {
        let mut place = Place::new();
        place.write(file, b"mine");
        let error = format!("{:#}", place.make(&set, false).unwrap_err());
        assert!(error.contains(&place.path(named).display().to_string()), "{error}");
        assert_eq!(fs::read(place.path(file)).unwrap(), b"mine");
    }
}

#[test]
fn wrong_bytes_from_the_mirror_end_with_all_addresses_named() {
    let mut place = Place::new();
    let mut set = small();
    place.server = Server::start(|request, stream| serve(request, stream, &vec![1; archive().len()]));
    set.files[0].addresses = vec![place.server.address("first"), place.server.address("second")];
    let error = format!("{:#}", place.make(&set, false).unwrap_err());
    for address in ["mirror/small.tgz", "first", "second"] {
        assert!(error.contains(&format!("{}: wrong bytes", place.server.address(address))), "{error}");
    }
    assert!(error.contains(&place.path("downloads/small.tgz").display().to_string()), "{error}");
    assert!(place.names().is_empty() && !part_of(&place.path("downloads/small.tgz")).exists());
}

#[test]
fn olivetti_can_be_trained_on() {
    let file = olivetti::tests::faces(400);
    let mut set = super::super::catalogue::file_set("olivetti").unwrap();
    set.files[0].sha256 = sha256(&file);
    let mut place = Place::new();
    let served = file.clone();
    place.server = Server::start(move |request, stream| serve(request, stream, &served));
    assert_eq!(place.make(&set, false).unwrap(), [Downloaded]);
    assert_eq!(place.states(&set).unwrap(), [Present]);
    assert_eq!(place.names().len(), 401);

    let dataset = DatasetLoader::new(&DatasetSource::Olivetti, [64, 64]).data(place.root.path()).load().unwrap();
    assert_eq!(dataset.training.faces.dim(), (260, 64, 64, 3));
    assert_eq!((dataset.unseen.people[0].as_str(), dataset.unseen.pictures[9].as_str()), ("s31", "s31/10.png"));
    // The 10th picture of the 31st person is the 310th column.
    assert_eq!(dataset.unseen.faces[[9, 3, 60, 1]], olivetti::tests::grey(309, 3, 60));
}
