//! From photos to embeddings, and the cache.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::{Crop, SyntheticFaces};
use facenet_network::{Description, Initializer, Network};
use facenet_recognition::{
    EmbeddedPhotos, Error, FaceSource, PhotoEmbedder, PhotoLandmarks, PhotoOptions, PhotoWarning, write_embeddings,
};
use ndarray::{ArrayView3, Axis};

const DESCRIPTION: &str = r#"
    name = "tiny"
    input = [14, 12]
    embedding = 6
    preprocessing.template = [[3, 4], [8, 4], [6, 7], [4, 10], [8, 10]]
    layers = [{ layer = "convolution", name = "conv1", kernel = 3, stride = 2, padding = 1, channels = 8 }]
"#;

/// A network that takes whole pictures.
fn network(seed: u64) -> Network<f32> {
    let mut description = Description::from_toml(DESCRIPTION).unwrap();
    description.preprocessing.template = None;
    Network::new(description, Initializer::HeNormal, seed).unwrap()
}

/// A network that takes aligned faces.
fn aligning(seed: u64) -> Network<f32> {
    Network::new(Description::from_toml(DESCRIPTION).unwrap(), Initializer::HeNormal, seed).unwrap()
}

/// Writes a PPM file.
fn write(path: &Path, image: ArrayView3<'_, u8>) {
    let (height, width, _) = image.dim();
    let mut bytes = format!("P6 {width} {height} 255\n").into_bytes();
    bytes.extend(image.iter());
    fs::write(path, bytes).unwrap();
}

/// Five image files, of which the third is damaged.
fn images(folder: &Path) -> Vec<PathBuf> {
    let (faces, _) = SyntheticFaces::new(3).portraits(0..5, 1, [60, 50]);
    let names = ["a.ppm", "b, \"c\".ppm", "d.ppm", "e.ppm", "f.ppm"];
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    for (path, face) in paths.iter().zip(faces.outer_iter()) {
        write(path, face);
    }
    fs::write(&paths[2], "P6 60 50 255\n and no pixels").unwrap();
    paths
}

fn embed(network: &Network<f32>, list: Option<PhotoLandmarks>, cache: &Path, paths: &[PathBuf]) -> EmbeddedPhotos {
    let mut embedder = PhotoEmbedder::new(
        network,
        PhotoOptions { landmark_list: list, cache: Some(cache), ..PhotoOptions::default() },
    )
    .unwrap();
    embedder.embed(paths, &|_, _| ()).unwrap()
}

#[test]
fn embeddings_are_cached_by_image_content() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let paths = images(folder.path());
    let first = embed(&network(1), None, &cache, &paths);
    assert_eq!(first.cached, 0);
    assert!(first.photos.iter().map(|photo| &photo.path).eq(paths[..2].iter().chain(&paths[3..])));
    assert_eq!(first.unread.len(), 1);
    assert_eq!(first.unread[0].path, paths[2]);
    assert!(first.unread[0].error.to_string().contains("d.ppm"), "{}", first.unread[0].error);

    // Renamed, reordered, and a new one.
    let moved = folder.path().join("moved.ppm");
    fs::rename(&paths[0], &moved).unwrap();
    let new = folder.path().join("new.ppm");
    write(&new, SyntheticFaces::new(9).portraits(0..1, 1, [60, 50]).0.index_axis(Axis(0), 0));
    let again = embed(&network(1), None, &cache, &[new.clone(), paths[4].clone(), moved]);
    assert_eq!(again.cached, 2);
    assert_eq!(again.embeddings.row(1), first.embeddings.row(3));
    assert_eq!(again.embeddings.row(2), first.embeddings.row(0));
    // The new one is cached now, and without a cache its embedding is the same.
    let third = embed(&network(1), None, &cache, std::slice::from_ref(&new));
    assert_eq!((third.cached, third.embeddings.row(0)), (1, again.embeddings.row(0)));
    let mut alone = PhotoEmbedder::new(&network(1), PhotoOptions::default()).unwrap();
    assert_eq!(alone.embed(std::slice::from_ref(&new), &|_, _| ()).unwrap().embeddings, third.embeddings);

    // Another network or another crop has its own entries.
    let other = embed(&network(2), None, &cache, std::slice::from_ref(&new));
    assert_eq!(other.cached, 0);
    assert_ne!(other.embeddings, third.embeddings);
    let mut middle = PhotoEmbedder::new(
        &network(1),
        PhotoOptions { crop: Crop::Center { fraction: 0.5 }, cache: Some(&cache), ..PhotoOptions::default() },
    )
    .unwrap();
    assert_eq!(middle.embed(&[new], &|_, _| ()).unwrap().cached, 0);
}

