//! Data sets: the split into groups, alignment, and errors.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use facenet_data::SyntheticFaces;
use facenet_recognition::{FaceSource, FaceSourceCounts};
use facenet_tests::data;
use facenet_training::{Dataset, DatasetLoader, DatasetSource, Error, LabeledFaces, SyntheticSize};
use ndarray::Axis;

const SMALL: SyntheticSize =
    SyntheticSize { training_people: 5, training_images: 3, validation_people: 2, unseen_people: 3, images: 2 };

fn load(source: &DatasetSource, data: &Path) -> Result<Dataset, Error> {
    DatasetLoader::new(source, [16, 12]).data(data).seed(1).load()
}

/// A folder of people with the given numbers of images, each of 2 x 1 gray pixels: the number of
/// the person and of the image.
fn people(images: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (person, &images) in images.iter().enumerate() {
        let path = folder.path().join(format!("p{person}"));
        fs::create_dir(&path).unwrap();
        for image in 0..images {
            let mut file = b"P5 2 1 255 ".to_vec();
            file.extend([person as u8, image]);
            fs::write(path.join(format!("{image}.pgm")), file).unwrap();
        }
    }
    folder
}

fn load_folder(folder: &Path) -> Result<Dataset, Error> {
    DatasetLoader::new(&DatasetSource::Folder(folder.to_owned()), [1, 2]).seed(1).load()
}

/// Checks that the parts of a data set agree.
fn assert_consistent(dataset: &Dataset) {
    let nothing = Vec::new();
    for (group, pairs) in [
        (&dataset.training, &nothing),
        (&dataset.validation, &dataset.validation_pairs),
        (&dataset.unseen, &dataset.unseen_pairs),
    ] {
        let LabeledFaces { faces, identities, people, images, sources } = group;
        assert_eq!((faces.len_of(Axis(0)), identities.len()), (images.len(), images.len()));
        assert_eq!(sources.len(), images.len());
        assert_eq!(identities.iter().copied().collect::<BTreeSet<_>>(), (0..people.len()).collect());
        assert_eq!(images.iter().collect::<BTreeSet<_>>().len(), images.len());
        for (image, &identity) in images.iter().zip(identities) {
            assert!(image.starts_with(&format!("{}/", people[identity])), "{image} of {}", people[identity]);
        }
        for pair in pairs {
            assert_eq!(identities[pair.first] == identities[pair.second], pair.genuine);
            assert_ne!(pair.first, pair.second);
        }
        let kinds = [true, false].map(|genuine| pairs.iter().any(|pair| pair.genuine == genuine));
        assert!(kinds == [true, true] || std::ptr::eq(pairs, &nothing), "pairs of both kinds");
    }
    let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
    let people: BTreeSet<_> = groups.iter().flat_map(|group| &group.people).collect();
    let counts = groups.map(|group| group.people.len());
    assert!(counts.iter().all(|&count| count >= 2), "{counts:?}");
    assert_eq!(people.len(), counts.iter().sum::<usize>(), "a person is in two groups");
}

#[test]
fn synthetic_people() {
    let reported = Mutex::new(Vec::new());
    let progress = |loaded, all| reported.lock().unwrap().push((loaded, all));
    let source = DatasetSource::Synthetic(SMALL);
    let dataset = DatasetLoader::new(&source, [16, 12]).seed(7).progress(&progress).load().unwrap();
    assert_consistent(&dataset);
    assert_eq!(dataset.name, "synthetic");
    assert_eq!(dataset.training.faces.dim(), (15, 16, 12, 3));
    assert_eq!(dataset.validation.people, ["person-0005", "person-0006"]);
    assert_eq!(dataset.unseen.identities, [0, 0, 1, 1, 2, 2]);
    assert_eq!(dataset.unseen.people, ["person-0007", "person-0008", "person-0009"]);
    assert_eq!(dataset.unseen.images[3], "person-0008/1");
    assert_eq!(dataset.training.images[14], "person-0004/2");
    assert_eq!((dataset.validation_pairs.len(), dataset.unseen_pairs.len()), (4, 6));

    let world = SyntheticFaces::new(7);
    assert_eq!(dataset.training.faces, world.portraits(0..5, 3, [16, 12]).0);
    assert_eq!(dataset.validation.faces, world.portraits(5..7, 2, [16, 12]).0);
    assert_eq!(dataset.unseen.faces, world.portraits(7..10, 2, [16, 12]).0);
    assert_eq!(dataset.sources(), FaceSourceCounts { synthetic: 25, ..FaceSourceCounts::default() });
    assert_eq!(dataset.sources().to_string(), "faces synthetic: 25");
    let mut reported = reported.into_inner().unwrap();
    reported.sort_unstable();
    assert_eq!(reported, (1..=25).map(|loaded| (loaded, 25)).collect::<Vec<_>>());
}

