//! What a folder holds: every entry is accounted for.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::{Error, FolderContents, PassedOver, PassedOverReason, photos_below, read_image};
use tempfile::TempDir;

const IMAGE: &[u8] = b"P5 1 1 255 \x07";
const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, content) in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// The photos and what is passed over, relative to the folder and with `/` as separator.
fn relative(contents: &FolderContents, folder: &Path) -> (Vec<String>, Vec<(String, PassedOverReason)>) {
    let name = |path: &PathBuf| {
        path.strip_prefix(folder).unwrap().iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("/")
    };
    let photos = contents.photos.iter().map(name).collect();
    let passed_over = contents.passed_over.iter().map(|PassedOver { path, reason }| (name(path), *reason)).collect();
    (photos, passed_over)
}

/// Asserts what is found below a folder in which everything can be read.
#[track_caller]
fn assert_found(folder: &Path, photos: &[&str], passed_over: &[(&str, PassedOverReason)], other_files: usize) {
    let contents = photos_below(folder).unwrap();
    let found = relative(&contents, folder);
    assert_eq!(found.0, photos);
    assert_eq!(found.1.iter().map(|(path, reason)| (path.as_str(), *reason)).collect::<Vec<_>>(), passed_over);
    assert_eq!(contents.other_files, other_files);
    assert!(contents.unreadable.is_empty(), "{:?}", contents.unreadable);
}

#[test]
fn photos_are_recognized_by_content() {
    let names = ["photo", "x.HIF", "x.dng", "x.jpg?width=600", "x.jpg_large", "x.mpo", "x.txt"];
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        if fs::write(folder.path().join(name), IMAGE).is_err() {
            println!("skipped: no file can be called {name}");
            return;
        }
    }
    assert_found(folder.path(), &names, &[], 0);
    photos_below(folder.path()).unwrap().photos.iter().for_each(|photo| drop(read_image(photo).unwrap()));
}