#[test]
fn listed_landmarks_align_and_are_part_of_the_cache_key() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let paths = images(folder.path());
    let list = folder.path().join("landmarks.txt");
    let read = || Some(PhotoLandmarks::read(&list, &[]).unwrap());
    fs::write(&list, "a.ppm 15 20 35 20 25 30 17 42 33 42\ne.ppm 900 900 950 900 920 950 905 990 945 990\n").unwrap();
    let listed = embed(&aligning(1), read(), &cache, &paths[..2]);
    assert_eq!([listed.photos[0].warning, listed.photos[1].warning], [None, Some(PhotoWarning::NotListed)]);
    let [face] = &listed.faces[..] else { panic!("without a detector only the listed face") };
    assert_eq!((face.source, face.landmarks.unwrap().0[2]), (FaceSource::LandmarkList, [25.0, 30.0]));
    assert_eq!((face.photo, face.number, face.warning, face.quality), (0, 1, None, None));
    // Cached photos equal the original ones; a changed line misses the cache.
    let kept = embed(&aligning(1), read(), &cache, &paths[..2]);
    assert_eq!((kept.cached, &kept.photos, &kept.faces), (2, &listed.photos, &listed.faces));
    fs::write(&list, "a.ppm 16 20 35 20 25 30 17 42 33 42\n").unwrap();
    assert_eq!(embed(&aligning(1), read(), &cache, &paths[..1]).cached, 0);
    // Paths may be relative to the folder of the images instead of the list's.
    let elsewhere = tempfile::tempdir().unwrap();
    let far = elsewhere.path().join("list.txt");
    fs::copy(&list, &far).unwrap();
    let listed = |folders: &[&Path]| PhotoLandmarks::read(&far, folders).unwrap().get(&paths[0]);
    assert_eq!(listed(&[]), None);
    assert_eq!(listed(&[folder.path()]).unwrap().0[0], [16.0, 20.0]);
    // Landmarks outside the image.
    fs::write(&list, "e.ppm 900 900 950 900 920 950 905 990 945 990\n").unwrap();
    let outside = embed(&aligning(1), read(), &cache, &paths[3..4]);
    let [unread] = &outside.unread[..] else { panic!("{:?}", outside.photos) };
    assert!(matches!(unread.error, Error::Data(facenet_data::Error::LandmarksOutside { .. })), "{}", unread.error);
}

#[test]
fn a_damaged_cache_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let paths = images(folder.path());
    let before = embed(&network(1), None, &cache, &paths);
    let kept = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let [file] = &fs::read_dir(kept).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>()[..] else {
        panic!("one file")
    };
    let bytes = fs::read(file).unwrap();
    let open = || PhotoEmbedder::new(&network(1), PhotoOptions { cache: Some(&cache), ..PhotoOptions::default() });
    for length in [0, 1, 7, 8, 9, 100, bytes.len() - 1] {
        fs::write(file, &bytes[..length]).unwrap();
        let error = open().unwrap_err();
        assert!(matches!(&error, Error::DamagedCache { path } if path == file), "{error}");
    }
    // The height of the first photo, and an element of the last embedding.
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for (at, value) in [(header, 0.5_f32), (bytes.len() - 4, f32::NAN)] {
        let mut changed = bytes.clone();
        changed[at..at + 4].copy_from_slice(&value.to_le_bytes());
        fs::write(file, changed).unwrap();
        assert!(matches!(open().unwrap_err(), Error::DamagedCache { .. }));
    }
    fs::write(file, bytes).unwrap();
    assert_eq!(open().unwrap().embed(&paths, &|_, _| ()).unwrap().embeddings, before.embeddings);
}

#[test]
fn weights_whose_embeddings_are_not_usable_are_refused() {
    let mut broken = network(1);
    broken.parameters.values.fill(f32::NAN);
    let refused = |network: &Network<f32>| PhotoEmbedder::new(network, PhotoOptions::default()).unwrap_err();
    assert!(matches!(refused(&broken), Error::NotFiniteEmbedding { .. }));
    broken.parameters.values.fill(0.0);
    let error = refused(&broken);
    assert!(matches!(error, Error::EqualEmbeddings | Error::NotUnitLength { .. }), "{error}");
}

#[test]
fn exported_files_hold_any_name_and_exact_values() {
    let folder = tempfile::tempdir().unwrap();
    let paths = images(folder.path());
    let mut embedder = PhotoEmbedder::new(&network(1), PhotoOptions::default()).unwrap();
    let photos = embedder.embed(&paths, &|_, _| ()).unwrap();
    let files = write_embeddings(folder.path(), &photos, folder.path(), &embedder, true).unwrap();
    assert_eq!(files.len(), 3);
    let index = fs::read_to_string(&files[1]).unwrap();
    let lines: Vec<&str> = index.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(
        lines[0].starts_with(
            "row,photo,face,framing,left,top,right,bottom,size,score,sharpness,yaw,pitch,roll,doubt,left_eye_x,"
        ),
        "{index}"
    );
    assert!(lines[2].starts_with("1,\"b, \"\"c\"\".ppm\",1,center_crop,0.0,0.0,50.0,60.0,,"), "{index}");
    let table = fs::read_to_string(&files[2]).unwrap();
    let values: Vec<f32> = table.lines().nth(1).unwrap().split(',').skip(2).map(|cell| cell.parse().unwrap()).collect();
    assert_eq!(values, photos.embeddings.row(0).to_vec(), "the CSV is exact");
    let tensors = facenet_network::ForeignTensors::from_safetensors(&fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!(tensors.tensors["embeddings"].shape, [4, 6]);
    assert!(tensors.tensors["embeddings"].values.iter().eq(photos.embeddings.iter()));
}
