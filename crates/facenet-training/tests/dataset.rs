//! Data sets: who is seen and who is not, and what is said where that can't be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use facenet_data::SyntheticFaces;
use facenet_recognition::{FaceSource, FaceSourceCounts};
use facenet_training::Error;
use facenet_training::{Dataset, DatasetLoader, DatasetSource, LabelledFaces, SyntheticSize};
use ndarray::Axis;

const SMALL: SyntheticSize =
    SyntheticSize { training_people: 5, training_pictures: 3, validation_people: 2, unseen_people: 3, pictures: 2 };

/// The folder of data sets; `None`, with a printed reason, if it does not hold this one.
fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FACENET_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if !root.join(path).exists() {
        println!("skipped: {} is missing", root.join(path).display());
        return None;
    }
    Some(root)
}

fn load(source: &DatasetSource, data: &Path) -> Result<Dataset, Error> {
    DatasetLoader::new(source, [16, 12]).data(data).seed(1).load()
}

/// A folder of people with so many pictures each, of 2 x 1 grey levels: the person's number and the picture's.
fn people(pictures: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (person, &pictures) in pictures.iter().enumerate() {
        let path = folder.path().join(format!("p{person}"));
        fs::create_dir(&path).unwrap();
        for picture in 0..pictures {
            let mut file = b"P5 2 1 255 ".to_vec();
            file.extend([person as u8, picture]);
            fs::write(path.join(format!("{picture}.pgm")), file).unwrap();
        }
    }
    folder
}

fn load_folder(folder: &Path) -> Result<Dataset, Error> {
    DatasetLoader::new(&DatasetSource::Folder(folder.to_owned()), [1, 2]).seed(1).load()
}

