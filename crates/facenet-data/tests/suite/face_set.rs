//! Folders of people.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use facenet_data::{Crop, Error, FaceExtraction, FaceSet, LoadOptions, load_faces, natural_order, normalized_name};
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
fn content_decides_what_is_an_image() {
    let folder = folder(&[
        "stray.jpg",
        ".git/x.jpg",
        "a/1.jpg",
        "a/.2.jpg",
        "a/no_extension",
        "a/notes.txt",
        "a/folder.jpg/3.jpg",
        "b/1.jpg",
    ]);
    for name in ["README.md", "a/Thumbs.db", "a/README", "a/.3.jpg"] {
        fs::write(folder.path().join(name), "notes").unwrap();
    }
    let set = FaceSet::from_folders(folder.path()).unwrap();
    let expected = ["a/1.jpg", "a/no_extension", "a/notes.txt", "b/1.jpg"].map(|file| folder.path().join(file));
    assert_eq!(set.images, expected);
    load_faces(&set.images, &FaceExtraction::crop(Crop::Whole, [2, 2]), &LoadOptions::default()).unwrap();
    // A format that can't be decoded, and damaged or empty images, are errors and not skipped.
    for (name, content) in
        [("b/0.bin", &b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..]), ("b/0.jpg", b"notes"), ("b/0.HEIC", b"")]
    {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let set = FaceSet::from_folders(folder.path()).unwrap();
        assert!(set.images.contains(&path), "{name}");
        let error = load_faces(&set.images, &FaceExtraction::crop(Crop::Whole, [2, 2]), &LoadOptions::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn folders_with_one_name_in_two_normalization_forms_are_one_person() {
    let (composed, decomposed) = ("Zo\u{eb}", "Zoe\u{308}");
    let folder = folder(&["Ann/1.jpg", &format!("{composed}/1.jpg"), &format!("{decomposed}/2.jpg"), "zz/1.jpg"]);
    let set = FaceSet::from_folders(folder.path()).unwrap();
    // Some file systems have one folder for both. `e` sorts before `\u{eb}`.
    assert_eq!(set.people.len(), 3);
    assert_eq!(normalized_name(&set.people[1]), composed);
    assert_eq!(set.identities, [0, 1, 1, 2]);
    let names: Vec<_> = set.images[1..3].iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert!(names.contains(&"1.jpg") && names.contains(&"2.jpg"), "{names:?}");
}

#[test]
fn names_differ_after_normalization_if_they_look_different() {
    for (left, right) in [("Zoe", "Zo\u{eb}"), ("Ann", "ann"), ("\u{fb01}", "fi"), ("Zoe\u{301}", "Zoe\u{308}")] {
        assert_ne!(normalized_name(left), normalized_name(right));
    }
    // The order of combining marks, a singleton, Hangul.
    for (left, right) in
        [("q\u{307}\u{323}", "q\u{323}\u{307}"), ("\u{212b}", "A\u{30a}"), ("\u{d55c}", "\u{1112}\u{1161}\u{11ab}")]
    {
        assert_eq!(normalized_name(left), normalized_name(right));
    }
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
    fs::write(person.join("README"), "notes").unwrap();
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
