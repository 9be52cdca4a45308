//! Contact sheets.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::encode_jpeg;
use facenet_recognition::{BoundingBox, Face, FaceSource, FaceWarning};
use facenet_report::{ContactSheet, Provenance, SheetFace, SheetPhoto, SheetRun};
use ndarray::Array3;
use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

/// A folder with an image of noise, whose JPEG is larger than that of a face.
fn noise() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let path = folder.path().join("noise.jpg");
    let pixels = Array3::from_shape_simple_fn((80, 70, 3), || rng.r#gen());
    fs::write(&path, encode_jpeg(pixels.view(), 90)).unwrap();
    (folder, path)
}

fn face(path: &Path, name: String, photo: usize, warning: Option<FaceWarning>) -> SheetFace {
    let link = format!("people/001/{}", name.replace('/', " - "));
    let bounding_box = BoundingBox { left: 10.0, top: 20.0, right: 50.0, bottom: 70.0 };
    let source = FaceSource::Detector;
    let face = Face { photo, number: 1, source, bounding_box, landmarks: None, quality: None, warning };
    SheetFace { path: path.to_owned(), photo: SheetPhoto { name, link }, face }
}

const DISAGREES: Option<FaceWarning> = Some(FaceWarning::ListDisagrees);

/// The page; checks that all its links lead to `people`.
fn html(faces: &[SheetFace], clusters: &[Vec<usize>], unread: &[(String, String)]) -> String {
    let grouped: Vec<usize> = clusters.iter().flatten().copied().collect();
    let apart: Vec<usize> = (0..faces.len()).filter(|index| !grouped.contains(index)).collect();
    let run = SheetRun {
        provenance: Provenance::now("facenet cluster 'a <b>'", "a test"),
        folder: "a <b>".to_owned(),
        photos: faces.len(),
        other_files: 3,
        network: "none".to_owned(),
        weights_sha256: "0123456789abcdef".to_owned(),
        method: "by hand".to_owned(),
        agreement: None,
        seconds: 1.5,
    };
    let sea = SheetPhoto { name: "sea.jpg".to_owned(), link: "people/sea.jpg".to_owned() };
    let without_faces = [(sea, "no face found".to_owned())];
    let passed_over = [(".hidden.jpg".to_owned(), "hidden".to_owned())];
    let sheet = ContactSheet {
        faces,
        clusters,
        apart: &apart,
        without_faces: &without_faces,
        unread,
        passed_over: &passed_over,
        run: &run,
    };
    let html = sheet.html();
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"));
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
    for outside in ["<script", "http:", "https:", "<link", "<iframe", "@import", "javascript:", " onload", " onerror"] {
        assert!(!html.contains(outside), "{outside}");
    }
    for (address, allowed) in [("src=\"", "data:image/jpeg;base64,"), ("href=\"", "people/")] {
        for (at, _) in html.match_indices(address) {
            assert!(html[at + address.len()..].starts_with(allowed), "{:.60}", &html[at..]);
        }
    }
    html
}

#[test]
fn every_face_is_on_the_page() {
    let (_folder, path) = noise();
    let names = ["ann/1.jpg", "ann/\"><img src=x>.jpg", "50% é?.jpg", "b/2.jpg", "b/3.jpg"];
    let faces: Vec<SheetFace> = names
        .iter()
        .enumerate()
        .zip([None, None, DISAGREES, None, DISAGREES])
        .map(|((photo, name), warning)| face(&path, (*name).to_owned(), photo, warning))
        .collect();
    let unread = [("broken <i>.png".to_owned(), "not an image".to_owned())];
    let html = html(&faces, &[vec![0, 1, 2], vec![3]], &unread);
    for text in [
        "5 faces of 2 people on 5 photos",
        "3 faces, photos in <a href=\"people/001\">people/001</a>",
        "1 face matches no other",
        "alt=\"ann/1.jpg\"",
        "ann/&quot;&gt;&lt;img src=x&gt;.jpg",
        "href=\"people/001/50%25%20%C3%A9%3F.jpg\"",
        "Perhaps not recognized: 2 faces",
        "1 of them is in no group",
        "not where the landmark list says",
        "Without a face: 1 photo",
        "people/sea.jpg",
        "Not read: 1 file or folder",
        "broken &lt;i&gt;.png: not an image",
        "Passed over: 1 entry",
        ".hidden.jpg: hidden",
        "3 files are not images",
        "0123456789abcdef",
        "a &lt;b&gt;",
        "aligned by the detector: 5",
        "1 more unreadable",
    ] {
        assert!(html.contains(text), "{text}");
    }
    // A grouped face with a warning is shown twice.
    assert_eq!(html.matches("<img ").count(), 6);
}

#[test]
fn thousands_of_faces_stay_below_five_megabytes() {
    let (_folder, path) = noise();
    let warning = |index: usize| if index.is_multiple_of(3) { DISAGREES } else { None };
    let faces: Vec<SheetFace> =
        (0..6000).map(|index| face(&path, format!("{}{index}.jpg", "\"".repeat(190)), index, warning(index))).collect();
    let unread: Vec<(String, String)> =
        (0..2000).map(|index| ("<".repeat(300), format!("{index}{}", "\"".repeat(900)))).collect();
    let groups: Vec<Vec<usize>> =
        (0..2000).map(|group| vec![group, group + 2000]).chain((4000..6000).map(|alone| vec![alone])).collect();
    let many = html(&faces, &groups, &unread);
    assert!(many.len() > 2_000_000, "{} bytes", many.len());
    assert!(many.contains("more people are not shown") && many.contains("clusters.csv, next to this page, lists all"));

    let one = html(&faces[..2000], &[(0..2000).collect()], &[]);
    assert!(one.contains("and 1940 more"), "{}", one.len());
}

#[test]
fn faces_of_deleted_photos_are_not_shown() {
    let (_folder, path) = noise();
    let gone = path.with_file_name("gone.jpg");
    let faces = [face(&path, "1.jpg".to_owned(), 0, None), face(&gone, "2.jpg".to_owned(), 1, None)];
    let html = html(&faces, &[vec![0, 1]], &[]);
    assert_eq!(html.matches("<img ").count(), 1);
    assert!(html.contains("and 1 more"));
    assert!(self::html(&[], &[], &[]).contains("0 faces of 0 people on 0 photos"));
}
