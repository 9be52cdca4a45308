//! Contact sheets.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::{Crop, encode_jpeg};
use facenet_recognition::{FaceSource, Portrait, PortraitReader};
use facenet_report::{ContactSheet, Provenance, SheetImage, SheetRun};
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

fn image(path: &Path, name: String, faces: Option<usize>) -> SheetImage {
    let link = format!("people/001/{}", name.replace('/', " - "));
    let portrait = Portrait { source: FaceSource::CenterCrop, landmarks: None, faces };
    SheetImage { path: path.to_owned(), name, link, portrait }
}

/// The page; checks that all its links lead to `people`.
fn html(images: &[SheetImage], clusters: &[Vec<usize>], unread: &[(String, String)]) -> String {
    let reader = PortraitReader {
        template: None,
        size: [96, 96],
        crop: Crop::Whole,
        landmark_network: None,
        landmark_list: None,
    };
    let run = SheetRun {
        provenance: Provenance::now("facenet cluster 'a <b>'", "a test"),
        folder: "a <b>".to_owned(),
        network: "none".to_owned(),
        weights_sha256: "0123456789abcdef".to_owned(),
        method: "by hand".to_owned(),
        agreement: None,
        seconds: 1.5,
    };
    let html = ContactSheet { images, clusters, unread, reader: &reader, run: &run }.html();
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
fn every_image_is_on_the_page() {
    let (_folder, path) = noise();
    let names = ["ann/1.jpg", "ann/\"><img src=x>.jpg", "50% é?.jpg", "b/2.jpg", "b/3.jpg"];
    let images: Vec<SheetImage> = names
        .iter()
        .zip([None, None, Some(2), None, Some(0)])
        .map(|(name, faces)| image(&path, (*name).to_owned(), faces))
        .collect();
    let unread = [("broken <i>.png".to_owned(), "not an image".to_owned())];
    let html = html(&images, &[vec![0, 1, 2], vec![3], vec![4]], &unread);
    for text in [
        "5 images of 3 people",
        "3 images in <a href=\"people/001\">people/001</a>",
        "2 images match no other",
        "alt=\"ann/1.jpg\"",
        "ann/&quot;&gt;&lt;img src=x&gt;.jpg",
        "href=\"people/001/50%25%20%C3%A9%3F.jpg\"",
        "Perhaps misplaced: 2 images",
        "appears to show 2 faces",
        "appears to show no face",
        "Not aligned: 3 images",
        "broken &lt;i&gt;.png: not an image",
        "0123456789abcdef",
        "a &lt;b&gt;",
        "5 cropped",
        "1 more unreadable",
    ] {
        assert!(html.contains(text), "{text}");
    }
    // Images with a warning are shown twice.
    assert_eq!(html.matches("<img ").count(), 7);
}

#[test]
fn thousands_of_images_stay_below_five_megabytes() {
    let (_folder, path) = noise();
    let images: Vec<SheetImage> =
        (0..6000).map(|index| image(&path, format!("{}{index}.jpg", "\"".repeat(190)), Some(index % 3))).collect();
    let unread: Vec<(String, String)> =
        (0..2000).map(|index| ("<".repeat(300), format!("{index}{}", "\"".repeat(900)))).collect();
    let groups: Vec<Vec<usize>> =
        (0..2000).map(|group| vec![group, group + 2000]).chain((4000..6000).map(|alone| vec![alone])).collect();
    let many = html(&images, &groups, &unread);
    assert!(many.len() > 2_000_000, "{} bytes", many.len());
    assert!(many.contains("more people are not shown") && many.contains("clusters.csv, next to this page, lists all"));

    let one = html(&images[..2000], &[(0..2000).collect()], &[]);
    assert!(one.contains("and 1940 more"), "{}", one.len());
}

#[test]
fn a_deleted_image_is_not_shown() {
    let (_folder, path) = noise();
    let gone = path.with_file_name("gone.jpg");
    let images = [image(&path, "1.jpg".to_owned(), Some(1)), image(&gone, "2.jpg".to_owned(), Some(1))];
    let html = html(&images, &[vec![0, 1]], &[]);
    assert_eq!(html.matches("<img ").count(), 1);
    assert!(html.contains("and 1 more"));
    assert!(self::html(&[], &[], &[]).contains("0 images of 0 people"));
}