#[test]
fn data_depend_on_the_seed_but_not_on_threads() {
    let source = DatasetSource::Synthetic(SMALL);
    let [one, two] = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| load(&source, Path::new(""))).unwrap()
    });
    assert_eq!(one, two);
    let other = DatasetLoader::new(&source, [16, 12]).seed(2).load().unwrap();
    assert_ne!(one.unseen.faces, other.unseen.faces);
}

#[test]
fn synthetic_sizes_without_genuine_pairs_are_errors() {
    let message = |size| load(&DatasetSource::Synthetic(size), Path::new("")).unwrap_err().to_string();
    let needed = "expected at least 6 (2 for training, 2 for validation, 2 unseen)";
    for (size, people) in [
        (SyntheticSize { unseen_people: 1, ..SMALL }, 8),
        (SyntheticSize { validation_people: 0, ..SMALL }, 8),
        (SyntheticSize { training_people: 1, ..SMALL }, 6),
        (SyntheticSize { training_people: usize::MAX, unseen_people: 1, ..SMALL }, usize::MAX),
    ] {
        let some = format!("the synthetic data set has {people} people, too few in one group: {needed}");
        assert_eq!(message(size), some);
    }
    assert_eq!(
        message(SyntheticSize { images: 1, ..SMALL }),
        "the synthetic data set: none of the validation people, person-0005 to person-0006, has two images"
    );
    assert_eq!(
        message(SyntheticSize { training_images: 1, ..SMALL }),
        "the synthetic data set: none of the training people, person-0000 to person-0004, has two images"
    );
    for people in [usize::MAX, usize::MAX / 2] {
        let huge = message(SyntheticSize { training_people: people, ..SMALL });
        assert!(huge.contains("memory limit"), "{huge}");
    }
}

