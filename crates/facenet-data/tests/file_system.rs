//! What file systems hold beside pictures in folders: pipes, links, strange names, very many files, and data that change
//! while they are read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use facenet_data::{Crop, Error, FaceSet, LoadOptions, load_faces, shown};
use ndarray::Array4;
use tempfile::TempDir;

const PICTURE: &[u8] = b"P5 1 1 255 \x07";

/// A folder with files that hold a tiny picture each.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, PICTURE).unwrap();
    }
    folder
}

fn load(set: &FaceSet) -> Result<Array4<u8>, Error> {
    load_faces(&set.pictures, &Crop::Whole, [2, 2], &LoadOptions::default())
}

#[test]
fn names_are_shown_on_one_line() {
    for (name, expected) in [
        ("Zoë 1.jpg", "Zoë 1.jpg"),
        ("\u{1b}[31mred\u{7}\u{9b}2J", r"\u{1b}[31mred\u{7}\u{9b}2J"),
        ("a\r\nb\t\0", r"a\r\nb\t\u{0}"),
        (r#"quotes " ' \"#, r#"quotes " ' \"#),
        ("", ""),
    ] {
        assert_eq!(shown(name), expected);
    }
    assert_eq!(shown(Path::new("s1/2.pgm")), "s1/2.pgm");
}

/// The data change after the first picture was read, on one thread, so that the last one has not been read yet.
#[track_caller]
fn change(alter: impl Fn(&Path) + Sync) -> (PathBuf, Result<Array4<u8>, Error>) {
    let folder = folder(&["a/1.pgm", "a/2.pgm", "b/1.pgm", "b/2.pgm"]);
    let set = FaceSet::from_folders(folder.path()).unwrap();
    let last = set.pictures.last().unwrap().clone();
    let altered = AtomicBool::new(false);
    let progress = |_| {
        if !altered.swap(true, Ordering::Relaxed) {
            alter(&last);
        }
    };
    let options = LoadOptions { progress: Some(&progress), ..LoadOptions::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let loaded = pool.install(|| load_faces(&set.pictures, &Crop::Whole, [2, 2], &options));
    assert!(altered.into_inner());
    (last, loaded)
}

#[test]
fn a_data_set_that_changes_while_it_is_read() {
    let named = |(last, loaded): (PathBuf, Result<Array4<u8>, Error>)| {
        let error = loaded.unwrap_err();
        assert!(error.to_string().contains(&last.display().to_string()), "{error}");
        error
    };
    let vanished = named(change(|picture| fs::remove_file(picture).unwrap()));
    assert!(matches!(vanished, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
    let (_, with_its_folder) = change(|picture| fs::remove_dir_all(picture.parent().unwrap()).unwrap());
    assert!(matches!(with_its_folder, Err(Error::Io { path, .. }) if path.ends_with("b/1.pgm")));
    let truncated = named(change(|picture| fs::write(picture, &PICTURE[..PICTURE.len() - 1]).unwrap()));
    assert!(matches!(truncated, Error::Truncated { .. }));
    let emptied = named(change(|picture| fs::write(picture, "").unwrap()));
    assert!(matches!(emptied, Error::EmptyPicture { .. }));
    let rewritten = named(change(|picture| fs::write(picture, "notes").unwrap()));
    assert!(matches!(rewritten, Error::UnknownFormat { .. }));
    let replaced = named(change(|picture| {
        fs::remove_file(picture).unwrap();
        fs::create_dir(picture).unwrap();
    }));
    assert!(matches!(replaced, Error::Io { .. }));
    let too_long = named(change(|picture| {
        fs::File::options().write(true).open(picture).unwrap().set_len(facenet_data::MAX_FILE_BYTES + 1).unwrap();
    }));
    assert!(matches!(too_long, Error::FileTooLong { .. }));

    // What is appended to a picture, and another picture in its place, are no damage.
    change(|picture| fs::write(picture, [PICTURE, &[9; 100_000]].concat()).unwrap()).1.unwrap();
    let (_, loaded) = change(|picture| fs::write(picture, b"P5 1 1 255 \x63").unwrap());
    assert_eq!(loaded.unwrap()[[3, 0, 0, 0]], 0x63);
}

#[test]
fn many_files_in_one_folder() {
    const FILES: usize = 100_000;
    // In memory, where that can be: a disk takes seconds to make so many.
    let memory = Path::new("/dev/shm");
    let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
    let [person, other] = ["a", "b"].map(|name| folder.path().join(name));
    for person in [&person, &other] {
        fs::create_dir(person).unwrap();
        fs::write(person.join("0.pgm"), PICTURE).unwrap();
    }
    (1..FILES).for_each(|number| fs::write(person.join(format!("{number}.pgm")), "").unwrap());
    let start = Instant::now();
    let set = FaceSet::from_folders(folder.path()).unwrap();
    let took = start.elapsed();
    println!("{FILES} pictures listed in {took:?}");
    assert_eq!(set.pictures_of(0), 0..FILES);
    for number in [0, 9, 10, FILES / 2, FILES - 1] {
        assert_eq!(set.pictures[number], person.join(format!("{number}.pgm")));
    }
    // Far more than it takes.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use facenet_data::{PairList, PeopleList, open_regular_file, read_picture};

    use super::*;

    fn make_pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// The error of a folder's people or of their pictures, whichever comes first.
    fn refused(folder: &Path) -> Error {
        match FaceSet::from_folders(folder) {
            Ok(set) => load(&set).unwrap_err(),
            Err(error) => error,
        }
    }

    /// Each of these would wait for ever, or never end, if it were read.
    #[test]
    fn what_is_no_file_is_not_opened() {
        let folder = folder(&["a/1.pgm", "b/1.pgm"]);
        let path = folder.path().join("b/2.pgm");
        let make: [fn(&Path); 4] = [
            make_pipe,
            |path| symlink("/dev/zero", path).unwrap(),
            |path| {
                make_pipe(&path.with_extension("pipe"));
                symlink("2.pipe", path).unwrap();
            },
            |path| drop(UnixListener::bind(path).unwrap()),
        ];
        for make in make {
            make(&path);
            let error = refused(folder.path());
            assert!(matches!(&error, Error::Io { path: named, .. } if *named == path), "{error}");
            assert!(error.to_string().contains("where a file should be"), "{error}");
            for error in [
                PairList::read(&path).unwrap_err(),
                PeopleList::read(&path).unwrap_err(),
                read_picture(&path).unwrap_err(),
            ] {
                assert!(matches!(&error, Error::Io { path: named, .. } if *named == path), "{error}");
            }
            assert_eq!(open_regular_file(&path).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
            fs::remove_file(&path).unwrap();
        }
        let (last, loaded) = change(|picture| {
            fs::remove_file(picture).unwrap();
            make_pipe(picture);
        });
        assert!(matches!(loaded, Err(Error::Io { path, .. }) if path == last));
    }

    #[test]
    fn links_that_lead_nowhere_are_named() {
        for (link, target, named) in [
            // Pictures.
            ("b/2.pgm", "2.pgm", "b/2.pgm"),
            ("b/2.pgm", "nowhere", "b/2.pgm"),
            ("b/2.pgm", "1.pgm/below", "b/2.pgm"),
            // People: a disk that is not mounted must not make them strangers.
            ("c", "c", "c"),
            ("c", "nowhere", "c"),
        ] {
            let folder = folder(&["a/1.pgm", "b/1.pgm"]);
            symlink(target, folder.path().join(link)).unwrap();
            let error = refused(folder.path());
            let named = folder.path().join(named);
            assert!(matches!(&error, Error::Io { path, .. } if *path == named), "{link} to {target}: {error}");
            assert!(error.to_string().contains("leads nowhere"), "{error}");
        }
        let folder = folder(&["a/1.pgm", "b/1.pgm"]);
        symlink("d", folder.path().join("c")).unwrap();
        symlink("c", folder.path().join("d")).unwrap();
        assert!(matches!(refused(folder.path()), Error::Io { path, .. } if path.ends_with("c")));
    }

    #[test]
    fn links_that_lead_somewhere() {
        let outside = folder(&["1.pgm", "2.pgm"]);
        let folder = folder(&["a/1.pgm", "b/1.pgm"]);
        symlink(outside.path(), folder.path().join("c")).unwrap();
        symlink(outside.path().join("1.pgm"), folder.path().join("b/2.pgm")).unwrap();
        // Files beside the people, and folders within theirs, are passed over: nothing goes in a circle.
        symlink("a/1.pgm", folder.path().join("3.pgm")).unwrap();
        symlink("..", folder.path().join("a/up")).unwrap();
        symlink("..", folder.path().join("a/up.pgm")).unwrap();
        let set = FaceSet::from_folders(folder.path()).unwrap();
        assert_eq!(
            (&set.people[..], &set.identities[..]),
            (&["a", "b", "c"].map(String::from)[..], &[0, 1, 1, 2, 2][..])
        );
        load(&set).unwrap();
        // The folder itself as one of its people has no pictures of its own.
        fs::remove_file(folder.path().join("3.pgm")).unwrap();
        symlink(".", folder.path().join("d")).unwrap();
        let error = FaceSet::from_folders(folder.path()).unwrap_err();
        assert!(matches!(error, Error::EmptyPerson { path } if path == folder.path().join("d")));
    }

    /// Not every file system takes such names.
    fn people_of(names: &[&[u8]]) -> Option<TempDir> {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let person = folder.path().join(OsStr::from_bytes(name));
            if fs::create_dir(&person).is_err() {
                println!("skipped: no folder can be called {}", shown(&person));
                return None;
            }
            fs::write(person.join(OsStr::from_bytes(b"\xe9.pgm")), PICTURE).unwrap();
        }
        Some(folder)
    }

    #[test]
    fn names_that_are_not_utf_8() {
        let Some(folder) = people_of(&[b"Jos\xe9", b"Jos\xe8", b"Jos\xc3\xa9", b"s10\xff", b"s9\xff"]) else { return };
        let set = FaceSet::from_folders(folder.path()).unwrap();
        assert_eq!(set.people, ["José", r"Jos\xe8", r"Jos\xe9", r"s9\xff", r"s10\xff"]);
        assert_eq!(set.identities, [0, 1, 2, 3, 4]);
        load(&set).unwrap();
        fs::write(&set.pictures[1], "letter").unwrap();
        let error = load(&set).unwrap_err();
        assert!(error.to_string().ends_with(r"Jos\xe8/\xe9.pgm is not a JPEG, PNG or PNM picture"), "{error}");
    }

    #[test]
    fn names_that_would_steer_a_terminal() {
        let Some(folder) = people_of(&[b"\x1b[2Jx", b"two\nlines", b"\"'", b"\xc2\x9b"]) else { return };
        let set = FaceSet::from_folders(folder.path()).unwrap();
        let people: BTreeSet<&str> = set.people.iter().map(String::as_str).collect();
        assert_eq!(people, BTreeSet::from([r"\u{1b}[2Jx", r"two\nlines", "\"'", r"\u{9b}"]));
        for (person, picture) in set.pictures.iter().enumerate() {
            fs::write(picture, "letter").unwrap();
            let error = load(&set).unwrap_err().to_string();
            assert!(error.contains(&set.people[person]) && !error.contains(char::is_control), "{error:?}");
            fs::write(picture, PICTURE).unwrap();
        }
    }

    #[test]
    fn long_names() {
        let long = "x".repeat(255);
        let picture = format!("{}.pgm", "y".repeat(251));
        let folder = folder(&["a/1.pgm", &format!("{long}/{picture}")]);
        let set = FaceSet::from_folders(folder.path()).unwrap();
        assert_eq!(set.people, ["a", &long]);
        load(&set).unwrap();

        let too_long = folder.path().join("z".repeat(256));
        let error = FaceSet::from_folders(&too_long).unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if *path == too_long), "{error}");
        let too_deep = folder.path().join("d/".repeat(5000)).join("1.pgm");
        let error = read_picture(&too_deep).unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if *path == too_deep), "{error}");
        let list = format!("2\n{0}\t1\nb\t1\n", "n".repeat(5000));
        let list = PeopleList::parse(&list, Path::new("people.txt")).unwrap();
        assert!(matches!(FaceSet::from_people_list(&list, folder.path()), Err(Error::MissingPicture { line: 2, .. })));
    }
}
