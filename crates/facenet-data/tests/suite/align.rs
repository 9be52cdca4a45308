//! Similarity transforms and alignment.

use facenet_data::{Landmarks, SimilarityTransform, align};
use ndarray::{Array3, s};
use proptest::prelude::*;

/// The landmark template of MobileFaceNet, in pixels of a face of 112 x 112.
pub const MOBILE_FACE_NET: Landmarks =
    Landmarks([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]);

/// Random points that do not nearly coincide.
fn points() -> impl Strategy<Value = [[f64; 2]; 5]> {
    prop::array::uniform5(prop::array::uniform2(-100.0..100.0)).prop_filter(
        "distinct points",
        |points: &[[f64; 2]; 5]| {
            let [x, y] = points[0];
            points.iter().any(|point| (point[0] - x).hypot(point[1] - y) > 1.0)
        },
    )
}

fn squared_distance(map: &SimilarityTransform, from: &[[f64; 2]], to: &[[f64; 2]]) -> f64 {
    let moved = from.iter().map(|&point| map.apply(point));
    moved.zip(to).map(|([x, y], to)| (x - to[0]).powi(2) + (y - to[1]).powi(2)).sum()
}

/// Rotates and scales about the origin, then translates.
fn transformed([x, y]: [f64; 2], degrees: f64, scale: f64, shift: [f64; 2]) -> [f64; 2] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    [scale * (cos * x - sin * y) + shift[0], scale * (sin * x + cos * y) + shift[1]]
}

proptest! {
    #[test]
    fn a_similarity_transform_is_recovered(
        points in points(),
        degrees in -180.0..180.0,
        scale in 0.01..100.0,
        shift in prop::array::uniform2(-500.0..500.0),
    ) {
        let moved = points.map(|point| transformed(point, degrees, scale, shift));
        let map = SimilarityTransform::fit(&points, &moved).expect("distinct points");
        prop_assert!((map.scale() / scale - 1.0).abs() < 1e-9);
        for (point, moved) in points.into_iter().zip(moved) {
            let [x, y] = map.apply(point);
            prop_assert!((x - moved[0]).hypot(y - moved[1]) < 1e-8 * (1.0 + scale));
            let [x, y] = map.inverse().expect("a scale above 0").apply(moved);
            prop_assert!((x - point[0]).hypot(y - point[1]) < 1e-8 * (1.0 + 10.0 / scale));
        }
    }

    /// No other similarity transform has a smaller error.
    #[test]
    fn the_fit_minimizes_the_squared_error(
        from in points(),
        to in points(),
        degrees in -20.0..20.0,
        scale in 0.8..1.25,
        shift in prop::array::uniform2(-3.0..3.0),
    ) {
        let map = SimilarityTransform::fit(&from, &to);
        prop_assume!(map.is_some());
        let map = map.expect("some");
        let least = squared_distance(&map, &from, &to);
        // The same map, followed by another similarity transform.
        let others = from.map(|point| transformed(map.apply(point), degrees, scale, shift));
        let other = SimilarityTransform::fit(&from, &others).expect("a scale above 0");
        prop_assert!(squared_distance(&other, &from, &to) >= least * (1.0 - 1e-9));
    }

    /// The orientation of a triangle is kept, whatever the targets are.
    #[test]
    fn the_fit_never_reflects(from in points(), to in points(), mirrored: bool) {
        let to = if mirrored { from.map(|[x, y]| [-x, y + 3.0]) } else { to };
        if let Some(map) = SimilarityTransform::fit(&from, &to) {
            let [origin, right, down] = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]].map(|point| map.apply(point));
            let area = (right[0] - origin[0]) * (down[1] - origin[1]) - (right[1] - origin[1]) * (down[0] - origin[0]);
            prop_assert!(area > 0.0, "{map:?}");
        }
    }
}

#[test]
fn degenerate_points_have_no_fit() {
    let face = MOBILE_FACE_NET.0.map(|point| point.map(f64::from));
    assert_eq!(SimilarityTransform::fit(&[[3.0, 4.0]; 5], &face), None);
    assert_eq!(SimilarityTransform::fit(&face, &[[3.0, 4.0]; 5]), None);
    // A square and its mirror image.
    let square = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
    assert_eq!(SimilarityTransform::fit(&square, &square.map(|[x, y]| [-x, y])), None);

    let image = Array3::zeros((9, 9, 3));
    for landmarks in [Landmarks([[4.0; 2]; 5]), Landmarks(MOBILE_FACE_NET.0.map(|point| point.map(|at| at * 1e6)))] {
        assert_eq!(align(image.view(), &landmarks, &MOBILE_FACE_NET, [112, 112]), None);
    }
}

fn image(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(row, column, channel)| (row * 31 + column * 7 + channel * 97) as u8)
}

/// A template in the center of a face of 12 x 12.
const SMALL: Landmarks = Landmarks([[4.0, 4.0], [8.0, 4.0], [6.0, 6.0], [4.5, 8.0], [7.5, 8.0]]);

#[test]
fn landmarks_are_mapped_to_the_template() {
    let source = image(40, 50);
    // A face at the template is copied, and so is one displaced by whole pixels.
    let face = align(source.view(), &SMALL, &SMALL, [12, 12]).unwrap();
    assert_eq!(face, source.slice(s![..12, ..12, ..]));
    let face = align(source.view(), &SMALL.translated([20.0, 9.0]), &SMALL, [12, 12]).unwrap();
    assert_eq!(face, source.slice(s![9..21, 20..32, ..]));
    // A face rotated by 90 degrees becomes upright.
    let upright = source.slice(s![..12, ..12, ..]);
    let on_its_side = upright.permuted_axes([1, 0, 2]).slice(s![.., ..;-1, ..]).as_standard_layout().to_owned();
    let landmarks = Landmarks(SMALL.0.map(|[x, y]| [11.0 - y, x]));
    assert_eq!(align(on_its_side.view(), &landmarks, &SMALL, [12, 12]).unwrap(), upright);
}

#[test]
fn outside_the_image_is_black() {
    let white = Array3::from_elem((20, 20, 3), 255);
    // The image ends half a pixel beyond the outermost pixel centers.
    for (shift, first) in [(-2.4, 2), (-2.6, 3), (0.0, 0)] {
        let face = align(white.view(), &SMALL.translated([shift, 0.0]), &SMALL, [12, 12]).unwrap();
        for ((_, column, _), &level) in face.indexed_iter() {
            assert_eq!(level, if column < first { 0 } else { 255 }, "column {column} for a shift of {shift}");
        }
    }
    let far = align(white.view(), &SMALL.translated([500.0, 0.0]), &SMALL, [12, 12]).unwrap();
    assert!(far.iter().all(|&level| level == 0));
}

#[test]
fn downscaling_by_two_and_more_does_not_alias() {
    // Alternating columns of 0 and 255: sampling single pixels would give one of the two.
    let stripes = Array3::from_shape_fn((96, 96, 3), |(_, column, _)| if column % 2 == 0 { 0 } else { 255 });
    for factor in [2.0, 4.0, 7.0] {
        let landmarks = Landmarks(SMALL.0.map(|point| point.map(|at| (at + 0.5) * factor - 0.5)));
        let face = align(stripes.view(), &landmarks, &SMALL, [12, 12]).unwrap();
        assert!(face.iter().all(|level| (90..=165).contains(level)), "{factor}: {face:?}");
    }
}
