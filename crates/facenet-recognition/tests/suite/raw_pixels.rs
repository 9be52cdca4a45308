//! The raw pixel baseline.

use facenet_recognition::{Embed, RawPixels};
use ndarray::{Array4, Axis, s};

fn faces() -> Array4<u8> {
    Array4::from_shape_fn((7, 4, 5, 3), |(n, y, x, c)| ((n * 89 + y * 37 + x * 11 + c * 101) % 256) as u8)
}

#[test]
fn embeddings_are_pixels_divided_by_their_norm() {
    let raw = RawPixels { size: [4, 5] };
    assert_eq!((raw.input_size(), raw.dimension()), ([4, 5], 60));
    let faces = faces();
    let embeddings = raw.embed(faces.view()).unwrap();
    assert_eq!(embeddings.dim(), (7, 60));
    for (face, embedding) in faces.outer_iter().zip(embeddings.outer_iter()) {
        let length = face.iter().map(|&pixel| f64::from(pixel).powi(2)).sum::<f64>().sqrt();
        for (&pixel, &value) in face.iter().zip(embedding) {
            assert_eq!(value, (f64::from(pixel) / length) as f32);
        }
        assert!((embedding.dot(&embedding) - 1.0).abs() < 1e-6);
    }
}

#[test]
fn a_black_face_gives_zeros() {
    let mut faces = faces();
    faces.index_axis_mut(Axis(0), 3).fill(0);
    let embeddings = RawPixels { size: [4, 5] }.embed(faces.view()).unwrap();
    assert!(embeddings.row(3).iter().all(|&value| value == 0.0));
    assert!(embeddings.iter().all(|value| value.is_finite()));
}

#[test]
fn no_faces_give_no_embeddings() {
    let embeddings = RawPixels { size: [4, 5] }.embed(Array4::zeros((0, 4, 5, 3)).view()).unwrap();
    assert_eq!(embeddings.dim(), (0, 60));
}

#[test]
fn strides_and_threads_make_no_difference() {
    let faces = faces();
    let raw = RawPixels { size: [4, 5] };
    let whole = raw.embed(faces.view()).unwrap();
    let every_other = raw.embed(faces.slice(s![..;2, .., .., ..])).unwrap();
    assert_eq!(every_other, whole.slice(s![..;2, ..]));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| raw.embed(faces.view())).unwrap(), whole);
}

#[test]
#[should_panic(expected = "[4, 5, 3]")]
fn faces_of_another_size_panic() {
    let _ = RawPixels { size: [5, 4] }.embed(faces().view());
}
