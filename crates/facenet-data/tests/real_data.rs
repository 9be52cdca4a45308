//! The faces of ORL and the lists of LFW, where they are at hand.

use std::path::{Path, PathBuf};

use facenet_data::{
    Crop, Error, FaceSet, LandmarkList, Landmarks, LoadOptions, PairList, PeopleList, load_faces, read_picture,
};

/// A path among the data sets; `None`, with a printed reason, if it is not there.
fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FACENET_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is missing", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn orl_is_forty_people_with_ten_pictures_each() {
    let Some(folder) = data("orl/data_faces") else { return };
    let set = FaceSet::from_folders(&folder).unwrap();
    assert_eq!((set.people.len(), set.pictures.len()), (40, 400));
    assert_eq!((set.people[0].as_str(), set.people[1].as_str(), set.people[39].as_str()), ("s1", "s2", "s40"));
    assert!((0..40).all(|person| set.pictures_of(person).len() == 10));
    assert!(set.pictures[9].ends_with("s1/10.pgm"));

    let faces = load_faces(&set.pictures, &Crop::Whole, [112, 92], &LoadOptions::default()).unwrap();
    assert_eq!(faces.dim(), (400, 112, 92, 3));
    // The pixels of a PGM are the last bytes of the file.
    let file = std::fs::read(&set.pictures[123]).unwrap();
    let pixels = &file[file.len() - 112 * 92..];
    let face = faces.index_axis(ndarray::Axis(0), 123);
    assert!(face.as_slice().unwrap().chunks(3).zip(pixels).all(|(rgb, &grey)| rgb == [grey; 3]));

    let test = set.subset(30..40);
    assert_eq!((test.people[0].as_str(), test.pictures.len()), ("s31", 100));
    let small = load_faces(&test.pictures, &Crop::Center { fraction: 1.0 }, [64, 64], &LoadOptions::default()).unwrap();
    assert_eq!(small.dim(), (100, 64, 64, 3));
}

#[test]
fn pairs_of_lfw() {
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
fn people_of_lfw() {
    let (Some(lists), Some(images)) = (data("lfw/protocol"), data("lfw/images")) else { return };
    let training = PeopleList::read(&lists.join("peopleDevTrain.txt")).unwrap();
    let set = FaceSet::from_people_list(&training, &images).unwrap();
    assert_eq!((set.people.len(), set.pictures.len()), (4_038, 9_525));
    let test = PeopleList::read(&lists.join("peopleDevTest.txt")).unwrap();
    assert_eq!((test.people.len(), test.folds.len()), (1_711, 1));
    let folds = PeopleList::read(&lists.join("people.txt")).unwrap();
    assert_eq!((folds.people.len(), folds.folds.len()), (5_749, 10));
    assert_eq!((folds.folds[0].clone(), folds.folds[9].len()), (0..601, 609));
    assert_eq!(folds.people.iter().map(|person| person.pictures).sum::<usize>(), 13_233);
    // The list of names has no header.
    let names = PeopleList::read(&lists.join("lfw-names.txt"));
    assert!(matches!(names, Err(Error::ListHeader { line: 1, .. })));

    let some = set.with_at_least(20);
    let faces = load_faces(&some.pictures[..200], &Crop::Center { fraction: 0.8 }, [64, 64], &LoadOptions::default());
    assert_eq!(faces.unwrap().dim(), (200, 64, 64, 3));
}

#[test]
fn landmarks_of_lfw() {
    let (Some(list), Some(images)) = (data("lfw/lfw_landmark_5pt_mtcnn_raw250.txt"), data("lfw/images")) else {
        return;
    };
    let list = LandmarkList::read(&list).unwrap();
    assert_eq!(list.pictures.len(), 13_233);
    for picture in FaceSet::from_folders(&images).unwrap().pictures {
        let Landmarks(points) = list.get(picture.strip_prefix(&images).unwrap()).unwrap();
        // In pixels of the originals, and all within their middle.
        assert!(points.as_flattened().iter().all(|at| (45.0..205.0).contains(at)), "{}", picture.display());
        assert!(points[0][0] < points[1][0], "the left eye is on the left: {}", picture.display());
    }
}

#[test]
fn real_jpegs_cut_anywhere_are_errors() {
    let Some(images) = data("lfw/images") else { return };
    let folder = tempfile::tempdir().unwrap();
    let cut_file = folder.path().join("cut.jpg");
    for name in ["Abel_Pacheco", "Zico", "Tony_Blair"] {
        let path = images.join(name).join(format!("{name}_0001.jpg"));
        assert_eq!(read_picture(&path).unwrap().dim(), (160, 160, 3));
        let whole = std::fs::read(&path).unwrap();
        for part in 1..60 {
            std::fs::write(&cut_file, &whole[..whole.len() * part / 60]).unwrap();
            let error = read_picture(&cut_file).unwrap_err();
            assert!(matches!(&error, Error::Truncated { path } if *path == cut_file), "{error}");
        }
        std::fs::write(&cut_file, &whole[..whole.len() - 1]).unwrap();
        assert!(matches!(read_picture(&cut_file), Err(Error::Truncated { .. })));
    }
}

#[test]
fn photos_from_elsewhere_decode() {
    let Some(folder) = data("photos/krasserm_lfw10") else { return };
    let set = FaceSet::from_folders(&folder).unwrap();
    assert_eq!((set.people.len(), set.pictures.len()), (10, 100));
    let crop = Crop::Rectangle { left: 45, top: 45, width: 160, height: 160 };
    let faces = load_faces(&set.pictures, &crop, [80, 80], &LoadOptions::default()).unwrap();
    assert_eq!(faces.dim(), (100, 80, 80, 3));

    let mut folders = vec![folder.parent().unwrap().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
            if path.is_dir() {
                folders.push(path);
            } else if ["jpg", "jpeg", "png", "pgm"].iter().any(|known| extension == *known) {
                read_picture(&path).unwrap();
            }
        }
    }
}
