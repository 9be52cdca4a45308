//! File system edge cases: pipes, links, unusual names, very many files, files that change while
//! they are read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use facenet_data::{Crop, Error, FaceExtraction, FaceSet, LoadOptions, escape_path, load_faces};
use ndarray::Array4;
use tempfile::TempDir;

const IMAGE: &[u8] = b"P5 1 1 255 \x07";

/// A folder of files, each of which is a tiny image.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, IMAGE).unwrap();
    }
    folder
}

fn load(set: &FaceSet) -> Result<Array4<u8>, Error> {
    load_faces(&set.images, &FaceExtraction::crop(Crop::Whole, [2, 2]), &LoadOptions::default())
}

#[test]
fn escaped_names_are_on_one_line() {
    for (name, expected) in [
        ("Zoë 1.jpg", "Zoë 1.jpg"),
        ("\u{1b}[31mred\u{7}\u{9b}2J", r"\u{1b}[31mred\u{7}\u{9b}2J"),
        ("a\r\nb\t\0", r"a\r\nb\t\u{0}"),
        (r#"quotes " ' \"#, r#"quotes " ' \"#),
        ("", ""),
    ] {
        assert_eq!(escape_path(name), expected);
    }
    assert_eq!(escape_path(Path::new("s1/2.pgm")), "s1/2.pgm");
}

/// Alters the last image after the first one was read, on one thread, so that the last one has not
/// been read yet.
#[track_caller]
fn change(alter: impl Fn(&Path) + Sync) -> (PathBuf, Result<Array4<u8>, Error>) {
    let folder = folder(&["a/1.pgm", "a/2.pgm", "b/1.pgm", "b/2.pgm"]);
    let set = FaceSet::from_folders(folder.path()).unwrap();
    let last = set.images.last().unwrap().clone();
    let altered = AtomicBool::new(false);
    let progress = |_| {
        if !altered.swap(true, Ordering::Relaxed) {
            alter(&last);
        }
    };
    let options = LoadOptions { progress: Some(&progress), ..LoadOptions::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let loaded = pool.install(|| load_faces(&set.images, &FaceExtraction::crop(Crop::Whole, [2, 2]), &options));
    assert!(altered.into_inner());
    (last, loaded)
}

#[test]
fn files_that_change_during_loading_are_errors_that_name_them() {
    let named = |(last, loaded): (PathBuf, Result<Array4<u8>, Error>)| {
        let error = loaded.unwrap_err();
        assert!(error.to_string().contains(&last.display().to_string()), "{error}");
        error
    };
    let vanished = named(change(|image| fs::remove_file(image).unwrap()));
    assert!(matches!(vanished, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
    let (_, with_its_folder) = change(|image| fs::remove_dir_all(image.parent().unwrap()).unwrap());
    assert!(matches!(with_its_folder, Err(Error::Io { path, .. }) if path.ends_with("b/1.pgm")));
    let truncated = named(change(|image| fs::write(image, &IMAGE[..IMAGE.len() - 1]).unwrap()));
    assert!(matches!(truncated, Error::Truncated { .. }));
    let emptied = named(change(|image| fs::write(image, "").unwrap()));
    assert!(matches!(emptied, Error::EmptyImage { .. }));
    let rewritten = named(change(|image| fs::write(image, "notes").unwrap()));
    assert!(matches!(rewritten, Error::UnknownFormat { .. }));
    let replaced = named(change(|image| {
        fs::remove_file(image).unwrap();
        fs::create_dir(image).unwrap();
    }));
    assert!(matches!(replaced, Error::Io { .. }));
    let too_long = named(change(|image| {
        fs::File::options().write(true).open(image).unwrap().set_len(facenet_data::MAX_FILE_BYTES + 1).unwrap();
    }));
    assert!(matches!(too_long, Error::FileTooLong { .. }));

    // Appending to an image and replacing it by another are not errors.
    change(|image| fs::write(image, [IMAGE, &[9; 100_000]].concat()).unwrap()).1.unwrap();
    let (_, loaded) = change(|image| fs::write(image, b"P5 1 1 255 \x63").unwrap());
    assert_eq!(loaded.unwrap()[[3, 0, 0, 0]], 0x63);
}

#[test]
fn a_folder_of_20_000_files_is_listed_quickly() {
    const FILES: usize = 20_000;
    // In memory if possible: creating this many files on a disk takes seconds.
    let memory = Path::new("/dev/shm");
    let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
    let [person, other] = ["a", "b"].map(|name| folder.path().join(name));
    for person in [&person, &other] {
        fs::create_dir(person).unwrap();
        fs::write(person.join("0.pgm"), IMAGE).unwrap();
    }
    (1..FILES).for_each(|number| fs::write(person.join(format!("{number}.pgm")), IMAGE).unwrap());
    let start = Instant::now();
    let set = FaceSet::from_folders(folder.path()).unwrap();
    let took = start.elapsed();
    println!("{FILES} images listed in {took:?}");
    assert_eq!(set.images_of(0), 0..FILES);
    for number in [0, 9, 10, FILES / 2, FILES - 1] {
        assert_eq!(set.images[number], person.join(format!("{number}.pgm")));
    }
    // A generous bound.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use facenet_data::{PairList, PeopleList, open_regular_file, read_image};

    use super::*;

    fn make_pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// The error of listing or else of loading the people in a folder.
    fn load_error(folder: &Path) -> Error {
        match FaceSet::from_folders(folder) {
            Ok(set) => load(&set).unwrap_err(),
            Err(error) => error,
        }
    }

    /// Reading any of these would block or never end.
    #[test]
    fn only_regular_files_are_opened() {
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
            let error = load_error(folder.path());
            assert!(matches!(&error, Error::Io { path: named, .. } if *named == path), "{error}");
            assert!(error.to_string().contains("not a regular file"), "{error}");
            for error in [
                PairList::read(&path).unwrap_err(),
                PeopleList::read(&path).unwrap_err(),
                read_image(&path).unwrap_err(),
            ] {
                assert!(matches!(&error, Error::Io { path: named, .. } if *named == path), "{error}");
            }
            assert_eq!(open_regular_file(&path).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
            fs::remove_file(&path).unwrap();
        }
        let (last, loaded) = change(|image| {
            fs::remove_file(image).unwrap();
            make_pipe(image);
        });
        assert!(matches!(loaded, Err(Error::Io { path, .. }) if path == last));
    }

    #[test]
    fn broken_links_are_errors_that_name_them() {
        for (link, target, named) in [
            // Images.
            ("b/2.pgm", "2.pgm", "b/2.pgm"),
            ("b/2.pgm", "nowhere", "b/2.pgm"),
            ("b/2.pgm", "1.pgm/below", "b/2.pgm"),
            // People: an unmounted disk must not silently remove them.
            ("c", "c", "c"),
            ("c", "nowhere", "c"),
        ] {
            let folder = folder(&["a/1.pgm", "b/1.pgm"]);
            symlink(target, folder.path().join(link)).unwrap();
            let error = load_error(folder.path());
            let named = folder.path().join(named);
            assert!(matches!(&error, Error::Io { path, .. } if *path == named), "{link} to {target}: {error}");
            assert!(error.to_string().contains("broken symbolic link"), "{error}");
        }
        let folder = folder(&["a/1.pgm", "b/1.pgm"]);
        symlink("d", folder.path().join("c")).unwrap();
        symlink("c", folder.path().join("d")).unwrap();
        assert!(matches!(load_error(folder.path()), Error::Io { path, .. } if path.ends_with("c")));
    }

    #[test]
    fn links_are_followed_without_cycles() {
        let outside = folder(&["1.pgm", "2.pgm"]);
        let folder = folder(&["a/1.pgm", "b/1.pgm"]);
        symlink(outside.path(), folder.path().join("c")).unwrap();
        symlink(outside.path().join("1.pgm"), folder.path().join("b/2.pgm")).unwrap();
        // Files next to the people's folders and folders within them are ignored, so nothing is
        // cyclic.
        symlink("a/1.pgm", folder.path().join("3.pgm")).unwrap();
        symlink("..", folder.path().join("a/up")).unwrap();
        symlink("..", folder.path().join("a/up.pgm")).unwrap();
        let set = FaceSet::from_folders(folder.path()).unwrap();
        assert_eq!(
            (&set.people[..], &set.identities[..]),
            (&["a", "b", "c"].map(String::from)[..], &[0, 1, 1, 2, 2][..])
        );
        load(&set).unwrap();
        // The folder itself as one of its people contains no images.
        fs::remove_file(folder.path().join("3.pgm")).unwrap();
        symlink(".", folder.path().join("d")).unwrap();
        let error = FaceSet::from_folders(folder.path()).unwrap_err();
        assert!(matches!(error, Error::PersonWithoutImages { path } if path == folder.path().join("d")));
    }

    /// `None` if the file system does not support such names.
    fn people_of(names: &[&[u8]]) -> Option<TempDir> {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let person = folder.path().join(OsStr::from_bytes(name));
            if fs::create_dir(&person).is_err() {
                println!("skipped: no folder can be called {}", escape_path(&person));
                return None;
            }
            fs::write(person.join(OsStr::from_bytes(b"\xe9.pgm")), IMAGE).unwrap();
        }
        Some(folder)
    }

    #[test]
    fn names_that_are_not_utf_8_are_escaped() {
        let Some(folder) = people_of(&[b"Jos\xe9", b"Jos\xe8", b"Jos\xc3\xa9", b"s10\xff", b"s9\xff"]) else { return };
        let set = FaceSet::from_folders(folder.path()).unwrap();
        assert_eq!(set.people, ["José", r"Jos\xe8", r"Jos\xe9", r"s9\xff", r"s10\xff"]);
        assert_eq!(set.identities, [0, 1, 2, 3, 4]);
        load(&set).unwrap();
        fs::write(&set.images[1], "letter").unwrap();
        let error = load(&set).unwrap_err();
        assert!(error.to_string().ends_with(r"Jos\xe8/\xe9.pgm is not an image of a known format"), "{error}");
    }

    #[test]
    fn names_with_control_sequences_are_escaped() {
        let Some(folder) = people_of(&[b"\x1b[2Jx", b"two\nlines", b"\"'", b"\xc2\x9b"]) else { return };
        let set = FaceSet::from_folders(folder.path()).unwrap();
        let people: BTreeSet<&str> = set.people.iter().map(String::as_str).collect();
        assert_eq!(people, BTreeSet::from([r"\u{1b}[2Jx", r"two\nlines", "\"'", r"\u{9b}"]));
        for (person, image) in set.images.iter().enumerate() {
            fs::write(image, "letter").unwrap();
            let error = load(&set).unwrap_err().to_string();
            assert!(error.contains(&set.people[person]) && !error.contains(char::is_control), "{error:?}");
            fs::write(image, IMAGE).unwrap();
        }
    }

    #[test]
    fn long_names_work_and_too_long_ones_are_errors() {
        let long = "x".repeat(255);
        let image = format!("{}.pgm", "y".repeat(251));
        let folder = folder(&["a/1.pgm", &format!("{long}/{image}")]);
        let set = FaceSet::from_folders(folder.path()).unwrap();
        assert_eq!(set.people, ["a", &long]);
        load(&set).unwrap();

        let too_long = folder.path().join("z".repeat(256));
        let error = FaceSet::from_folders(&too_long).unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if *path == too_long), "{error}");
        let too_deep = folder.path().join("d/".repeat(5000)).join("1.pgm");
        let error = read_image(&too_deep).unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if *path == too_deep), "{error}");
        let list = format!("2\n{0}\t1\nb\t1\n", "n".repeat(5000));
        let list = PeopleList::parse(&list, Path::new("people.txt")).unwrap();
        assert!(matches!(FaceSet::from_people_list(&list, folder.path()), Err(Error::MissingImage { line: 2, .. })));
    }
}