#[test]
fn the_last_quarter_of_a_folder_is_unseen() {
    let folder = people(&[2, 1, 2, 2, 1, 3, 1, 12, 1, 2, 1]);
    let reported = Mutex::new(Vec::new());
    let progress = |loaded, all| reported.lock().unwrap().push((loaded, all));
    let source = DatasetSource::Folder(folder.path().to_owned());
    let dataset = DatasetLoader::new(&source, [1, 2]).seed(1).progress(&progress).load().unwrap();
    assert_consistent(&dataset);
    assert_eq!(dataset.name, folder.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(dataset.training.people, ["p0", "p1", "p2", "p3", "p4", "p5"]);
    assert_eq!(dataset.training.identities, [0, 0, 1, 2, 2, 3, 3, 4, 5, 5, 5]);
    assert_eq!(dataset.validation.people, ["p6", "p7"]);
    // The first ten of twelve images.
    assert_eq!(dataset.validation.identities, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(dataset.validation.faces.slice(ndarray::s![.., 0, 1, 2]).to_vec(), [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(dataset.validation_pairs.len(), 45 + 10);
    assert_eq!(dataset.unseen.people, ["p8", "p9", "p10"]);
    assert_eq!(dataset.unseen.images, ["p8/0.pgm", "p9/0.pgm", "p9/1.pgm", "p10/0.pgm"]);
    assert_eq!(dataset.unseen.identities, [0, 1, 1, 2]);
    assert_eq!(dataset.unseen.faces.slice(ndarray::s![.., 0, 0, 0]).to_vec(), [8, 9, 9, 10]);
    assert_eq!(dataset.unseen.faces.slice(ndarray::s![.., 0, 1, 2]).to_vec(), [0, 0, 1, 0]);
    let mut reported = reported.into_inner().unwrap();
    reported.sort_unstable();
    assert_eq!(reported, (1..=26).map(|loaded| (loaded, 26)).collect::<Vec<_>>());
    assert_eq!(load_folder(&folder.path().join("")).unwrap(), dataset);
}

#[test]
fn six_people_are_enough() {
    let dataset = load_folder(people(&[1, 2, 2, 1, 1, 2]).path()).unwrap();
    assert_consistent(&dataset);
    assert_eq!(dataset.training.people, ["p0", "p1"]);
    assert_eq!(dataset.validation.people, ["p2", "p3"]);
    assert_eq!(dataset.unseen.people, ["p4", "p5"]);
}

#[test]
fn a_tenth_of_the_training_people_validates() {
    for (people_in_all, expected) in [(9, [5, 2, 2]), (13, [7, 3, 3]), (20, [11, 4, 5]), (80, [54, 6, 20])] {
        let dataset = load_folder(people(&vec![2; people_in_all]).path()).unwrap();
        let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
        assert_eq!(groups.map(|group| group.people.len()), expected);
    }
}

#[test]
fn folders_that_can_not_be_split_are_errors() {
    let message = |images: &[u8]| {
        let folder = people(images);
        let message = load_folder(folder.path()).unwrap_err().to_string();
        message.strip_prefix(folder.path().to_str().unwrap()).expect("the folder's name").to_owned()
    };
    for people in 1..6 {
        let needed = "expected at least 6 (2 for training, 2 for validation, 2 unseen)";
        assert_eq!(message(&vec![2; people]), format!(" has {people} people, too few in one group: {needed}"));
    }
    let nobody = |group, who| format!(": none of the {group} people, {who}, has two images");
    assert_eq!(message(&[1, 1, 2, 2, 2, 2]), nobody("training", "p0 to p1"));
    assert_eq!(message(&[2, 2, 1, 1, 2, 2]), nobody("validation", "p2 to p3"));
    assert_eq!(message(&[2, 2, 2, 2, 1, 1]), nobody("unseen", "p4 to p5"));
    assert_eq!(message(&[]), " contains no people: expected a folder of images for each person");
}

#[test]
fn missing_folders_are_named() {
    let root = tempfile::tempdir().unwrap();
    for (source, missing) in [
        (DatasetSource::Orl, root.path().join("orl/data_faces")),
        (DatasetSource::Olivetti, root.path().join("olivetti")),
        (DatasetSource::Lfw, root.path().join("lfw/images")),
        (DatasetSource::LfwFunneled, root.path().join("lfw-funneled/images")),
        (DatasetSource::Folder(root.path().join("mine")), root.path().join("mine")),
    ] {
        match load(&source, root.path()) {
            Err(Error::Data(facenet_data::Error::MissingFolder { path })) => assert_eq!(path, missing),
            other => panic!("{other:?}"),
        }
    }
    fs::create_dir_all(root.path().join("lfw/images")).unwrap();
    let error = load(&DatasetSource::Lfw, root.path()).unwrap_err();
    assert!(
        matches!(&error, Error::Data(facenet_data::Error::MissingFolder { path }) if path.ends_with("lfw/protocol"))
    );
}

#[test]
fn orl_is_forty_people() {
    let Some(folder) = data("orl/data_faces") else { return };
    let root = folder.parent().and_then(Path::parent).unwrap();
    let dataset = load(&DatasetSource::Orl, root).unwrap();
    assert_consistent(&dataset);
    assert_eq!(dataset.name, "orl");
    let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
    assert_eq!(groups.map(|group| group.faces.dim()), [260, 40, 100].map(|images| (images, 16, 12, 3)));
    assert_eq!(groups.map(|group| group.people[0].as_str()), ["s1", "s27", "s31"]);
    assert_eq!(groups.map(|group| group.people[group.people.len() - 1].as_str()), ["s26", "s30", "s40"]);
    assert_eq!(dataset.unseen.images[3], "s31/4.pgm");
    assert_eq!((dataset.validation_pairs.len(), dataset.unseen_pairs.len()), (2 * 4 * 45, 2 * 10 * 45));

    let incomplete = tempfile::tempdir().unwrap();
    let folder = incomplete.path().join("orl/data_faces");
    for person in 1..40 {
        fs::create_dir_all(folder.join(format!("s{person}"))).unwrap();
        fs::copy(root.join(format!("orl/data_faces/s{person}/1.pgm")), folder.join(format!("s{person}/1.pgm")))
            .unwrap();
    }
    let error = load(&DatasetSource::Orl, incomplete.path()).unwrap_err();
    assert!(matches!(&error, Error::PeopleCount { path, found: 39, expected: 40 } if *path == folder), "{error}");
}

#[test]
fn olivetti_is_split_like_orl() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("olivetti");
    for person in 1..=40 {
        if person == 40 {
            let error = load(&DatasetSource::Olivetti, root.path()).unwrap_err();
            assert!(
                matches!(&error, Error::PeopleCount { path, found: 39, expected: 40 } if *path == folder),
                "{error}"
            );
        }
        fs::create_dir_all(folder.join(format!("s{person}"))).unwrap();
        for image in 1..=2 {
            fs::write(folder.join(format!("s{person}/{image}.png")), pgm(person, image)).unwrap();
        }
    }
    let dataset = load(&DatasetSource::Olivetti, root.path()).unwrap();
    assert_consistent(&dataset);
    assert_eq!((dataset.name.as_str(), DatasetSource::Olivetti.name().as_str()), ("olivetti", "olivetti"));
    let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
    assert_eq!(groups.map(|group| group.people[0].as_str()), ["s1", "s27", "s31"]);
    assert_eq!(groups.map(|group| group.people[group.people.len() - 1].as_str()), ["s26", "s30", "s40"]);
}

#[test]
fn view_1_of_lfw() {
    let Some(images) = data("lfw/images") else { return };
    let root = images.parent().and_then(Path::parent).unwrap();
    let dataset = load(&DatasetSource::Lfw, root).unwrap();
    assert_consistent(&dataset);
    let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
    // The last tenth of 4,038 people, at most 400, with at most ten images each.
    assert_eq!(
        groups.map(|group| (group.people.len(), group.images.len())),
        [(3_638, 8_501), (400, 770), (1_711, 3_708)]
    );
    assert_eq!(
        (dataset.training.people[3_637].as_str(), dataset.validation.people[0].as_str()),
        ("Steve_Spurrier", "Steve_Stirling")
    );
    assert_eq!((dataset.validation_pairs.len(), dataset.unseen_pairs.len()), (2 * 1_205, 1_000));
    let text = fs::read_to_string(root.join("lfw/protocol/pairsDevTest.txt")).unwrap();
    for (line, pair) in text.lines().skip(1).zip(&dataset.unseen_pairs) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let image = |name: &str, number: &str| format!("{name}/{name}_{number:0>4}.jpg");
        let named = match fields[..] {
            [name, first, second] => [image(name, first), image(name, second)],
            [name, first, other, second] => [image(name, first), image(other, second)],
            _ => panic!("{line}"),
        };
        let images = &dataset.unseen.images;
        assert_eq!([&images[pair.first], &images[pair.second]], [&named[0], &named[1]]);
        assert_eq!(pair.genuine, fields.len() == 3);
    }
}

/// A small copy of LFW's layout: four people for training and validation, two unseen.
fn small_lfw() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let (images, lists) = (root.path().join("lfw/images"), root.path().join("lfw/protocol"));
    fs::create_dir_all(&lists).unwrap();
    for (level, person) in ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay"].into_iter().enumerate() {
        fs::create_dir_all(images.join(person)).unwrap();
        for image in 1..=2 {
            let pixels = pgm(level as u8, image);
            fs::write(images.join(person).join(format!("{person}_000{image}.png")), pixels).unwrap();
        }
    }
    fs::write(lists.join("peopleDevTrain.txt"), "4\nAnn\t2\nBob\t2\nCid\t2\nDan\t1\n").unwrap();
    fs::write(lists.join("peopleDevTest.txt"), "2\nEve\t2\nFay\t2\n").unwrap();
    fs::write(lists.join("pairsDevTest.txt"), "1\nEve\t1\t2\nFay\t2\tEve\t1\n").unwrap();
    root
}

