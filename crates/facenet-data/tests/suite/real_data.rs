//! Tests on real data sets; each is skipped, with a printed reason, if its data is missing.

use std::path::{Path, PathBuf};

use facenet_data::{
    Alignment, CoordinateSystem, Crop, Error, FaceExtraction, FaceSet, LandmarkList, Landmarks, LoadOptions, PairList,
    PeopleList, align, load_faces, read_image,
};
use facenet_tests::data;
use ndarray::Axis;

use crate::align::MOBILE_FACE_NET;

/// The landmark template of face-reidentification-retail-0095, as fractions of the side.
const RETAIL_0095: [[f64; 2]; 5] = [
    [0.31556875, 0.46157411],
    [0.68262292, 0.46157411],
    [0.5002625, 0.64050536],
    [0.34947188, 0.82469196],
    [0.65343646, 0.82325089],
];

#[test]
fn orl_has_forty_people_with_ten_images_each() {
    let Some(folder) = data("orl/data_faces") else { return };
    let set = FaceSet::from_folders(&folder).unwrap();
    assert_eq!((set.people.len(), set.images.len()), (40, 400));
    assert_eq!((set.people[0].as_str(), set.people[1].as_str(), set.people[39].as_str()), ("s1", "s2", "s40"));
    assert!((0..40).all(|person| set.images_of(person).len() == 10));
    assert!(set.images[9].ends_with("s1/10.pgm"));

    let faces =
        load_faces(&set.images, &FaceExtraction::crop(Crop::Whole, [112, 92]), &LoadOptions::default()).unwrap();
    assert_eq!(faces.dim(), (400, 112, 92, 3));
    // The last bytes of a PGM file are its pixels.
    let file = std::fs::read(&set.images[123]).unwrap();
    let pixels = &file[file.len() - 112 * 92..];
    let face = faces.index_axis(Axis(0), 123);
    assert!(face.as_slice().unwrap().chunks(3).zip(pixels).all(|(rgb, &gray)| rgb == [gray; 3]));

    let test = set.subset(30..40);
    assert_eq!((test.people[0].as_str(), test.images.len()), ("s31", 100));
    let small = load_faces(
        &test.images,
        &FaceExtraction::crop(Crop::Center { fraction: 1.0 }, [64, 64]),
        &LoadOptions::default(),
    )
    .unwrap();
    assert_eq!(small.dim(), (100, 64, 64, 3));
}

#[test]
fn pair_lists_of_lfw_parse_and_resolve() {
    let (Some(lists), Some(images)) = (data("lfw/protocol"), data("lfw/images")) else { return };
    let view_2 = PairList::read(&lists.join("pairs.txt")).unwrap();
    assert_eq!(view_2.pairs.len(), 6_000);
    let folds: Vec<_> = (0..10).map(|fold| fold * 600..(fold + 1) * 600).collect();
    assert_eq!(view_2.folds, folds);
    for fold in &view_2.folds {
        assert_eq!(view_2.pairs[fold.clone()].iter().filter(|pair| pair.same).count(), 300);
    }
    let paths = view_2.resolve(&images).unwrap();
    assert_eq!(paths.len(), 7_701);
    assert!(paths[0].ends_with("Abel_Pacheco/Abel_Pacheco_0001.jpg"));
    let last = view_2.pairs[5_999];
    assert!(paths[last.right].ends_with("Sok_An/Sok_An_0001.jpg"));

    for (list, pairs) in [("pairsDevTrain.txt", 2_200), ("pairsDevTest.txt", 1_000)] {
        let view_1 = PairList::read(&lists.join(list)).unwrap();
        assert_eq!((view_1.pairs.len(), view_1.folds.len()), (pairs, 1));
        view_1.resolve(&images).unwrap();
    }
}

