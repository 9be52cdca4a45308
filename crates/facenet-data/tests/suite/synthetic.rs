//! Synthetic faces: reproducible, distinct between people, and hard to tell apart by raw pixels.

use facenet_data::SyntheticFaces;
use ndarray::{Array2, Array3, Axis, s};
use proptest::prelude::*;

const SIZE: [usize; 2] = [64, 64];

/// FNV-1a, 64 bits.
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Mean absolute difference of two images, in levels.
fn difference(a: &Array3<u8>, b: &Array3<u8>) -> f64 {
    let total: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
    total as f64 / a.len() as f64
}

#[test]
fn portraits_do_not_depend_on_threads() {
    let population = SyntheticFaces::new(3);
    let [one, two] = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| population.portraits(40..52, 5, SIZE))
    });
    assert!(one == two);
}

#[test]
fn portraits_equal_portrait() {
    let population = SyntheticFaces::new(9);
    let (faces, identities) = population.portraits(5..8, 3, [40, 56]);
    assert_eq!(faces.dim(), (9, 40, 56, 3));
    assert_eq!(identities, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    for (index, face) in faces.outer_iter().enumerate() {
        assert!(face == population.portrait(5 + index as u64 / 3, index as u64 % 3, [40, 56]), "portrait {index}");
    }
}

#[test]
fn a_portrait_is_the_same_on_every_machine() {
    let population = SyntheticFaces::new(1);
    let hashes =
        [(0, 0), (7, 3), (u64::MAX, u64::MAX)].map(|(person, image)| hash(population.portrait(person, image, SIZE)));
    assert_eq!(hashes, [8489101397224578309, 11105433828235872858, 16663098530348403492]);
}

#[test]
fn portraits_differ_between_seeds_people_and_images() {
    let face = |seed, person, image| SyntheticFaces::new(seed).portrait(person, image, SIZE);
    let first = face(1, 0, 0);
    for (what, other) in [("seed", face(2, 0, 0)), ("person", face(1, 1, 0)), ("image", face(1, 0, 1))] {
        assert!(difference(&first, &other) > 5.0, "another {what} gives nearly the same portrait");
    }
}

#[test]
fn no_people_and_no_images_give_no_portraits() {
    let population = SyntheticFaces::new(1);
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case at hand")]
    for (people, per_person) in [(4..4, 3), (4..6, 0), (9..3, 2)] {
        let (faces, identities) = population.portraits(people, per_person, SIZE);
        assert_eq!((faces.dim(), identities.len()), ((0, 64, 64, 3), 0));
    }
}

#[test]
#[should_panic(expected = "[0, 64]")]
fn a_portrait_without_pixels_panics() {
    SyntheticFaces::new(1).portrait(0, 0, [0, 64]);
}

#[test]
fn portraits_of_different_sizes_show_the_same_face() {
    let (mut small, mut other) = (0.0, 0.0);
    let population = SyntheticFaces::new(5);
    for person in 0..20 {
        let face = population.portrait(person, 0, SIZE);
        let large = population.portrait(person, 0, [128, 128]);
        let halved = Array3::from_shape_fn(face.dim(), |(row, column, channel)| {
            let block = large.slice(s![2 * row..2 * row + 2, 2 * column..2 * column + 2, channel]);
            (block.iter().map(|&value| u32::from(value)).sum::<u32>() / 4) as u8
        });
        small += difference(&face, &halved);
        other += difference(&face, &population.portrait(person + 1, 0, SIZE));
    }
    assert!(small < 0.25 * other, "{small} against {other}");
}

#[test]
fn raw_pixels_verify_poorly() {
    const PEOPLE: usize = 60;
    const PER_PERSON: usize = 10;
    let (faces, identities) = SyntheticFaces::new(1).portraits(1000..1000 + PEOPLE as u64, PER_PERSON, SIZE);
    let values =
        faces.mapv(f32::from).into_shape_with_order((PEOPLE * PER_PERSON, 64 * 64 * 3)).expect("as many values");
    let lengths = values.map_axis(Axis(1), |face| face.dot(&face).sqrt()).insert_axis(Axis(1));
    let unit: Array2<f32> = values / &lengths;
    let similarity = unit.dot(&unit.t());
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for (a, &person) in identities.iter().enumerate() {
        for (b, &other) in identities.iter().enumerate().take(a) {
            if person == other { &mut genuine } else { &mut impostor }.push(similarity[[a, b]]);
        }
    }
    let accuracy = best_balanced_accuracy(&genuine, &impostor);
    assert!((0.55..0.75).contains(&accuracy), "raw pixels reach {accuracy}");
}

/// The highest balanced accuracy of any threshold: the mean of the fractions of `genuine` above it
/// and `impostor` below it.
fn best_balanced_accuracy(genuine: &[f32], impostor: &[f32]) -> f64 {
    let weigh =
        |values: &[f32], weight: f64| values.iter().map(|&value| (value, weight / values.len() as f64)).collect();
    let mut values: Vec<(f32, f64)> = weigh(genuine, 1.0);
    values.extend::<Vec<_>>(weigh(impostor, -1.0));
    values.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut gain, mut best) = (0.0, 0.0_f64);
    for (_, weight) in values {
        gain += weight;
        best = best.max(gain);
    }
    0.5 + 0.5 * best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any person at any size renders without a panic, deterministically, and not blank.
    #[test]
    fn any_portrait_renders(seed: u64, person: u64, image: u64, height in 1_usize..90, width in 1_usize..90) {
        let population = SyntheticFaces::new(seed);
        let portrait = population.portrait(person, image, [height, width]);
        prop_assert_eq!(portrait.dim(), (height, width, 3));
        prop_assert!(portrait == population.portrait(person, image, [height, width]));
        if height >= 32 && width >= 32 {
            let (low, high) = portrait.iter().fold((255, 0), |(low, high), &value| (value.min(low), value.max(high)));
            prop_assert!(high - low > 40, "values from {} to {}", low, high);
        }
    }
}