#[test]
fn a_person_in_training_and_unseen_is_an_error() {
    let root = small_lfw();
    let lists = root.path().join("lfw/protocol");
    fs::write(lists.join("peopleDevTest.txt"), "2\nEve\t2\nBob\t2\n").unwrap();
    let error = load(&DatasetSource::Lfw, root.path()).unwrap_err();
    assert!(matches!(&error, Error::SeenAndUnseen { person, .. } if person == "Bob"), "{error}");
    assert!(error.to_string().contains("peopleDevTrain.txt") && error.to_string().contains("peopleDevTest.txt"));
}

#[test]
fn too_many_pairs_to_score_are_an_error_before_training() {
    // An unseen person with too many pairs; none of the images is read.
    let folder = people(&[2, 2, 2, 2, 2, 2]);
    let unseen = folder.path().join("p5");
    for image in 0..4_600 {
        fs::write(unseen.join(format!("x{image}.pgm")), "").unwrap();
    }
    let error = load_folder(folder.path()).unwrap_err();
    assert!(matches!(error, Error::TooManyUnseen { limit: 10_000_000, .. }), "{error}");
}

/// A 160 x 160 image whose left and right half have one gray level each. Formats are detected by
/// content, so a PGM may be called `.png`.
fn pgm(person: u8, image: u8) -> Vec<u8> {
    let row = [[person; 80], [image; 80]].concat();
    [b"P5 160 160 255 ".to_vec(), row.repeat(160)].concat()
}

