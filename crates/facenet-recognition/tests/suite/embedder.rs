//! Embedders and checkpoint files.

use std::fs;
use std::path::Path;

use facenet_data::SyntheticFaces;
use facenet_network::{Checkpoint, Description, Initializer, Network};
use facenet_recognition::{Embed, Embedder, Error, FlipAverage, read_checkpoint, weights_sha256, write_checkpoint};
use ndarray::{Array4, Axis, concatenate, s};

const DESCRIPTION: &str = r#"
    name = "tiny"
    input = [14, 12]
    embedding = 6
    layers = [
        { layer = "convolution", name = "conv1", kernel = 3, stride = 2, padding = 1, channels = 8 },
        { layer = "convolution", name = "conv2", kernel = 3, stride = 2, padding = 1, channels = 20 },
        { layer = "dropout", rate = 0.5 },
    ]
"#;

fn network() -> Network<f32> {
    Network::new(Description::from_toml(DESCRIPTION).unwrap(), Initializer::HeNormal, 5).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::from(network())
}

fn faces(count: usize) -> Array4<u8> {
    SyntheticFaces::new(1).portraits(0..count as u64, 1, [14, 12]).0
}

#[test]
fn embeddings_have_unit_length() {
    let embedder = Embedder::new(&network()).unwrap();
    assert_eq!((embedder.input_size(), embedder.dimension()), ([14, 12], 6));
    assert_eq!(embedder.description().name, "tiny");
    let embeddings = embedder.embed(faces(40).view()).unwrap();
    assert_eq!(embeddings.dim(), (40, 6));
    for embedding in embeddings.outer_iter() {
        assert!((embedding.dot(&embedding) - 1.0).abs() < 1e-6, "{embedding}");
    }
    assert_ne!(embeddings.row(0), embeddings.row(1));
    assert_eq!(embedder.embed(faces(0).view()).unwrap().dim(), (0, 6));
}

#[test]
fn an_embedding_does_not_depend_on_its_batch() {
    let embedder = Embedder::new(&network()).unwrap();
    // More than a batch, and not a multiple of it.
    let faces = faces(71);
    let whole = embedder.embed(faces.view()).unwrap();
    for size in [1, 7, 32, 33, 70] {
        let parts: Vec<_> = faces.axis_chunks_iter(Axis(0), size).map(|part| embedder.embed(part).unwrap()).collect();
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        assert_eq!(concatenate(Axis(0), &views).unwrap(), whole, "{size} at a time");
    }
    assert_eq!(embedder.embed(faces.slice(s![..;-3, .., .., ..])).unwrap(), whole.slice(s![..;-3, ..]));
}

#[test]
fn embeddings_do_not_depend_on_the_number_of_threads() {
    let embedder = Embedder::new(&network()).unwrap();
    let [one, two, five] = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| embedder.embed(faces(40).view())).unwrap()
    });
    assert_eq!(one, two);
    assert_eq!(one, five);
}

#[test]
#[should_panic(expected = "[12, 14, 3]")]
fn faces_of_another_size_panic() {
    let _ = Embedder::new(&network()).unwrap().embed(Array4::zeros((2, 12, 14, 3)).view());
}

#[test]
fn an_embedding_that_is_not_finite_is_an_error() {
    let mut network = network();
    network.statistics.values.fill(f32::NAN);
    let error = Embedder::new(&network).unwrap().embed(faces(3).view()).unwrap_err();
    assert!(matches!(error, Error::NotFiniteEmbedding { row: 0 }), "{error}");
}

#[test]
fn the_hash_covers_parameters_and_statistics() {
    let network = network();
    let hash = weights_sha256(&network);
    assert_eq!(weights_sha256(&network.clone()), hash);
    let mut other = network.clone();
    *other.parameters.values.last_mut().unwrap() += 1e-3;
    assert_ne!(weights_sha256(&other), hash);
    let mut other = network;
    *other.statistics.values.last_mut().unwrap() += 1e-3;
    assert_ne!(weights_sha256(&other), hash);
}

#[test]
fn a_checkpoint_survives_a_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    write_checkpoint(&path, &checkpoint()).unwrap();
    assert_eq!(read_checkpoint(&path).unwrap(), checkpoint());
    let embedder = Embedder::from_checkpoint(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        embedder.embed(faces(3).view()).unwrap(),
        Embedder::new(&network()).unwrap().embed(faces(3).view()).unwrap()
    );
}

#[test]
fn a_checkpoint_that_is_not_finite_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    write_checkpoint(&path, &checkpoint()).unwrap();
    let mut broken = checkpoint();
    broken.parameters.values[3] = f32::INFINITY;
    let error = write_checkpoint(&path, &broken).unwrap_err();
    assert!(matches!(&error, Error::Data(facenet_data::Error::Write { path: named, .. }) if *named == path), "{error}");
    assert!(error.to_string().contains("conv1.weight"), "{error}");
    assert_eq!(read_checkpoint(&path).unwrap(), checkpoint());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The error of a file, which names it.
fn refused(path: &Path) -> Error {
    let error = read_checkpoint(path).unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    error
}

#[test]
fn files_that_are_not_checkpoints_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    assert!(matches!(refused(&path), Error::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
    assert!(matches!(refused(folder.path()), Error::Read { .. }));
    #[cfg(unix)]
    {
        // Opening a pipe would block.
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(matches!(refused(&pipe), Error::Read { .. }));
        assert!(matches!(refused(Path::new("/dev/zero")), Error::Read { .. }));
    }

    write_checkpoint(&path, &checkpoint()).unwrap();
    let whole = fs::read(&path).unwrap();
    for part in 0..60 {
        fs::write(&path, &whole[..whole.len() * part / 60]).unwrap();
        assert!(matches!(refused(&path), Error::Checkpoint { .. }), "{part}");
    }
    for garbage in ["", "not a checkpoint", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}{}", &"x".repeat(100_000)] {
        fs::write(&path, garbage).unwrap();
        assert!(matches!(refused(&path), Error::Checkpoint { .. }), "{garbage:.20}");
    }
    assert!(matches!(Embedder::from_checkpoint(b"not a checkpoint"), Err(Error::Network(_))));
}

#[test]
fn a_file_above_the_size_limit_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge");
    // A sparse file.
    fs::File::create(&path).unwrap().set_len((16 << 30) + 1).unwrap();
    assert!(matches!(refused(&path), Error::FileTooLarge { limit, .. } if limit == 16 << 30));
}

#[test]
fn a_flip_average_is_the_normalized_mean_and_symmetric() {
    let embedder = Embedder::new(&network()).unwrap();
    let average = FlipAverage(embedder.clone());
    let faces = faces(5);
    let mut flipped = faces.view();
    flipped.invert_axis(Axis(2));
    let [plain, other, both] =
        [embedder.embed(faces.view()), embedder.embed(flipped), average.embed(faces.view())].map(Result::unwrap);
    let swapped = average.embed(flipped).unwrap();
    assert!((&swapped - &both).iter().all(|difference| difference.abs() < 1e-6));
    for row in 0..5 {
        let mean = &plain.row(row) + &other.row(row);
        let mean = &mean / mean.dot(&mean).sqrt();
        assert!((&mean - &both.row(row)).iter().all(|difference| difference.abs() < 1e-5));
    }
    assert_eq!((average.input_size(), average.dimension()), (embedder.input_size(), embedder.dimension()));
}
