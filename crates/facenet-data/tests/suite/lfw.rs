//! Lists in the format of Labeled Faces in the Wild.

use std::fs;
use std::ops::Range;
use std::path::Path;

use facenet_data::{Error, FaceSet, ListedPair, PairList, PeopleList};
use proptest::prelude::*;

const LIST: &str = "lists/some.txt";

fn pairs(text: &str) -> Result<PairList, Error> {
    PairList::parse(text, Path::new(LIST))
}

fn people(text: &str) -> Result<PeopleList, Error> {
    PeopleList::parse(text, Path::new(LIST))
}

/// Asserts the variant of an error, and that its message names the list and the line.
macro_rules! assert_fails {
    ($result:expr, $line:expr, $variant:ident) => {{
        let error = $result.unwrap_err();
        assert!(matches!(&error, Error::$variant { line: $line, .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("{LIST}:{}: ", $line)), "{error}");
    }};
}

#[test]
fn pairs_are_grouped_in_folds() {
    let text = "2\t1\nA_B\t1\t4\nA_B\t4\tC\t2\r\nC\t2\t3\nC\t1\tD\t1\n\n";
    let list = pairs(text).unwrap();
    assert_eq!(list.folds, [0..2, 2..4]);
    let pair = |left, right, same| ListedPair { left, right, same };
    assert_eq!(list.pairs, [pair(0, 1, true), pair(1, 2, false), pair(2, 3, true), pair(4, 5, false)]);
    let named: Vec<_> = list.images.iter().map(|p| (p.person.as_str(), p.number, p.line)).collect();
    assert_eq!(named, [("A_B", 1, 2), ("A_B", 4, 2), ("C", 2, 3), ("C", 3, 4), ("C", 1, 5), ("D", 1, 5)]);
    // Spaces instead of tabs; with tabs, names may contain spaces.
    assert_eq!(pairs(&text.replace('\t', " ")).unwrap(), list);
    assert_eq!(pairs("1\nA B\t1\t2\nA B\t1\tC D\t1\n").unwrap().images[2].person, "C D");
}

#[test]
fn one_number_is_one_fold() {
    let list = pairs("2\nA\t1\t2\nB\t1\t2\nA\t1\tB\t1\nA\t2\tB\t2").unwrap();
    assert_eq!(list.folds, [Range { start: 0, end: 4 }]);
    assert_eq!(list.pairs.iter().filter(|pair| pair.same).count(), 2);
    assert_eq!(list.images.len(), 4);
}

#[test]
fn malformed_headers_of_pair_lists_are_errors() {
    assert_fails!(pairs(""), 1, ListHeader);
    assert_fails!(pairs("\n\nA\t1\t2\n"), 3, ListHeader);
    for header in ["0", "-1", "1 2 3", "1.5", "ten\t300", "+1", "99999999999999999999999", "0\t300"] {
        assert_fails!(pairs(&format!("{header}\nA\t1\t2\nA\t1\tB\t1\n")), 1, ListHeader);
    }
    let lines = "A\t1\t2\nA\t1\tB\t1\n";
    for header in ["2", "2\t1", "1\t2", "10\t300", "18446744073709551615 18446744073709551615"] {
        assert_fails!(pairs(&format!("{header}\n{lines}")), 1, ListCount);
    }
    // Four lines either way, but genuine and impostor pairs are not in the order of the header.
    assert_fails!(pairs(&format!("2\n{lines}{lines}")), 3, ListLine);
    assert_fails!(pairs("2\t1\nA\t1\t2\nB\t1\t2\nA\t1\tB\t1\nA\t2\tB\t2\n"), 3, ListLine);
    pairs(&format!("2 1\n{lines}{lines}")).unwrap();
}

#[test]
fn malformed_lines_of_pair_lists_are_errors() {
    for line in ["A\t1", "A\t1\tx", "A\t0\t1", "A\t1\t-2", "\t1\t2", "..\t1\t2", "a/b\t1\t2", "A\t1\t2\t3\t4", "A\t\t2"]
    {
        assert_fails!(pairs(&format!("1\n{line}\nA\t1\tB\t1\n")), 2, ListLine);
    }
    for line in ["A\t1\tA\t2", "A\t1\tB", "A\t1\t..\\B\t1", "A\t1\tB\tx"] {
        assert_fails!(pairs(&format!("1\nA\t1\t2\n\n{line}\n")), 4, ListLine);
    }
}

#[test]
fn an_image_paired_with_itself_is_an_error() {
    for itself in ["A\t1\t1", "A 1 1", "A\t1\t01"] {
        assert_fails!(pairs(&format!("1\n{itself}\nA\t1\tB\t1\n")), 2, ListLine);
        assert_fails!(pairs(&format!("2\nB\t1\t2\n{itself}\nA\t1\tB\t1\nA\t2\tB\t2\n")), 3, ListLine);
    }
}

#[test]
fn people_in_one_fold_or_several() {
    let list = people("2\nA\t3\nB_C\t1\n").unwrap();
    assert_eq!(list.folds, [Range { start: 0, end: 2 }]);
    assert_eq!(list.people[1].name, "B_C");
    assert_eq!((list.people[0].image_count, list.people[1].line), (3, 3));

    let list = people("2\n1\nA\t3\n2\nB\t1\nC\t2\n").unwrap();
    assert_eq!(list.folds, [0..1, 1..3]);
    assert_eq!(list.people.len(), 3);
}

#[test]
fn malformed_lists_of_people_are_errors() {
    assert!(matches!(people(" \n"), Err(Error::NoPeople { .. })));
    assert_fails!(people("A\t1\nB\t1\n"), 1, ListHeader);
    assert_fails!(people("3\nA\t1\nB\t1\n"), 1, ListCount);
    assert_fails!(people("5"), 1, ListCount);
    assert_fails!(people("3\n1\nA\t3\n2\nB\t1\nC\t2\n"), 1, ListCount);
    assert_fails!(people("2\n1\nA\t3\n3\nB\t1\nC\t2\n"), 4, ListCount);
    assert_fails!(people("2\nA\t1\nB\n"), 3, ListLine);
    assert_fails!(people("2\nA\t1\nB\t0\n"), 3, ListLine);
    assert_fails!(people("2\nA\t1\n../B\t1\n"), 3, ListLine);
    assert_fails!(people("2\nA\t1\nA\t2\n"), 3, DuplicatePerson);
}

#[test]
fn images_are_resolved_and_missing_ones_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    for file in ["A/A_0001.jpg", "A/A_0002.png", "B/B_0001.jpg"] {
        let path = images.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    let list = pairs("1\nA\t1\t2\nA\t1\tB\t1\n").unwrap();
    let expected = ["A/A_0001.jpg", "A/A_0002.png", "B/B_0001.jpg"].map(|file| images.join(file));
    assert_eq!(list.resolve(&images).unwrap(), expected);
    let set = FaceSet::from_people_list(&people("2\nA\t2\nB\t1\n").unwrap(), &images).unwrap();
    assert_eq!((set.images, set.identities), (expected.to_vec(), vec![0, 0, 1]));

    let missing = pairs("1\nA\t1\t2\nA\t1\tB\t2\n").unwrap().resolve(&images);
    assert_fails!(missing, 3, MissingImage);
    let missing = FaceSet::from_people_list(&people("2\nA\t3\nB\t1\n").unwrap(), &images);
    let error = missing.unwrap_err();
    assert!(error.to_string().contains("A_0003.jpg"), "{error}");
    assert!(matches!(error, Error::MissingImage { line: 2, .. }));

    let absent = folder.path().join("absent");
    assert!(matches!(list.resolve(&absent), Err(Error::MissingFolder { path }) if path == absent));
    let one = FaceSet::from_people_list(&people("1\nA\t2\n").unwrap(), &images);
    assert!(matches!(one, Err(Error::OnePerson { path }) if path == Path::new(LIST)));
}

#[test]
fn names_are_compared_after_normalization() {
    let (composed, decomposed) = ("Zo\u{eb}", "Zoe\u{308}");
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    // The folder in one form, its files in both.
    let files = [format!("{decomposed}/{composed}_0001.jpg"), format!("{decomposed}/{decomposed}_0002.png")];
    for file in files.iter().map(String::as_str).chain(["B/B_0001.jpg"]) {
        let path = images.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    for name in [composed, decomposed] {
        let listed = people(&format!("2\n{name}\t2\nB\t1\n")).unwrap();
        assert_eq!(listed.people[0].name, composed);
        let set = FaceSet::from_people_list(&listed, &images).unwrap();
        // A file system that does not tell the forms apart finds the path as it is listed.
        for (found, file) in set.images.iter().zip(&files) {
            assert_eq!(fs::canonicalize(found).unwrap(), fs::canonicalize(images.join(file)).unwrap());
        }
        let listed = pairs(&format!("1\n{name}\t1\t2\n{name}\t1\tB\t1\n")).unwrap();
        assert_eq!(listed.resolve(&images).unwrap(), set.images);
        let missing = pairs(&format!("1\n{name}\t1\t3\n{name}\t1\tB\t1\n")).unwrap().resolve(&images);
        assert_fails!(missing, 2, MissingImage);
    }
    assert_fails!(people(&format!("2\n{composed}\t1\n{decomposed}\t1\n")), 3, DuplicatePerson);
    // One image in two forms, and one person as two.
    let list = pairs(&format!("1\n{composed}\t1\t2\n{decomposed}\t1\tB\t1\n")).unwrap();
    assert_eq!(list.images.len(), 3);
    assert_fails!(pairs(&format!("1\nB\t1\t2\n{composed}\t1\t{decomposed}\t2\n")), 3, ListLine);
    assert_fails!(pairs(&format!("1\nB\t1\t2\n{composed}\t1\t{decomposed}\t1\n")), 3, ListLine);
}

#[test]
fn list_files_are_utf_8_with_an_optional_byte_order_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.txt");
    assert!(matches!(PairList::read(&path), Err(Error::Io { path: named, .. }) if named == path));
    fs::write(&path, b"\xef\xbb\xbf1\nA\t1\t2\nA\t1\tB\t1\n").unwrap();
    assert_eq!(PairList::read(&path).unwrap().pairs.len(), 2);
    fs::write(&path, b"1\nJos\xe9\t1\t2\n").unwrap();
    assert!(matches!(PairList::read(&path), Err(Error::NotUtf8 { path: named }) if named == path));
    assert!(matches!(PeopleList::read(&path), Err(Error::NotUtf8 { .. })));
}

proptest! {
    #[test]
    fn random_text_never_panics(text in "\\PC{0,80}", lines in "([0-9A-C\t \n]{0,3}){0,40}") {
        for text in [&text, &lines, &format!("1\n{lines}"), &format!("2\t1\n{lines}")] {
            let _ = pairs(text);
            let _ = people(text);
        }
    }

    #[test]
    fn parsing_reverses_writing(folds in 1..4_usize, pairs_per_kind in 1..5_usize, numbers in prop::collection::vec(1..9_usize, 64)) {
        let mut text = format!("{folds}\t{pairs_per_kind}\n");
        let mut numbers = numbers.into_iter().cycle();
        let mut expected = Vec::new();
        for _ in 0..folds {
            for same in [true, false] {
                for _ in 0..pairs_per_kind {
                    let (left, mut right) = (numbers.next().unwrap(), numbers.next().unwrap());
                    if same && left == right {
                        right += 1;
                    }
                    text += &if same { format!("P\t{left}\t{right}\n") } else { format!("P\t{left}\tQ\t{right}\n") };
                    expected.push((left, right, same));
                }
            }
        }
        let list = pairs(&text).unwrap();
        let read: Vec<_> = list.pairs.iter().map(|pair| {
            let (left, right) = (&list.images[pair.left], &list.images[pair.right]);
            assert_eq!(pair.same, left.person == right.person);
            (left.number, right.number, pair.same)
        }).collect();
        prop_assert_eq!(read, expected);
        prop_assert_eq!(list.folds.len(), folds);
    }
}
