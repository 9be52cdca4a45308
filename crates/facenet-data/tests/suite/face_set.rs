//! Folders of people.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use facenet_data::{Crop, Error, FaceExtraction, FaceSet, LoadOptions, load_faces, natural_order};
use proptest::prelude::*;
use tempfile::TempDir;

/// A folder of files, each of which is a tiny image.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"P5 1 1 255 \x07").unwrap();
    }
    folder
}

#[test]
fn people_and_images_are_in_natural_order() {
    let folder = folder(&["s10/2.pgm", "s10/10.PGM", "s10/1.pgm", "s2/b.png", "s2/a.JPG", "s1/only.jpeg"]);
    let set = FaceSet::from_folders(folder.path()).unwrap();
    assert_eq!(set.people, ["s1", "s2", "s10"]);
    assert_eq!(set.identities, [0, 1, 1, 2, 2, 2]);
    let expected = ["s1/only.jpeg", "s2/a.JPG", "s2/b.png", "s10/1.pgm", "s10/2.pgm", "s10/10.PGM"];
    assert_eq!(set.images, expected.map(|file| folder.path().join(file)));
    assert_eq!(set.images_of(2), 3..6);
    load_faces(&set.images, &FaceExtraction::crop(Crop::Whole, [2, 2]), &LoadOptions::default()).unwrap();
}

#[test]
fn files_that_are_not_images_are_ignored() {
    let folder = folder(&[
        "README.md",
        "stray.jpg",
        ".git/x.jpg",
        "a/1.jpg",
        "a/Thumbs.db",
        "a/.2.jpg",
        "a/notes.txt",
        "a/no_extension",
        "a/folder.jpg/3.jpg",
        "b/1.jpg",
        "b/1.heic",
    ]);
    let set = FaceSet::from_folders(folder.path()).unwrap();
    let expected = ["a/1.jpg", "b/1.heic", "b/1.jpg"].map(|file| folder.path().join(file));
    assert_eq!(set.images, expected);
    // A format that can't be decoded is an error and not skipped.
    fs::write(folder.path().join("b/1.heic"), b"\0\0\0\x18ftypheic").unwrap();
    let error =
        load_faces(&set.images, &FaceExtraction::crop(Crop::Whole, [2, 2]), &LoadOptions::default()).unwrap_err();
    assert!(matches!(error, Error::UnknownFormat { path } if path == expected[1]));
}

#[test]
fn folders_that_are_no_face_set_are_errors() {
    let absent = Path::new("no/such/folder");
    assert!(matches!(FaceSet::from_folders(absent), Err(Error::MissingFolder { path }) if path == absent));

    let one = folder(&["a/1.jpg", "a/2.jpg"]);
    assert!(matches!(FaceSet::from_folders(one.path()), Err(Error::OnePerson { path }) if path == one.path()));
    let file = one.path().join("a/1.jpg");
    assert!(matches!(FaceSet::from_folders(&file), Err(Error::MissingFolder { path }) if path == file));

    let none = folder(&["1.jpg", "2.jpg"]);
    assert!(matches!(FaceSet::from_folders(none.path()), Err(Error::NoPeople { path }) if path == none.path()));

    let empty = folder(&["a/1.jpg", "b/README", "c/1.jpg"]);
    let person = empty.path().join("b");
    let error = FaceSet::from_folders(empty.path()).unwrap_err();
    assert!(error.to_string().contains(&person.display().to_string()), "{error}");
    assert!(matches!(error, Error::PersonWithoutImages { path } if path == person));
}

#[test]
fn subsets_are_renumbered_from_zero() {
    let folder = folder(&["a/1.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg", "d/1.jpg", "d/2.jpg", "d/3.jpg"]);
    let set = FaceSet::from_folders(folder.path()).unwrap();
    assert_eq!(set.subset(0..4), set);
    let last = set.subset(2..4);
    assert_eq!(last.people, ["c", "d"]);
    assert_eq!(last.identities, [0, 1, 1, 1]);
    assert_eq!(last.images, set.images[3..]);
    let chosen = set.subset([3, 0]);
    assert_eq!(chosen.people, ["d", "a"]);
    assert_eq!(chosen.identities, [0, 0, 0, 1]);
    assert_eq!(set.with_min_images(2).people, ["b", "d"]);
    assert!(set.with_min_images(4).images.is_empty());
}

/// Reference implementation: names as sequences of integers and other bytes.
fn parts(name: &str) -> Vec<(u8, u128)> {
    let mut parts = Vec::new();
    let mut rest = name.as_bytes();
    while let Some(&byte) = rest.first() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            parts.push((byte, 0));
        } else {
            // All integers sort at the position of '0' among other bytes.
            parts.push((b'0', std::str::from_utf8(&rest[..digits]).unwrap().parse().unwrap()));
        }
        rest = &rest[digits.max(1)..];
    }
    parts
}

proptest! {
    #[test]
    fn natural_order_compares_digits_as_integers(left in "[a-c0-2_]{0,10}", right in "[a-c0-2_]{0,10}") {
        let expected = parts(&left).cmp(&parts(&right));
        let order = natural_order(&left, &right);
        if expected == Ordering::Equal {
            prop_assert_eq!(order, left.cmp(&right));
        } else {
            prop_assert_eq!(order, expected);
        }
    }

    #[test]
    fn natural_order_is_a_total_order(names in prop::collection::vec("[a0-1é.]{0,6}|\\PC{0,8}", 3)) {
        let order = |a: usize, b: usize| natural_order(&names[a], &names[b]);
        prop_assert_eq!(order(0, 1), order(1, 0).reverse());
        prop_assert_eq!(order(0, 1) == Ordering::Equal, names[0] == names[1]);
        if order(0, 1).is_le() && order(1, 2).is_le() {
            prop_assert!(order(0, 2).is_le());
        }
    }
}

#[test]
fn runs_of_digits_may_be_of_any_length() {
    let long = "9".repeat(50);
    assert_eq!(natural_order(&format!("a{long}"), &format!("a1{long}")), Ordering::Less);
    assert_eq!(natural_order("a007b", "a7c"), Ordering::Less);
    assert_eq!(natural_order("", ""), Ordering::Equal);
}
