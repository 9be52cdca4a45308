//! Lists of landmarks.

use std::fs;
use std::path::Path;

use facenet_data::{Error, LandmarkList, Landmarks};
use proptest::prelude::*;

const LIST: &str = "lists/landmarks.txt";
const COORDINATES: &str = "107\t107\t147\t111\t124\t143\t103\t157\t139\t161";

fn parse(text: &str) -> Result<LandmarkList, Error> {
    LandmarkList::parse(text, Path::new(LIST))
}

#[test]
fn landmarks_are_found_by_image_path() {
    // A CRLF line ending, a blank line and no newline at the end.
    let list = parse(&format!("A_B/A_B_0001.jpg\t{COORDINATES}\r\n\nA B/c/1.png\t1.5\t-2\t3e1\t4\t5\t6\t7\t8\t9\t10"))
        .unwrap();
    let first = Landmarks([[107.0, 107.0], [147.0, 111.0], [124.0, 143.0], [103.0, 157.0], [139.0, 161.0]]);
    let second = Landmarks([[1.5, -2.0], [30.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]);
    assert_eq!(list.get(Path::new("A_B/A_B_0001.jpg")), Some(first));
    assert_eq!(list.get(&Path::new("A B").join("c").join("1.png")), Some(second));
    assert_eq!(list.get(Path::new("A_B/A_B_0002.jpg")), None);
    assert_eq!(list.images.values().map(|listed| listed.line).collect::<Vec<_>>(), [3, 1]);
    // Spaces where there is no tab.
    let spaces = parse(&format!("A_B/A_B_0001.jpg {}", COORDINATES.replace('\t', " "))).unwrap();
    assert_eq!(spaces.get(Path::new("A_B/A_B_0001.jpg")), Some(first));
    assert!(parse("").unwrap().images.is_empty());
}

#[test]
fn malformed_lines_are_errors() {
    let nine = COORDINATES.rsplit_once('\t').unwrap().0;
    for line in [
        "A/1.jpg".to_owned(),
        format!("A/1.jpg\t{nine}"),
        format!("A/1.jpg\t{COORDINATES}\t1"),
        COORDINATES.to_owned(),
        format!("\t{COORDINATES}"),
        format!("/A/1.jpg\t{COORDINATES}"),
        format!("A//1.jpg\t{COORDINATES}"),
        format!("A/../1.jpg\t{COORDINATES}"),
        format!("A\\1.jpg\t{COORDINATES}"),
        format!("A/1.jpg\t{nine}\tnan"),
        format!("A/1.jpg\t{nine}\tinf"),
        format!("A/1.jpg\t{nine}\t1e39"),
        format!("A/1.jpg\t{nine}\t-100001"),
        format!("A/1.jpg\t{nine}\t0x10"),
        format!("A/1.jpg\t{nine}\t"),
    ] {
        let error = parse(&format!("B/1.jpg\t{COORDINATES}\n\n{line}\n")).unwrap_err();
        assert!(matches!(&error, Error::ListLine { line: 3, .. }), "{line}: {error}");
        assert!(error.to_string().starts_with(&format!("{LIST}:3: expected an image path")), "{error}");
    }
}

#[test]
fn a_duplicate_image_is_an_error() {
    let error =
        parse(&format!("A/1.jpg\t{COORDINATES}\nB/1.jpg\t{COORDINATES}\nA/1.jpg\t{COORDINATES}\n")).unwrap_err();
    assert_eq!(error.to_string(), format!("{LIST}:3: duplicate image A/1.jpg"));
}

#[test]
fn names_are_compared_after_normalization() {
    let (composed, decomposed) = ("Zo\u{eb}/\u{e9}.jpg", "Zoe\u{308}/e\u{301}.jpg");
    for (listed, asked) in [(composed, decomposed), (decomposed, composed), (decomposed, decomposed)] {
        let list = parse(&format!("{listed}\t{COORDINATES}")).unwrap();
        assert!(list.get(Path::new(asked)).is_some(), "{listed:?} {asked:?}");
        assert_eq!(list.get(Path::new("Zoe/e.jpg")), None);
        assert!(list.images.contains_key(&LandmarkList::key(Path::new(asked)).unwrap()));
    }
    let twice = parse(&format!("{composed}\t{COORDINATES}\n{decomposed}\t{COORDINATES}"));
    assert!(matches!(twice, Err(Error::DuplicateImage { line: 2, .. })));
}

#[test]
fn list_files_are_utf_8() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("landmarks.txt");
    assert!(matches!(LandmarkList::read(&path), Err(Error::Io { path: named, .. }) if named == path));
    fs::write(&path, format!("A/1.jpg\t{COORDINATES}")).unwrap();
    assert_eq!(LandmarkList::read(&path).unwrap().images.len(), 1);
    fs::write(&path, b"Jos\xe9/1.jpg").unwrap();
    assert!(matches!(LandmarkList::read(&path), Err(Error::NotUtf8 { path: named }) if named == path));
}

proptest! {
    #[test]
    fn random_text_never_panics(text in "\\PC{0,80}", lines in "([0-9A-C\t. \n/]{0,9}){0,40}") {
        let _ = parse(&text);
        let _ = parse(&lines);
    }

    #[test]
    fn parsing_reverses_writing(coordinates in prop::array::uniform10(-100_000.0..100_000.0_f32)) {
        let text = coordinates.map(|coordinate| coordinate.to_string()).join("\t");
        let landmarks = parse(&format!("A/1.jpg\t{text}")).expect("a list").get(Path::new("A/1.jpg"));
        let read = landmarks.expect("its line").0;
        prop_assert_eq!(read.as_flattened(), coordinates);
    }
}
