//! From pictures of one face each to embeddings, and what is kept of them.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::{Crop, SyntheticFaces};
use facenet_network::{Description, Initializer, Network};
use facenet_recognition::{
    EmbeddedPortraits, Error, FaceSource, PortraitEmbedder, PortraitLandmarks, PortraitOptions, write_embeddings,
};
use ndarray::{Array3, ArrayView3, Axis};

const DESCRIPTION: &str = r#"
    name = "tiny"
    input = [14, 12]
    embedding = 6
    preprocessing.template = [[3, 4], [8, 4], [6, 7], [4, 10], [8, 10]]
    layers = [{ layer = "convolution", name = "conv1", kernel = 3, stride = 2, padding = 1, channels = 8 }]
"#;

fn network(seed: u64) -> Network<f32> {
    Network::new(Description::from_toml(DESCRIPTION).unwrap(), Initializer::HeNormal, seed).unwrap()
}

/// A picture as a PPM file.
fn write(path: &Path, picture: ArrayView3<'_, u8>) {
    let (height, width, _) = picture.dim();
    let mut bytes = format!("P6 {width} {height} 255\n").into_bytes();
    bytes.extend(picture.iter());
    fs::write(path, bytes).unwrap();
}

/// Five pictures; the third is not one.
fn pictures(folder: &Path) -> Vec<PathBuf> {
    let (faces, _) = SyntheticFaces::new(3).portraits(0..5, 1, [60, 50]);
    let names = ["a.ppm", "b, \"c\".ppm", "d.ppm", "e.ppm", "f.ppm"];
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    for (path, face) in paths.iter().zip(faces.outer_iter()) {
        write(path, face);
    }
    fs::write(&paths[2], "P6 60 50 255\n and no pixels").unwrap();
    paths
}

fn embed(
    network: &Network<f32>,
    list: Option<PortraitLandmarks>,
    cache: &Path,
    paths: &[PathBuf],
) -> EmbeddedPortraits {
    let mut embedder = PortraitEmbedder::new(
        network,
        PortraitOptions { landmark_list: list, cache: Some(cache), ..PortraitOptions::default() },
    )
    .unwrap();
    embedder.embed(paths, &|_, _| ()).unwrap()
}

#[test]
fn a_picture_is_embedded_once_and_known_by_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let paths = pictures(folder.path());
    let first = embed(&network(1), None, &cache, &paths);
    assert_eq!(first.cached, 0);
    assert_eq!(first.pictures, [&paths[..2], &paths[3..]].concat());
    assert_eq!(first.unread.len(), 1);
    assert_eq!(first.unread[0].path, paths[2]);
    assert!(first.unread[0].error.to_string().contains("d.ppm"), "{}", first.unread[0].error);

    // Under another name and in another order, with one more.
    let moved = folder.path().join("moved.ppm");
    fs::rename(&paths[0], &moved).unwrap();
    let new = folder.path().join("new.ppm");
    write(&new, SyntheticFaces::new(9).portraits(0..1, 1, [60, 50]).0.index_axis(Axis(0), 0));
    let again = embed(&network(1), None, &cache, &[new.clone(), paths[4].clone(), moved]);
    assert_eq!(again.cached, 2);
    assert_eq!(again.embeddings.row(1), first.embeddings.row(3));
    assert_eq!(again.embeddings.row(2), first.embeddings.row(0));
    // What was new then is there now; the same without a cache.
    let third = embed(&network(1), None, &cache, std::slice::from_ref(&new));
    assert_eq!((third.cached, third.embeddings.row(0)), (1, again.embeddings.row(0)));
    let mut alone = PortraitEmbedder::new(&network(1), PortraitOptions::default()).unwrap();
    assert_eq!(alone.embed(std::slice::from_ref(&new), &|_, _| ()).unwrap().embeddings, third.embeddings);

    // Another network, and another part of the picture, are others.
    let other = embed(&network(2), None, &cache, std::slice::from_ref(&new));
    assert_eq!(other.cached, 0);
    assert_ne!(other.embeddings, third.embeddings);
    let mut middle = PortraitEmbedder::new(
        &network(1),
        PortraitOptions { crop: Crop::Center { fraction: 0.5 }, cache: Some(&cache), ..PortraitOptions::default() },
    )
    .unwrap();
    assert_eq!(middle.embed(&[new], &|_, _| ()).unwrap().cached, 0);
}