#[test]
fn damaged_images_are_photos_and_other_files_are_counted() {
    let folder = folder(&[
        ("Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("a/empty", b""),
        ("a/empty.JPG", b""),
        ("a/letter.png", b"Dear Ann"),
        ("a/movie.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isommp42"),
        ("a/photo.jpg.json", b"{}"),
        ("a/short", b"\x89PNG"),
        ("b/1.heic", HEIC),
        ("b/1.jpg", HEIC),
        ("b/1.jxl", b"\xff\x0a\0\0"),
    ]);
    let photos = ["a/empty.JPG", "a/letter.png", "a/short", "b/1.heic", "b/1.jpg", "b/1.jxl"];
    assert_found(folder.path(), &photos, &[], 4);
    // Loading says what is wrong with them.
    for photo in photos.map(|photo| folder.path().join(photo)) {
        assert!(read_image(&photo).unwrap_err().to_string().contains(&photo.display().to_string()));
    }
}

#[test]
fn photos_are_in_natural_order_folder_by_folder() {
    let files = ["10.pgm", "2.pgm", "s 1/1.pgm", "s/1.pgm", "s/t/1.pgm", "s10/1.pgm", "s2/1.pgm", "s2/b/1.pgm"];
    let folder = folder(&files.map(|file| (file, IMAGE)));
    let expected = ["2.pgm", "10.pgm", "s/1.pgm", "s/t/1.pgm", "s 1/1.pgm", "s2/1.pgm", "s2/b/1.pgm", "s10/1.pgm"];
    assert_found(folder.path(), &expected, &[], 0);
}

#[test]
fn hidden_entries_are_passed_over_by_name_unless_they_are_no_images() {
    let folder = folder(&[
        (".DS_Store", b"\0\0\0\x01Bud1"),
        (".git/config", b"[core]"),
        (".photo", IMAGE),
        (".photo.heic", HEIC),
        (".trash/1.pgm", IMAGE),
        // AppleDouble.
        ("._1.pgm", b"\0\x05\x16\x07\0\x02\0\0Mac OS X"),
        (".empty.jpg", b""),
        ("1.pgm", IMAGE),
    ]);
    let hidden = [".git", ".photo", ".photo.heic", ".trash"].map(|name| (name, PassedOverReason::Hidden));
    let contents = photos_below(folder.path()).unwrap();
    let (photos, mut passed_over) = relative(&contents, folder.path());
    passed_over.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(photos, ["1.pgm"]);
    assert_eq!(passed_over, hidden.map(|(name, reason)| (name.to_owned(), reason)));
    assert_eq!(contents.other_files, 3);
    // What is asked for by name is not hidden.
    assert_found(&folder.path().join(".trash"), &["1.pgm"], &[], 0);
}

#[test]
fn folders_nested_too_deep_are_passed_over_and_the_rest_is_read() {
    let deepest = vec!["d"; 64].join("/");
    let (within, below) = (format!("{deepest}/1.pgm"), format!("{deepest}/e/1.pgm"));
    let folder = folder(&[("1.pgm", IMAGE), (&within, IMAGE), (&below, IMAGE), ("z/1.pgm", IMAGE)]);
    let too_deep = format!("{deepest}/e");
    assert_found(folder.path(), &["1.pgm", &within, "z/1.pgm"], &[(&too_deep, PassedOverReason::TooDeep)], 0);
}

#[test]
fn only_the_folder_itself_must_be_readable() {
    let folder = folder(&[("1.pgm", IMAGE)]);
    for path in [folder.path().join("absent"), folder.path().join("1.pgm")] {
        assert!(matches!(photos_below(&path), Err(Error::MissingFolder { path: named }) if named == path));
    }
    let empty = tempfile::tempdir().unwrap();
    assert_found(empty.path(), &[], &[], 0);
}

#[test]
fn reasons_are_words() {
    for (reason, words) in [
        (PassedOverReason::Hidden, "hidden"),
        (PassedOverReason::NotRegularFile, "neither a file nor a folder"),
        (PassedOverReason::VisitedFolder, "this folder was read already through another path"),
        (PassedOverReason::TooDeep, "nested more than 64 folders deep"),
        (PassedOverReason::OutsidePeople, "not in a person's folder"),
        (PassedOverReason::NestedFolder, "a folder within a person's folder"),
        (PassedOverReason::WithoutPhotos, "no photos in this folder can be read"),
    ] {
        assert_eq!(reason.to_string(), words);
        let passed_over = PassedOver { path: PathBuf::from("a\n"), reason };
        assert_eq!(passed_over.to_string(), format!(r"a\n: {words}"));
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;
    use crate::unprivileged::repeat_unprivileged;

    const VISITED: PassedOverReason = PassedOverReason::VisitedFolder;

    #[test]
    fn a_folder_of_links_to_folders_is_read() {
        let photos = folder(&[("1.pgm", IMAGE), ("deep/2.pgm", IMAGE)]);
        let folder = folder(&[]);
        symlink(photos.path(), folder.path().join("holiday")).unwrap();
        assert_found(folder.path(), &["holiday/1.pgm", "holiday/deep/2.pgm"], &[], 0);
        // And if it is itself given as a link.
        let link = photos.path().join("link");
        symlink(folder.path(), &link).unwrap();
        assert_found(&link, &["holiday/1.pgm", "holiday/deep/2.pgm"], &[("holiday/link", VISITED)], 0);
    }

    #[test]
    fn each_folder_is_read_once() {
        let outside = folder(&[("x/1.pgm", IMAGE)]);
        let folder = folder(&[("1.pgm", IMAGE), ("b/1.pgm", IMAGE), ("b/c/1.pgm", IMAGE)]);
        let link = |target: &Path, name: &str| symlink(target, folder.path().join(name)).unwrap();
        // The path without links is preferred, wherever it comes in the order.
        link(Path::new("b"), "a");
        link(Path::new("../.."), "b/c/top");
        link(Path::new(".."), "b/up");
        link(Path::new("."), "b/self");
        // Of several links the first; a folder within a linked one, and linked itself.
        link(outside.path(), "o1");
        link(outside.path(), "o2");
        link(&outside.path().join("x"), "o3");
        // Two linked folders that refer to each other.
        symlink(folder.path(), outside.path().join("back")).unwrap();
        let passed_over = ["a", "b/self", "b/up", "b/c/top", "o1/back", "o2", "o3"].map(|path| (path, VISITED));
        let contents = photos_below(folder.path()).unwrap();
        let (photos, found) = relative(&contents, folder.path());
        assert_eq!(photos, ["1.pgm", "b/1.pgm", "b/c/1.pgm", "o1/x/1.pgm"]);
        let mut found: Vec<_> = found.iter().map(|(path, reason)| (path.as_str(), *reason)).collect();
        let mut expected = passed_over.to_vec();
        found.sort_unstable_by_key(|(path, _)| *path);
        expected.sort_unstable_by_key(|(path, _)| *path);
        assert_eq!(found, expected);
    }

    #[test]
    fn links_in_circles_and_to_the_parent_of_the_folder_end() {
        let root = folder(&[("p/1.pgm", IMAGE), ("q/2.pgm", IMAGE)]);
        let photos = root.path().join("p");
        symlink("..", photos.join("up")).unwrap();
        symlink("../../p", root.path().join("q/p")).unwrap();
        symlink("../p/up", root.path().join("q/up")).unwrap();
        let contents = photos_below(&photos).unwrap();
        let (found, passed_over) = relative(&contents, &photos);
        assert_eq!(found, ["1.pgm", "up/q/2.pgm"]);
        assert_eq!(passed_over, [("up/p".to_owned(), VISITED), ("up/q/up".to_owned(), VISITED)]);
        // `q/p` leads out of the temporary folder, to nothing.
        assert_eq!(contents.unreadable.len(), 1);
        assert!(contents.unreadable[0].path.ends_with("up/q/p"));
    }

    #[test]
    fn links_to_files_are_photos_of_their_own() {
        let folder = folder(&[("album/1.pgm", IMAGE), ("notes", b"notes")]);
        for album in ["first", "second"] {
            fs::create_dir(folder.path().join(album)).unwrap();
            symlink("../album/1.pgm", folder.path().join(album).join("link")).unwrap();
        }
        symlink("notes", folder.path().join("link")).unwrap();
        assert_found(folder.path(), &["album/1.pgm", "first/link", "second/link"], &[], 2);
    }

    #[test]
    fn broken_links_are_unreadable() {
        let folder = folder(&[("1.pgm", IMAGE)]);
        for (link, target) in [("2.pgm", "absent"), ("3", "3"), ("4.pgm", "1.pgm/below"), (".hidden", "absent")] {
            symlink(target, folder.path().join(link)).unwrap();
        }
        let contents = photos_below(folder.path()).unwrap();
        assert_eq!(contents.photos, [folder.path().join("1.pgm")]);
        assert_eq!(relative(&contents, folder.path()).1, [(".hidden".to_owned(), PassedOverReason::Hidden)]);
        let names: Vec<_> = contents.unreadable.iter().map(|entry| entry.path.file_name().unwrap()).collect();
        assert_eq!(names, ["2.pgm", "3", "4.pgm"]);
        for entry in &contents.unreadable {
            let text = entry.to_string();
            assert!(
                text.contains(&entry.path.display().to_string()) && text.contains("broken symbolic link"),
                "{text}"
            );
        }
    }

    /// Opening a pipe would block, and reading some devices would never end.
    #[test]
    fn pipes_sockets_and_devices_are_never_opened() {
        let folder = folder(&[("1.pgm", IMAGE)]);
        let path = |name: &str| folder.path().join(name);
        assert!(Command::new("mkfifo").args([path("pipe"), path("pipe.jpg")]).status().unwrap().success());
        let _socket = UnixListener::bind(path("socket.png")).unwrap();
        for (link, target) in [("zero.jpg", "/dev/zero"), ("null", "/dev/null"), ("link", "pipe")] {
            symlink(target, path(link)).unwrap();
        }
        let special = ["link", "null", "pipe", "pipe.jpg", "socket.png", "zero.jpg"];
        let special = special.map(|name| (name, PassedOverReason::NotRegularFile));
        assert_found(folder.path(), &["1.pgm"], &special, 0);
    }

    #[test]
    fn unreadable_folders_and_files_stop_nothing() {
        let folder = folder(&[
            ("a/1.pgm", IMAGE),
            ("a/2", IMAGE),
            ("a/empty", b""),
            ("lost+found/1.pgm", IMAGE),
            ("names/1.pgm", IMAGE),
            ("z/1.pgm", IMAGE),
        ]);
        let locked = [("a/2", 0o000), ("lost+found", 0o000), ("names", 0o400)];
        let set = |path: &str, mode| {
            fs::set_permissions(folder.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        locked.iter().for_each(|(path, mode)| set(path, *mode));
        let denied = fs::read_dir(folder.path().join("lost+found")).is_err();
        let contents = denied.then(|| photos_below(folder.path()).unwrap());
        // The folder is to be removed.
        locked.iter().for_each(|(path, _)| set(path, 0o700));
        let Some(contents) = contents else {
            repeat_unprivileged("folder_walk::unix::unreadable_folders_and_files_stop_nothing");
            return;
        };
        assert_eq!(relative(&contents, folder.path()).0, ["a/1.pgm", "z/1.pgm"]);
        let unreadable: Vec<_> = contents.unreadable.iter().map(|entry| entry.path.clone()).collect();
        assert_eq!(unreadable, ["a/2", "lost+found", "names/1.pgm"].map(|name| folder.path().join(name)));
        for entry in &contents.unreadable {
            assert!(entry.to_string().contains(&entry.path.display().to_string()), "{entry}");
            let denied = matches!(&entry.error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied);
            assert!(denied, "{entry}");
        }
        assert_eq!(contents.other_files, 1);
        assert!(contents.passed_over.is_empty());
    }
}