#[test]
fn listed_pairs_become_indices() {
    let root = small_lfw();
    let dataset = load(&DatasetSource::Lfw, root.path()).unwrap();
    assert_consistent(&dataset);
    assert_eq!(
        dataset.training.images,
        ["Ann/Ann_0001.png", "Ann/Ann_0002.png", "Bob/Bob_0001.png", "Bob/Bob_0002.png"]
    );
    assert_eq!(dataset.validation.images, ["Cid/Cid_0001.png", "Cid/Cid_0002.png", "Dan/Dan_0001.png"]);
    let positions: Vec<_> = dataset.unseen_pairs.iter().map(|pair| (pair.first, pair.second, pair.genuine)).collect();
    assert_eq!(positions, [(0, 1, true), (3, 0, false)]);
    // All genuine pairs of the validation people, and as many impostor pairs.
    let genuine: Vec<bool> = dataset.validation_pairs.iter().map(|pair| pair.genuine).collect();
    assert_eq!(genuine, [true, false]);
}

#[test]
fn a_listed_pair_outside_its_set_is_an_error() {
    for (pairs, message) in [
        ("1\nEve\t1\t2\nFay\t2\tAnn\t1\n", ":3: image 1 of Ann is not in "),
        ("1\nEve\t1\t3\nFay\t2\tEve\t1\n", ":2: image 3 of Eve is not in "),
    ] {
        let root = small_lfw();
        let lists = root.path().join("lfw/protocol");
        fs::write(lists.join("pairsDevTest.txt"), pairs).unwrap();
        let error = load(&DatasetSource::Lfw, root.path()).unwrap_err();
        let [list, people] =
            ["pairsDevTest.txt", "peopleDevTest.txt"].map(|list| lists.join(list).display().to_string());
        assert_eq!(error.to_string(), format!("{list}{message}{people}"));
    }
}

#[test]
fn lists_that_can_not_be_split_are_errors() {
    for (list, people, message) in [
        (
            "peopleDevTrain.txt",
            "3\nAnn\t2\nBob\t2\nCid\t2\n",
            " has 3 people, too few in one group: expected at least 4 (2 for training, 2 for validation)",
        ),
        (
            "peopleDevTrain.txt",
            "4\nAnn\t1\nBob\t1\nCid\t2\nDan\t1\n",
            ": none of the training people, Ann to Bob, has two images",
        ),
        (
            "peopleDevTrain.txt",
            "4\nAnn\t1\nBob\t2\nCid\t1\nDan\t1\n",
            ": none of the validation people, Cid to Dan, has two images",
        ),
        ("peopleDevTest.txt", "2\nEve\t1\nFay\t1\n", ": none of the unseen people, Eve to Fay, has two images"),
    ] {
        let root = small_lfw();
        let list = root.path().join("lfw/protocol").join(list);
        fs::write(&list, people).unwrap();
        let error = load(&DatasetSource::Lfw, root.path()).unwrap_err();
        assert_eq!(error.to_string(), format!("{}{message}", list.display()));
    }
}