#[test]
fn listed_landmarks_align_and_belong_to_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let paths = pictures(folder.path());
    let list = folder.path().join("landmarks.txt");
    let read = || Some(PortraitLandmarks::read(&list, &[]).unwrap());
    fs::write(&list, "a.ppm 15 20 35 20 25 30 17 42 33 42\ne.ppm 900 900 950 900 920 950 905 990 945 990\n").unwrap();
    let listed = embed(&network(1), read(), &cache, &paths[..2]);
    assert_eq!(
        listed.portraits.iter().map(|portrait| portrait.source).collect::<Vec<_>>(),
        [FaceSource::LandmarkList, FaceSource::CenterCrop]
    );
    assert_eq!(listed.portraits[0].landmarks.unwrap().0[2], [25.0, 30.0]);
    assert!(listed.portraits.iter().all(|portrait| portrait.warning().is_none()));
    let cropped = embed(&network(1), None, &cache, &paths[..2]);
    assert_eq!(cropped.cached, 1, "only the one without a line is the same");
    assert_ne!(cropped.embeddings.row(0), listed.embeddings.row(0));
    // A line that has changed is another picture; kept portraits come back as they were.
    let kept = embed(&network(1), read(), &cache, &paths[..2]);
    assert_eq!((kept.cached, &kept.portraits), (2, &listed.portraits));
    fs::write(&list, "a.ppm 16 20 35 20 25 30 17 42 33 42\n").unwrap();
    assert_eq!(embed(&network(1), read(), &cache, &paths[..1]).cached, 0);
    // Paths may begin in the folder of the pictures instead of the list's.
    let elsewhere = tempfile::tempdir().unwrap();
    let far = elsewhere.path().join("list.txt");
    fs::copy(&list, &far).unwrap();
    let listed = |folders: &[&Path]| PortraitLandmarks::read(&far, folders).unwrap().get(&paths[0]);
    assert_eq!(listed(&[]), None);
    assert_eq!(listed(&[folder.path()]).unwrap().0[0], [16.0, 20.0]);
    // Landmarks outside of the picture.
    fs::write(&list, "e.ppm 900 900 950 900 920 950 905 990 945 990\n").unwrap();
    let outside = embed(&network(1), read(), &cache, &paths[3..4]);
    let [unread] = &outside.unread[..] else { panic!("{:?}", outside.pictures) };
    assert!(matches!(unread.error, Error::Data(facenet_data::Error::LandmarksOutside { .. })), "{}", unread.error);
}

/// Whatever happens to a file of the cache, it is read as it was written or not at all.
#[test]
fn a_damaged_cache_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let paths = pictures(folder.path());
    let before = embed(&network(1), None, &cache, &paths);
    let kept = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let [file] = &fs::read_dir(kept).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>()[..] else {
        panic!("one file")
    };
    let bytes = fs::read(file).unwrap();
    let open =
        || PortraitEmbedder::new(&network(1), PortraitOptions { cache: Some(&cache), ..PortraitOptions::default() });
    for length in [0, 1, 7, 8, 9, 100, bytes.len() - 1] {
        fs::write(file, &bytes[..length]).unwrap();
        let error = open().unwrap_err();
        assert!(matches!(&error, Error::DamagedCache { path } if path == file), "{error}");
    }
    // The framing of the first picture, and a number of the last one's embedding.
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for (at, value) in [(header, 7.0_f32), (bytes.len() - 4, f32::NAN)] {
        let mut changed = bytes.clone();
        changed[at..at + 4].copy_from_slice(&value.to_le_bytes());
        fs::write(file, changed).unwrap();
        assert!(matches!(open().unwrap_err(), Error::DamagedCache { .. }));
    }
    fs::write(file, bytes).unwrap();
    assert_eq!(open().unwrap().embed(&paths, &|_, _| ()).unwrap().embeddings, before.embeddings);
}

#[test]
fn a_picture_without_a_finite_embedding_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let paths = pictures(folder.path());
    let mut broken = network(1);
    broken.parameters.values.fill(f32::NAN);
    let mut embedder = PortraitEmbedder::new(&broken, PortraitOptions::default()).unwrap();
    let portraits = embedder.embed(&paths, &|_, _| ()).unwrap();
    assert!(portraits.pictures.is_empty());
    let unread: Vec<_> = portraits.unread.iter().map(|unread| &unread.path).collect();
    assert!(unread.into_iter().eq(&paths), "in their order");
    assert!(matches!(&portraits.unread[1].error, Error::NotFinitePicture { path } if *path == paths[1]));
}

#[test]
fn files_for_other_programs_hold_names_of_any_kind() {
    let folder = tempfile::tempdir().unwrap();
    let paths = pictures(folder.path());
    let mut embedder = PortraitEmbedder::new(&network(1), PortraitOptions::default()).unwrap();
    let portraits = embedder.embed(&paths, &|_, _| ()).unwrap();
    let files = write_embeddings(folder.path(), &portraits, folder.path(), &embedder, true).unwrap();
    assert_eq!(files.len(), 3);
    let index = fs::read_to_string(&files[1]).unwrap();
    let lines: Vec<&str> = index.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("row,picture,framing,faces,doubt,left_eye_x,"), "{index}");
    assert!(lines[2].starts_with("1,\"b, \"\"c\"\".ppm\",center_crop,,"), "{index}");
    let table = fs::read_to_string(&files[2]).unwrap();
    let numbers: Vec<f32> =
        table.lines().nth(1).unwrap().split(',').skip(1).map(|cell| cell.parse().unwrap()).collect();
    assert_eq!(numbers, portraits.embeddings.row(0).to_vec(), "decimals give the number back");
    let tensors = facenet_network::ForeignTensors::from_safetensors(&fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!(tensors.tensors["embeddings"].shape, [4, 6]);
    assert!(tensors.tensors["embeddings"].values.iter().eq(portraits.embeddings.iter()));
}

#[test]
fn a_face_is_cut_out_again_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let paths = pictures(folder.path());
    let list = folder.path().join("landmarks.txt");
    fs::write(&list, "a.ppm 15 20 35 20 25 30 17 42 33 42\n").unwrap();
    let list = Some(PortraitLandmarks::read(&list, &[]).unwrap());
    let embedder =
        PortraitEmbedder::new(&network(1), PortraitOptions { landmark_list: list, ..PortraitOptions::default() })
            .unwrap();
    for path in &paths[..2] {
        let picture: Array3<u8> = facenet_data::read_image(path).unwrap();
        let (face, portrait) = embedder.reader().read(picture.view(), path).unwrap();
        assert_eq!(embedder.reader().cut(picture.view(), &portrait, path).unwrap(), face);
        assert_eq!(face.dim(), (14, 12, 3));
    }
}