#[test]
fn people_lists_of_lfw_parse_and_resolve() {
    let (Some(lists), Some(images)) = (data("lfw/protocol"), data("lfw/images")) else { return };
    let training = PeopleList::read(&lists.join("peopleDevTrain.txt")).unwrap();
    let set = FaceSet::from_people_list(&training, &images).unwrap();
    assert_eq!((set.people.len(), set.images.len()), (4_038, 9_525));
    let test = PeopleList::read(&lists.join("peopleDevTest.txt")).unwrap();
    assert_eq!((test.people.len(), test.folds.len()), (1_711, 1));
    let folds = PeopleList::read(&lists.join("people.txt")).unwrap();
    assert_eq!((folds.people.len(), folds.folds.len()), (5_749, 10));
    assert_eq!((folds.folds[0].clone(), folds.folds[9].len()), (0..601, 609));
    assert_eq!(folds.people.iter().map(|person| person.image_count).sum::<usize>(), 13_233);
    // The list of names has no header.
    let names = PeopleList::read(&lists.join("lfw-names.txt"));
    assert!(matches!(names, Err(Error::ListHeader { line: 1, .. })));

    let some = set.with_min_images(20);
    let faces = load_faces(
        &some.images[..200],
        &FaceExtraction::crop(Crop::Center { fraction: 0.8 }, [64, 64]),
        &LoadOptions::default(),
    );
    assert_eq!(faces.unwrap().dim(), (200, 64, 64, 3));
}

#[test]
fn landmarks_of_lfw_lie_in_the_central_region() {
    let (Some(list), Some(images)) = (data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt"), data("lfw/images")) else {
        return;
    };
    let list = LandmarkList::read(&list).unwrap();
    assert_eq!(list.images.len(), 13_233);
    for image in FaceSet::from_folders(&images).unwrap().images {
        let Landmarks(points) = list.get(image.strip_prefix(&images).unwrap()).unwrap();
        // In pixels of the originals, and all within their central region.
        assert!(points.as_flattened().iter().all(|at| (45.0..205.0).contains(at)), "{}", image.display());
        assert!(points[0][0] < points[1][0], "the left eye is on the left: {}", image.display());
    }
}

#[test]
fn truncated_real_jpegs_are_errors() {
    let Some(images) = data("lfw/images") else { return };
    let folder = tempfile::tempdir().unwrap();
    let cut_file = folder.path().join("cut.jpg");
    for name in ["Abel_Pacheco", "Zico", "Tony_Blair"] {
        let path = images.join(name).join(format!("{name}_0001.jpg"));
        assert_eq!(read_image(&path).unwrap().dim(), (160, 160, 3));
        let whole = std::fs::read(&path).unwrap();
        for part in 1..60 {
            std::fs::write(&cut_file, &whole[..whole.len() * part / 60]).unwrap();
            let error = read_image(&cut_file).unwrap_err();
            assert!(matches!(&error, Error::Truncated { path } if *path == cut_file), "{error}");
        }
        // Without the end marker all rows are still there.
        std::fs::write(&cut_file, &whole[..whole.len() - 2]).unwrap();
        assert_eq!(read_image(&cut_file).unwrap(), read_image(&path).unwrap());
    }
}

#[test]
fn photos_from_other_sources_decode() {
    let Some(folder) = data("photos/krasserm_lfw10") else { return };
    let set = FaceSet::from_folders(&folder).unwrap();
    assert_eq!((set.people.len(), set.images.len()), (10, 100));
    let crop = Crop::Rectangle { left: 45, top: 45, width: 160, height: 160 };
    let faces = load_faces(&set.images, &FaceExtraction::crop(crop, [80, 80]), &LoadOptions::default()).unwrap();
    assert_eq!(faces.dim(), (100, 80, 80, 3));

    let mut folders = vec![folder.parent().unwrap().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
            if path.is_dir() {
                folders.push(path);
            } else if ["jpg", "jpeg", "png", "pgm"].iter().any(|known| extension == *known) {
                read_image(&path).unwrap();
            }
        }
    }
}