const LFW_LANDMARKS: &str = "lfw/lfw_landmark_5pt_mtcnn_raw250.txt";
/// A template for faces of 16 x 12 pixels.
const TEMPLATE: [[f32; 2]; 5] = [[3.5, 5.5], [7.5, 5.5], [5.5, 7.5], [4.0, 9.5], [7.0, 9.5]];

/// A line of a list of landmarks: the template scaled by 5, with `[0, 0]` at `[x, y]`.
fn landmark_line(image: &str, [x, y]: [f32; 2]) -> String {
    let numbers = TEMPLATE.as_flattened().chunks(2).flat_map(|at| [5.0 * at[0] + x, 5.0 * at[1] + y]);
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("{image}\t{}\n", numbers.join("\t"))
}

fn counts(landmark_list: usize, center_crop: usize) -> FaceSourceCounts {
    FaceSourceCounts { landmark_list, center_crop, ..FaceSourceCounts::default() }
}

fn load_aligned(source: &DatasetSource, data: &Path) -> Result<Dataset, Error> {
    DatasetLoader::new(source, [16, 12]).data(data).template(Some(TEMPLATE)).seed(1).load()
}

#[test]
fn lfw_is_aligned_where_landmarks_are_listed() {
    let root = small_lfw();
    // The list is in pixels of the originals and names JPEGs; the images are their central part,
    // called `.png`.
    let list = landmark_line("Ann/Ann_0002.jpg", [45.0, 70.0]) + &landmark_line("Eve/Eve_0001.jpg", [125.0, 70.0]);
    fs::write(root.path().join(LFW_LANDMARKS), list).unwrap();
    let dataset = load_aligned(&DatasetSource::Lfw, root.path()).unwrap();
    assert_consistent(&dataset);
    let (aligned, cropped) = (FaceSource::LandmarkList, FaceSource::CenterCrop);
    assert_eq!(dataset.training.sources, [cropped, aligned, cropped, cropped]);
    assert_eq!(dataset.validation.sources, [cropped; 3]);
    assert_eq!(dataset.unseen.sources, [aligned, cropped, cropped, cropped]);
    assert_eq!(dataset.sources(), counts(2, 9));
    assert_eq!(dataset.sources().to_string(), "faces aligned by the landmark list: 2, cropped: 9");
    // Twelve columns of five pixels each: Ann's start at the left edge, Eve's where the halves
    // meet.
    let (ann, eve) = ((0, 2), (4, 1));
    assert!(dataset.training.faces.slice(ndarray::s![1, .., .., ..]).iter().all(|&level| level == ann.0));
    assert!(dataset.unseen.faces.slice(ndarray::s![0, .., 1.., ..]).iter().all(|&level| level == eve.1));
    for (faces, image, (left, right)) in [(&dataset.training.faces, 0, (0, 1)), (&dataset.unseen.faces, 1, (4, 2))] {
        assert!(faces.slice(ndarray::s![image, .., ..5, ..]).iter().all(|&level| level == left));
        assert!(faces.slice(ndarray::s![image, .., 7.., ..]).iter().all(|&level| level == right));
    }

    // A network without a template gets no aligned faces.
    let cropped = load(&DatasetSource::Lfw, root.path()).unwrap();
    assert_eq!(cropped.sources(), counts(0, 11));
    fs::remove_file(root.path().join(LFW_LANDMARKS)).unwrap();
    assert_eq!(load_aligned(&DatasetSource::Lfw, root.path()).unwrap(), cropped);
}