/// Everything fits together, whatever the source.
fn assert_sound(dataset: &Dataset) {
    let nothing = Vec::new();
    for (group, pairs) in [
        (&dataset.training, &nothing),
        (&dataset.validation, &dataset.validation_pairs),
        (&dataset.unseen, &dataset.unseen_pairs),
    ] {
        let LabelledFaces { faces, identities, people, pictures, sources } = group;
        assert_eq!((faces.len_of(Axis(0)), identities.len()), (pictures.len(), pictures.len()));
        assert_eq!(sources.len(), pictures.len());
        assert_eq!(identities.iter().copied().collect::<BTreeSet<_>>(), (0..people.len()).collect());
        assert_eq!(pictures.iter().collect::<BTreeSet<_>>().len(), pictures.len());
        for (picture, &identity) in pictures.iter().zip(identities) {
            assert!(picture.starts_with(&format!("{}/", people[identity])), "{picture} of {}", people[identity]);
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
    assert_eq!(people.len(), counts.iter().sum::<usize>(), "someone is in two groups");
}

#[test]
fn synthetic_people() {
    let told = Mutex::new(Vec::new());
    let progress = |loaded, all| told.lock().unwrap().push((loaded, all));
    let source = DatasetSource::Synthetic(SMALL);
    let dataset = DatasetLoader::new(&source, [16, 12]).seed(7).progress(&progress).load().unwrap();
    assert_sound(&dataset);
    assert_eq!(dataset.name, "synthetic");
    assert_eq!(dataset.training.faces.dim(), (15, 16, 12, 3));
    assert_eq!(dataset.validation.people, ["person-0005", "person-0006"]);
    assert_eq!(dataset.unseen.identities, [0, 0, 1, 1, 2, 2]);
    assert_eq!(dataset.unseen.people, ["person-0007", "person-0008", "person-0009"]);
    assert_eq!(dataset.unseen.pictures[3], "person-0008/1");
    assert_eq!(dataset.training.pictures[14], "person-0004/2");
    assert_eq!((dataset.validation_pairs.len(), dataset.unseen_pairs.len()), (4, 6));

    let world = SyntheticFaces::new(7);
    assert_eq!(dataset.training.faces, world.portraits(0..5, 3, [16, 12]).0);
    assert_eq!(dataset.validation.faces, world.portraits(5..7, 2, [16, 12]).0);
    assert_eq!(dataset.unseen.faces, world.portraits(7..10, 2, [16, 12]).0);
    assert_eq!(dataset.sources(), FaceSourceCounts { synthetic: 25, ..FaceSourceCounts::default() });
    assert_eq!(dataset.sources().to_string(), "faces synthetic: 25");
    let mut told = told.into_inner().unwrap();
    told.sort_unstable();
    assert_eq!(told, (1..=25).map(|loaded| (loaded, 25)).collect::<Vec<_>>());
}

#[test]
fn the_seed_decides_and_threads_do_not() {
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
fn synthetic_people_who_can_not_be_recognised() {
    let message = |size| load(&DatasetSource::Synthetic(size), Path::new("")).unwrap_err().to_string();
    let needed = "at least 6 are needed, 2 to train on, 2 to validate on, 2 who stay unseen";
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
        message(SyntheticSize { pictures: 1, ..SMALL }),
        "the synthetic data set: nobody among the validation people, person-0005 to person-0006, has two pictures"
    );
    assert_eq!(
        message(SyntheticSize { training_pictures: 1, ..SMALL }),
        "the synthetic data set: nobody among the training people, person-0000 to person-0004, has two pictures"
    );
    for people in [usize::MAX, usize::MAX / 2] {
        let huge = message(SyntheticSize { training_people: people, ..SMALL });
        assert!(huge.contains("memory limit"), "{huge}");
    }
}

#[test]
fn the_last_quarter_of_a_folder_stays_unseen() {
    let folder = people(&[2, 1, 2, 2, 1, 3, 1, 12, 1, 2, 1]);
    let told = Mutex::new(Vec::new());
    let progress = |loaded, all| told.lock().unwrap().push((loaded, all));
    let source = DatasetSource::Folder(folder.path().to_owned());
    let dataset = DatasetLoader::new(&source, [1, 2]).seed(1).progress(&progress).load().unwrap();
    assert_sound(&dataset);
    assert_eq!(dataset.name, folder.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(dataset.training.people, ["p0", "p1", "p2", "p3", "p4", "p5"]);
    assert_eq!(dataset.training.identities, [0, 0, 1, 2, 2, 3, 3, 4, 5, 5, 5]);
    assert_eq!(dataset.validation.people, ["p6", "p7"]);
    // Of twelve pictures the first ten.
    assert_eq!(dataset.validation.identities, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(dataset.validation.faces.slice(ndarray::s![.., 0, 1, 2]).to_vec(), [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(dataset.validation_pairs.len(), 45 + 10);
    assert_eq!(dataset.unseen.people, ["p8", "p9", "p10"]);
    assert_eq!(dataset.unseen.pictures, ["p8/0.pgm", "p9/0.pgm", "p9/1.pgm", "p10/0.pgm"]);
    assert_eq!(dataset.unseen.identities, [0, 1, 1, 2]);
    assert_eq!(dataset.unseen.faces.slice(ndarray::s![.., 0, 0, 0]).to_vec(), [8, 9, 9, 10]);
    assert_eq!(dataset.unseen.faces.slice(ndarray::s![.., 0, 1, 2]).to_vec(), [0, 0, 1, 0]);
    let mut told = told.into_inner().unwrap();
    told.sort_unstable();
    assert_eq!(told, (1..=26).map(|loaded| (loaded, 26)).collect::<Vec<_>>());
    assert_eq!(load_folder(&folder.path().join("")).unwrap(), dataset);
}

#[test]
fn six_people_are_enough() {
    let dataset = load_folder(people(&[1, 2, 2, 1, 1, 2]).path()).unwrap();
    assert_sound(&dataset);
    assert_eq!(dataset.training.people, ["p0", "p1"]);
    assert_eq!(dataset.validation.people, ["p2", "p3"]);
    assert_eq!(dataset.unseen.people, ["p4", "p5"]);
}

#[test]
fn a_tenth_of_the_people_to_learn_from_validates() {
    for (people_in_all, expected) in [(9, [5, 2, 2]), (13, [7, 3, 3]), (20, [11, 4, 5]), (80, [54, 6, 20])] {
        let dataset = load_folder(people(&vec![2; people_in_all]).path()).unwrap();
        let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
        assert_eq!(groups.map(|group| group.people.len()), expected);
    }
}

#[test]
fn folders_that_can_not_be_divided() {
    let message = |pictures: &[u8]| {
        let folder = people(pictures);
        let message = load_folder(folder.path()).unwrap_err().to_string();
        message.strip_prefix(folder.path().to_str().unwrap()).expect("the folder's name").to_owned()
    };
    for people in 1..6 {
        let needed = "at least 6 are needed, 2 to train on, 2 to validate on, 2 who stay unseen";
        assert_eq!(message(&vec![2; people]), format!(" has {people} people, too few in one group: {needed}"));
    }
    let nobody = |group, who| format!(": nobody among the {group} people, {who}, has two pictures");
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
    let Some(root) = data("orl/data_faces") else { return };
    let dataset = load(&DatasetSource::Orl, &root).unwrap();
    assert_sound(&dataset);
    assert_eq!(dataset.name, "orl");
    let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
    assert_eq!(groups.map(|group| group.faces.dim()), [260, 40, 100].map(|pictures| (pictures, 16, 12, 3)));
    assert_eq!(groups.map(|group| group.people[0].as_str()), ["s1", "s27", "s31"]);
    assert_eq!(groups.map(|group| group.people[group.people.len() - 1].as_str()), ["s26", "s30", "s40"]);
    assert_eq!(dataset.unseen.pictures[3], "s31/4.pgm");
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
fn olivetti_is_divided_as_orl_is() {
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
        for picture in 1..=2 {
            fs::write(folder.join(format!("s{person}/{picture}.png")), pgm(person, picture)).unwrap();
        }
    }
    let dataset = load(&DatasetSource::Olivetti, root.path()).unwrap();
    assert_sound(&dataset);
    assert_eq!((dataset.name.as_str(), DatasetSource::Olivetti.name().as_str()), ("olivetti", "olivetti"));
    let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
    assert_eq!(groups.map(|group| group.people[0].as_str()), ["s1", "s27", "s31"]);
    assert_eq!(groups.map(|group| group.people[group.people.len() - 1].as_str()), ["s26", "s30", "s40"]);
}

#[test]
fn view_1_of_lfw() {
    let Some(root) = data("lfw/images") else { return };
    let dataset = load(&DatasetSource::Lfw, &root).unwrap();
    assert_sound(&dataset);
    let groups = [&dataset.training, &dataset.validation, &dataset.unseen];
    // Of the 4,038 people the last tenth, at most 400, with at most ten pictures each.
    assert_eq!(
        groups.map(|group| (group.people.len(), group.pictures.len())),
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
        let picture = |name: &str, number: &str| format!("{name}/{name}_{number:0>4}.jpg");
        let named = match fields[..] {
            [name, first, second] => [picture(name, first), picture(name, second)],
            [name, first, other, second] => [picture(name, first), picture(other, second)],
            _ => panic!("{line}"),
        };
        let pictures = &dataset.unseen.pictures;
        assert_eq!([&pictures[pair.first], &pictures[pair.second]], [&named[0], &named[1]]);
        assert_eq!(pair.genuine, fields.len() == 3);
    }
}

/// A tiny copy of LFW's layout: four people to train and validate on, two unseen ones.
fn small_lfw() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let (images, lists) = (root.path().join("lfw/images"), root.path().join("lfw/protocol"));
    fs::create_dir_all(&lists).unwrap();
    for (level, person) in ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay"].into_iter().enumerate() {
        fs::create_dir_all(images.join(person)).unwrap();
        for picture in 1..=2 {
            let pixels = pgm(level as u8, picture);
            fs::write(images.join(person).join(format!("{person}_000{picture}.png")), pixels).unwrap();
        }
    }
    fs::write(lists.join("peopleDevTrain.txt"), "4\nAnn\t2\nBob\t2\nCid\t2\nDan\t1\n").unwrap();
    fs::write(lists.join("peopleDevTest.txt"), "2\nEve\t2\nFay\t2\n").unwrap();
    fs::write(lists.join("pairsDevTest.txt"), "1\nEve\t1\t2\nFay\t2\tEve\t1\n").unwrap();
    root
}

#[test]
fn nobody_is_seen_and_unseen() {
    let root = small_lfw();
    let lists = root.path().join("lfw/protocol");
    fs::write(lists.join("peopleDevTest.txt"), "2\nEve\t2\nBob\t2\n").unwrap();
    let error = load(&DatasetSource::Lfw, root.path()).unwrap_err();
    assert!(matches!(&error, Error::SeenAndUnseen { person, .. } if person == "Bob"), "{error}");
    assert!(error.to_string().contains("peopleDevTrain.txt") && error.to_string().contains("peopleDevTest.txt"));
}

#[test]
fn more_than_can_be_scored_is_found_out_before_training() {
    // One unseen person with so many pictures that the pairs of them are too many; none of them is ever read.
    let folder = people(&[2, 2, 2, 2, 2, 2]);
    let unseen = folder.path().join("p5");
    for picture in 0..4_600 {
        fs::write(unseen.join(format!("x{picture}.pgm")), "").unwrap();
    }
    let error = load_folder(folder.path()).unwrap_err();
    assert!(matches!(error, Error::TooManyUnseen { limit: 10_000_000, .. }), "{error}");
}

/// A picture of 160 x 160 in two grey levels, its left half and its right half. Told by content, a PGM may be called `.png`.
fn pgm(person: u8, picture: u8) -> Vec<u8> {
    let row = [[person; 80], [picture; 80]].concat();
    [b"P5 160 160 255 ".to_vec(), row.repeat(160)].concat()
}

#[test]
fn listed_pairs_become_positions() {
    let root = small_lfw();
    let dataset = load(&DatasetSource::Lfw, root.path()).unwrap();
    assert_sound(&dataset);
    assert_eq!(
        dataset.training.pictures,
        ["Ann/Ann_0001.png", "Ann/Ann_0002.png", "Bob/Bob_0001.png", "Bob/Bob_0002.png"]
    );
    assert_eq!(dataset.validation.pictures, ["Cid/Cid_0001.png", "Cid/Cid_0002.png", "Dan/Dan_0001.png"]);
    let positions: Vec<_> = dataset.unseen_pairs.iter().map(|pair| (pair.first, pair.second, pair.genuine)).collect();
    assert_eq!(positions, [(0, 1, true), (3, 0, false)]);
    // Of the validation people all pairs of one person, and as many others.
    let genuine: Vec<bool> = dataset.validation_pairs.iter().map(|pair| pair.genuine).collect();
    assert_eq!(genuine, [true, false]);
}

#[test]
fn a_listed_pair_outside_its_set_is_an_error() {
    for (pairs, message) in [
        ("1\nEve\t1\t2\nFay\t2\tAnn\t1\n", ":3: picture 1 of Ann is not among those of "),
        ("1\nEve\t1\t3\nFay\t2\tEve\t1\n", ":2: picture 3 of Eve is not among those of "),
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
fn lists_that_can_not_be_divided() {
    for (list, people, message) in [
        (
            "peopleDevTrain.txt",
            "3\nAnn\t2\nBob\t2\nCid\t2\n",
            " has 3 people, too few in one group: at least 4 are needed, 2 to train on, 2 to validate on",
        ),
        (
            "peopleDevTrain.txt",
            "4\nAnn\t1\nBob\t1\nCid\t2\nDan\t1\n",
            ": nobody among the training people, Ann to Bob, has two pictures",
        ),
        (
            "peopleDevTrain.txt",
            "4\nAnn\t1\nBob\t2\nCid\t1\nDan\t1\n",
            ": nobody among the validation people, Cid to Dan, has two pictures",
        ),
        ("peopleDevTest.txt", "2\nEve\t1\nFay\t1\n", ": nobody among the unseen people, Eve to Fay, has two pictures"),
    ] {
        let root = small_lfw();
        let list = root.path().join("lfw/protocol").join(list);
        fs::write(&list, people).unwrap();
        let error = load(&DatasetSource::Lfw, root.path()).unwrap_err();
        assert_eq!(error.to_string(), format!("{}{message}", list.display()));
    }
}

const LFW_LANDMARKS: &str = "lfw/lfw_landmark_5pt_mtcnn_raw250.txt";
/// The middle of a face of 16 x 12 pixels.
const TEMPLATE: [[f32; 2]; 5] = [[3.5, 5.5], [7.5, 5.5], [5.5, 7.5], [4.0, 9.5], [7.0, 9.5]];

/// A line of a list: a face five times as large as the template's, whose point `[0, 0]` is at `[x, y]`.
fn landmark_line(picture: &str, [x, y]: [f32; 2]) -> String {
    let numbers = TEMPLATE.as_flattened().chunks(2).flat_map(|at| [5.0 * at[0] + x, 5.0 * at[1] + y]);
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("{picture}\t{}\n", numbers.join("\t"))
}

fn counts(landmark_list: usize, center_crop: usize) -> FaceSourceCounts {
    FaceSourceCounts { landmark_list, center_crop, ..FaceSourceCounts::default() }
}

fn load_aligned(source: &DatasetSource, data: &Path) -> Result<Dataset, Error> {
    DatasetLoader::new(source, [16, 12]).data(data).template(Some(TEMPLATE)).seed(1).load()
}

#[test]
fn lfw_is_aligned_where_there_are_landmarks() {
    let root = small_lfw();
    // The list is in pixels of the originals and speaks of JPEGs; the pictures are their middle, called `.png`.
    let list = landmark_line("Ann/Ann_0002.jpg", [45.0, 70.0]) + &landmark_line("Eve/Eve_0001.jpg", [125.0, 70.0]);
    fs::write(root.path().join(LFW_LANDMARKS), list).unwrap();
    let dataset = load_aligned(&DatasetSource::Lfw, root.path()).unwrap();
    assert_sound(&dataset);
    let (aligned, cropped) = (FaceSource::LandmarkList, FaceSource::CenterCrop);
    assert_eq!(dataset.training.sources, [cropped, aligned, cropped, cropped]);
    assert_eq!(dataset.validation.sources, [cropped; 3]);
    assert_eq!(dataset.unseen.sources, [aligned, cropped, cropped, cropped]);
    assert_eq!(dataset.sources(), counts(2, 9));
    assert_eq!(dataset.sources().to_string(), "faces aligned by the landmark list: 2, cropped: 9");
    // Twelve columns of five pixels each: Ann's begin at the left side of the middle, Eve's at the border of its halves.
    let (ann, eve) = ((0, 2), (4, 1));
    assert!(dataset.training.faces.slice(ndarray::s![1, .., .., ..]).iter().all(|&level| level == ann.0));
    assert!(dataset.unseen.faces.slice(ndarray::s![0, .., 1.., ..]).iter().all(|&level| level == eve.1));
    for (faces, picture, (left, right)) in [(&dataset.training.faces, 0, (0, 1)), (&dataset.unseen.faces, 1, (4, 2))] {
        assert!(faces.slice(ndarray::s![picture, .., ..5, ..]).iter().all(|&level| level == left));
        assert!(faces.slice(ndarray::s![picture, .., 7.., ..]).iter().all(|&level| level == right));
    }

    // A network that asks for no aligned faces gets none.
    let cropped = load(&DatasetSource::Lfw, root.path()).unwrap();
    assert_eq!(cropped.sources(), counts(0, 11));
    fs::remove_file(root.path().join(LFW_LANDMARKS)).unwrap();
    assert_eq!(load_aligned(&DatasetSource::Lfw, root.path()).unwrap(), cropped);
}

#[test]
fn landmarks_that_can_not_be_used_are_named() {
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
fn funneled_pictures_are_cropped_and_never_taken_for_originals() {
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
        assert!(error.to_string().contains("funneled pictures were warped"), "{error}");
        fs::remove_file(&list).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_funneled_pictures_is_followed() {
    // What the folder of all data is called tells nothing.
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("not-funneled");
    fs::rename(small_lfw().keep(), &root).unwrap();
    load(&DatasetSource::Lfw, &root).unwrap();
    let (images, target) = (root.join("lfw/images"), root.join("lfw_Funneled"));
    fs::rename(&images, &target).unwrap();
    std::os::unix::fs::symlink(&target, &images).unwrap();
    let error = load(&DatasetSource::Lfw, &root).unwrap_err();
    assert!(matches!(&error, Error::FunneledAsOriginals { images: named, .. } if *named == images), "{error}");
    assert!(error.to_string().contains("lfw_Funneled: funneled pictures were warped"), "{error}");
}

#[test]
fn a_folder_may_hold_landmarks() {
    let folder = people(&[2, 2, 2, 2, 2, 2]);
    fs::write(folder.path().join("p0/1.pgm"), pgm(7, 9)).unwrap();
    let list = folder.path().join("landmarks.txt");
    let load = || load_aligned(&DatasetSource::Folder(folder.path().to_owned()), Path::new("nowhere"));
    assert_eq!(load().unwrap().sources().landmark_list, 0);
    // In the picture's own pixels, whatever its size.
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