/// 100 faces aligned in `f64` by Pillow, which samples at the same positions but truncates levels
/// where `align` rounds: half a level on average. The remaining difference comes from the JPEG
/// decoders.
#[test]
fn aligned_faces_match_those_of_pillow() {
    let (Some(images), Some(list)) = (data("lfw/images"), data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt")) else {
        return;
    };
    let list = LandmarkList::read(&list).unwrap();
    for (folder, template, side) in [
        ("golden/mobilefacenet_y1/aligned112", MOBILE_FACE_NET, 112),
        (
            "golden/face-reidentification-retail-0095/aligned128",
            Landmarks(RETAIL_0095.map(|at| at.map(|x| (x * 128.0) as f32))),
            128,
        ),
    ] {
        let Some(folder) = data(folder) else { return };
        let [mut sum, mut absolute, mut count, mut largest, mut compared] = [0; 5];
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let golden = read_image(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let person = name.rsplit_once('_').unwrap().0;
            let relative = Path::new(person).join(name).with_extension("jpg");
            let source = read_image(&images.join(&relative)).unwrap();
            let landmarks = list.get(&relative).unwrap().translated([-45.0, -45.0]);
            let face = align(source.view(), &landmarks, &template, [side, side]).unwrap();
            assert_eq!(face.dim(), golden.dim());
            compared += 1;
            for (&level, &golden) in face.iter().zip(&golden) {
                let difference = i64::from(level) - i64::from(golden);
                sum += difference;
                absolute += difference.abs();
                largest = largest.max(difference.abs());
                count += 1;
            }
        }
        let [mean, absolute] = [sum, absolute].map(|sum| sum as f64 / count as f64);
        println!("{side}: mean difference {mean:.3}, mean absolute difference {absolute:.3}, largest {largest}");
        assert_eq!(compared, 100);
        // With pixel centers at half-integers the mean absolute difference would be 0.87 to 1.1 and
        // the largest over 200.
        assert!((mean - 0.5).abs() < 0.15 && absolute < 0.7 && largest <= 5);
    }
}

/// Faces of ten people, aligned or cropped from LFW's originals and from their central 160 x 160.
#[test]
fn originals_and_their_central_region_give_the_same_faces() {
    let (Some(originals), Some(centers)) = (data("photos/krasserm_lfw10"), data("lfw/images")) else { return };
    let Some(list) = data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt") else { return };
    let list = LandmarkList::read(&list).unwrap();
    let set = FaceSet::from_folders(&originals).unwrap();
    let images: Vec<&Path> = set.images.iter().map(|path| path.strip_prefix(&originals).unwrap()).collect();
    let landmarks: Vec<Option<Landmarks>> = images.iter().map(|image| list.get(image)).collect();
    assert!(landmarks.iter().all(Option::is_some));
    let load = |folder: &Path, landmarks| {
        let paths: Vec<PathBuf> = images.iter().map(|image| folder.join(image)).collect();
        let extraction = FaceExtraction {
            size: [112, 112],
            crop: Crop::Center { fraction: 0.7 },
            alignment: Some(Alignment { template: MOBILE_FACE_NET, landmarks }),
            coordinates: CoordinateSystem::Lfw,
        };
        load_faces(&paths, &extraction, &LoadOptions::default()).unwrap()
    };
    let cropped = vec![None; images.len()];
    // The central regions were compressed a second time, and the corners of an aligned face may lie
    // outside them.
    for (landmarks, least_compared) in [(&landmarks, 0.95), (&cropped, 1.0)] {
        let [from_originals, from_centers] = [&originals, &centers].map(|folder| load(folder, landmarks));
        let (mut difference, mut compared) = (0.0, 0);
        for (original, center) in from_originals.lanes(Axis(3)).into_iter().zip(from_centers.lanes(Axis(3))) {
            if center.iter().any(|&level| level > 0) || original.iter().all(|&level| level < 10) {
                compared += 1;
                difference += original.iter().zip(center).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>() / 3.0;
            }
        }
        let (mean, share) = (difference / f64::from(compared), f64::from(compared) / (100.0 * 112.0 * 112.0));
        println!("mean absolute difference {mean:.3} over {share:.4} of the pixels");
        assert!(mean < 2.0 && share >= least_compared);
    }
}