#[test]
fn unusable_landmarks_are_named() {
    let root = small_lfw();
    let list = root.path().join(LFW_LANDMARKS);
    fs::write(&list, "Ann/Ann_0001.jpg\t1\t2\t3\n").unwrap();
    let message = |source| load_aligned(&source, root.path()).unwrap_err().to_string();
    assert!(message(DatasetSource::Lfw).starts_with(&format!("{}:1: expected ", list.display())));
    fs::write(&list, landmark_line("Cid/Cid_0002.jpg", [500.0, 0.0])).unwrap();
    let outside = message(DatasetSource::Lfw);
    assert!(outside.contains("Cid_0002.png lie outside its 160 x 160 pixels"), "{outside}");
    fs::remove_file(&list).unwrap();
    fs::write(root.path().join("lfw/images/Dan/Dan_0001.png"), b"P5 2 1 255 ab").unwrap();
    let size = message(DatasetSource::Lfw);
    assert!(size.contains("Dan_0001.png has 2 x 1 pixels: LFW images have 250 x 250, or 160 x 160"), "{size}");
}

#[test]
fn funneled_images_are_cropped_and_not_accepted_as_originals() {
    let root = small_lfw();
    let (lfw, funneled) = (root.path().join("lfw"), root.path().join("lfw-funneled"));
    let crops = load_aligned(&DatasetSource::Lfw, root.path()).unwrap();
    fs::rename(&lfw, &funneled).unwrap();
    let dataset = load_aligned(&DatasetSource::LfwFunneled, root.path()).unwrap();
    assert_eq!((dataset.name.as_str(), DatasetSource::LfwFunneled.name().as_str()), ("lfw-funneled", "lfw-funneled"));
    assert_eq!(dataset.sources(), counts(0, 11));
    assert_eq!(Dataset { name: "lfw".to_owned(), ..dataset }, crops);

    for name in ["lfw_landmark_5pt_mtcnn_raw250.txt", "landmarks.txt"] {
        let list = funneled.join(name);
        fs::write(&list, landmark_line("Ann/Ann_0001.jpg", [45.0, 45.0])).unwrap();
        let error = load_aligned(&DatasetSource::LfwFunneled, root.path()).unwrap_err();
        assert!(matches!(&error, Error::FunneledLandmarks { list: named } if *named == list), "{error}");
        assert!(error.to_string().contains("funneled images are warped"), "{error}");
        fs::remove_file(&list).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_funneled_images_is_resolved() {
    // The name of the data folder does not count.
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("not-funneled");
    fs::rename(small_lfw().keep(), &root).unwrap();
    load(&DatasetSource::Lfw, &root).unwrap();
    let (images, target) = (root.join("lfw/images"), root.join("lfw_Funneled"));
    fs::rename(&images, &target).unwrap();
    std::os::unix::fs::symlink(&target, &images).unwrap();
    let error = load(&DatasetSource::Lfw, &root).unwrap_err();
    assert!(matches!(&error, Error::FunneledAsOriginals { images: named, .. } if *named == images), "{error}");
    assert!(error.to_string().contains("lfw_Funneled: funneled images are warped"), "{error}");
}

#[test]
fn a_folder_may_hold_landmarks() {
    let folder = people(&[2, 2, 2, 2, 2, 2]);
    fs::write(folder.path().join("p0/1.pgm"), pgm(7, 9)).unwrap();
    let list = folder.path().join("landmarks.txt");
    let load = || load_aligned(&DatasetSource::Folder(folder.path().to_owned()), Path::new("nowhere"));
    assert_eq!(load().unwrap().sources().landmark_list, 0);
    // In pixels of the image, whatever its size.
    fs::write(&list, landmark_line("p0/1.pgm", [90.0, 30.0])).unwrap();
    let dataset = load().unwrap();
    assert_eq!(dataset.sources(), counts(1, 11));
    assert_eq!(dataset.training.sources[..2], [FaceSource::CenterCrop, FaceSource::LandmarkList]);
    assert!(dataset.training.faces.slice(ndarray::s![1, .., .., ..]).iter().all(|&level| level == 9));

    fs::write(&list, landmark_line("p0/1.pgm", [90.0, 30.0]) + &landmark_line("p1/3.pgm", [90.0, 30.0])).unwrap();
    let error = load().unwrap_err();
    let missing = folder.path().join("p1/3.pgm");
    assert!(
        matches!(&error, Error::Data(facenet_data::Error::MissingImage { list: named, line: 2, path })
            if *named == list && *path == missing),
        "{error}"
    );
}
