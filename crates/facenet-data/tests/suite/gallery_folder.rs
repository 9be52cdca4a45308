//! Folders of known people.

use std::fs;
use std::path::Path;

use facenet_data::{Error, GalleryFolder, PassedOverReason};
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

fn passed_over(gallery: &GalleryFolder, folder: &Path) -> Vec<(String, PassedOverReason)> {
    let name = |path: &Path| path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
    let mut all: Vec<_> = gallery.passed_over.iter().map(|entry| (name(&entry.path), entry.reason)).collect();
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

#[test]
fn everything_in_a_gallery_is_accounted_for() {
    let folder = folder(&[
        (".hidden/1.pgm", IMAGE),
        ("Ann/.1.pgm", IMAGE),
        ("Ann/1.pgm", IMAGE),
        ("Ann/2019/1.pgm", IMAGE),
        ("Ann/damaged.jpg", b"notes"),
        ("Ann/notes.txt", b"notes"),
        ("Ann/photo", IMAGE),
        ("Bob/1.heic", HEIC),
        ("Bob/1.pgm", IMAGE),
        ("Eve/1.heic", HEIC),
        ("README", b"notes"),
        ("stray.pgm", IMAGE),
    ]);
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    let gallery = GalleryFolder::read(folder.path()).unwrap();
    assert_eq!(gallery.set.people, ["Ann", "Bob", "Eve"]);
    let images = ["Ann/1.pgm", "Ann/damaged.jpg", "Ann/photo", "Bob/1.heic", "Bob/1.pgm", "Eve/1.heic"];
    assert_eq!(gallery.set.images, images.map(|image| folder.path().join(image)));
    assert_eq!(gallery.set.identities, [0, 0, 0, 1, 1, 2]);
    let expected = [
        (".hidden", PassedOverReason::Hidden),
        ("Ann/.1.pgm", PassedOverReason::Hidden),
        ("Ann/2019", PassedOverReason::NestedFolder),
        ("lost+found", PassedOverReason::WithoutPhotos),
        ("stray.pgm", PassedOverReason::OutsidePeople),
    ];
    assert_eq!(passed_over(&gallery, folder.path()), expected.map(|(name, reason)| (name.to_owned(), reason)));
    assert_eq!(gallery.other_files, 2);
    assert!(gallery.unreadable.is_empty());
}

#[test]
fn a_gallery_needs_a_person() {
    let absent = Path::new("no/such/folder");
    assert!(matches!(GalleryFolder::read(absent), Err(Error::MissingFolder { path }) if path == absent));
    let nobody = folder(&[("1.pgm", IMAGE)]);
    assert!(matches!(GalleryFolder::read(nobody.path()), Err(Error::NoPeople { path }) if path == nobody.path()));
    let empty = folder(&[("Ann/notes", b"notes")]);
    let error = GalleryFolder::read(empty.path()).unwrap_err();
    assert!(matches!(error, Error::PersonWithoutImages { path } if path == empty.path().join("Ann")));
    // One is enough.
    assert_eq!(GalleryFolder::read(folder(&[("Ann/1.pgm", IMAGE)]).path()).unwrap().set.people, ["Ann"]);
}

#[test]
fn folders_with_one_name_in_two_normalization_forms_are_one_person() {
    let (composed, decomposed) = ("Zo\u{eb}/1.pgm", "Zoe\u{308}/2.pgm");
    let gallery = folder(&[(composed, IMAGE), (decomposed, IMAGE), ("Zoe/1.pgm", IMAGE)]);
    let set = GalleryFolder::read(gallery.path()).unwrap().set;
    assert_eq!((set.people.len(), &set.identities[..]), (2, &[0, 1, 1][..]));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::unprivileged::repeat_unprivileged;

    #[test]
    fn links_to_people_are_followed_once() {
        let outside = folder(&[("1.pgm", IMAGE)]);
        let folder = folder(&[("Bob/1.pgm", IMAGE)]);
        let link = |target: &Path, name: &str| symlink(target, folder.path().join(name)).unwrap();
        link(Path::new("Bob"), "Alias");
        link(outside.path(), "Cat");
        link(outside.path(), "Dan");
        link(Path::new("."), "Self");
        link(Path::new(".."), "Bob/up");
        link(Path::new("absent"), "Eve");
        let gallery = GalleryFolder::read(folder.path()).unwrap();
        assert_eq!(gallery.set.people, ["Bob", "Cat"]);
        let expected = [
            ("Alias", PassedOverReason::VisitedFolder),
            ("Bob/up", PassedOverReason::NestedFolder),
            ("Dan", PassedOverReason::VisitedFolder),
            ("Self", PassedOverReason::VisitedFolder),
        ];
        assert_eq!(passed_over(&gallery, folder.path()), expected.map(|(name, reason)| (name.to_owned(), reason)));
        assert_eq!(gallery.unreadable.len(), 1);
        assert!(gallery.unreadable[0].to_string().contains("Eve: broken symbolic link"), "{}", gallery.unreadable[0]);

        let nobody = self::folder(&[]);
        symlink("absent", nobody.path().join("Eve")).unwrap();
        let error = GalleryFolder::read(nobody.path()).unwrap_err();
        assert!(matches!(error, Error::Io { path, .. } if path == nobody.path().join("Eve")));
    }

    #[test]
    fn an_unreadable_person_is_named_and_the_others_are_read() {
        let folder = folder(&[("Ann/1.pgm", IMAGE), ("Bob/1.pgm", IMAGE)]);
        let bob = folder.path().join("Bob");
        let set = |mode| fs::set_permissions(&bob, fs::Permissions::from_mode(mode)).unwrap();
        set(0o000);
        let denied = fs::read_dir(&bob).is_err();
        let gallery = GalleryFolder::read(folder.path());
        set(0o700);
        if !denied {
            repeat_unprivileged("gallery_folder::unix::an_unreadable_person_is_named_and_the_others_are_read");
            return;
        }
        let gallery = gallery.unwrap();
        assert_eq!(gallery.set.people, ["Ann"]);
        assert_eq!(gallery.unreadable.len(), 1);
        assert_eq!(gallery.unreadable[0].path, bob);
    }
}
