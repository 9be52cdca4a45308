//! Synthetic faces: the same everywhere, different where they should be, and hard for raw pixels.

use facenet_data::SyntheticFaces;
use ndarray::{Array2, Array3, Axis, s};
use proptest::prelude::*;

const SIZE: [usize; 2] = [64, 64];

/// FNV-1a, 64 bits.
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Mean absolute difference of two pictures, in grey levels.
fn difference(a: &Array3<u8>, b: &Array3<u8>) -> f64 {
    let total: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
    total as f64 / a.len() as f64
}

#[test]
fn portraits_do_not_depend_on_threads() {
    let world = SyntheticFaces::new(3);
    let [one, two] = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| world.portraits(40..52, 5, SIZE))
    });
    assert!(one == two);
}

#[test]
fn portraits_are_those_of_portrait() {
    let world = SyntheticFaces::new(9);
    let (faces, identities) = world.portraits(5..8, 3, [40, 56]);
    assert_eq!(faces.dim(), (9, 40, 56, 3));
    assert_eq!(identities, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    for (index, face) in faces.outer_iter().enumerate() {
        assert!(face == world.portrait(5 + index as u64 / 3, index as u64 % 3, [40, 56]), "portrait {index}");
    }
}

#[test]
fn a_portrait_is_the_same_on_every_machine() {
    let world = SyntheticFaces::new(1);
    let hashes =
        [(0, 0), (7, 3), (u64::MAX, u64::MAX)].map(|(person, picture)| hash(world.portrait(person, picture, SIZE)));
    assert_eq!(hashes, [8489101397224578309, 11105433828235872858, 16663098530348403492]);
}

#[test]
fn seeds_people_and_pictures_differ() {
    let face = |seed, person, picture| SyntheticFaces::new(seed).portrait(person, picture, SIZE);
    let first = face(1, 0, 0);
    for (what, other) in [("seed", face(2, 0, 0)), ("person", face(1, 1, 0)), ("picture", face(1, 0, 1))] {
        assert!(difference(&first, &other) > 5.0, "another {what} gives nearly the same picture");
    }
}

#[test]
fn no_people_and_no_pictures_give_no_portraits() {
    let world = SyntheticFaces::new(1);
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case at hand")]
    for (people, per_person) in [(4..4, 3), (4..6, 0), (9..3, 2)] {
        let (faces, identities) = world.portraits(people, per_person, SIZE);
        assert_eq!((faces.dim(), identities.len()), ((0, 64, 64, 3), 0));
    }
}

#[test]
#[should_panic(expected = "[0, 64]")]
fn a_portrait_without_pixels_panics() {
    SyntheticFaces::new(1).portrait(0, 0, [0, 64]);
}

#[test]
fn a_larger_picture_shows_the_same_face() {
    let (mut small, mut other) = (0.0, 0.0);
    let world = SyntheticFaces::new(5);
    for person in 0..20 {
        let face = world.portrait(person, 0, SIZE);
        let large = world.portrait(person, 0, [128, 128]);
        let halved = Array3::from_shape_fn(face.dim(), |(row, column, channel)| {
            let block = large.slice(s![2 * row..2 * row + 2, 2 * column..2 * column + 2, channel]);
            (block.iter().map(|&value| u32::from(value)).sum::<u32>() / 4) as u8
        });
        small += difference(&face, &halved);
        other += difference(&face, &world.portrait(person + 1, 0, SIZE));
    }
    assert!(small < 0.25 * other, "{small} against {other}");
}

#[test]
fn raw_pixels_fail() {
    const PEOPLE: usize = 60;
    const PER_PERSON: usize = 10;
    let (faces, identities) = SyntheticFaces::new(1).portraits(1000..1000 + PEOPLE as u64, PER_PERSON, SIZE);
    let values =
        faces.mapv(f32::from).into_shape_with_order((PEOPLE * PER_PERSON, 64 * 64 * 3)).expect("as many values");
    let lengths = values.map_axis(Axis(1), |face| face.dot(&face).sqrt()).insert_axis(Axis(1));
    let unit: Array2<f32> = values / &lengths;
    let similarity = unit.dot(&unit.t());
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for (a, &person) in identities.iter().enumerate() {
        for (b, &other) in identities.iter().enumerate().take(a) {
            if person == other { &mut same } else { &mut different }.push(similarity[[a, b]]);
        }
    }
    let accuracy = best_balanced_accuracy(&same, &different);
    assert!((0.55..0.75).contains(&accuracy), "raw pixels reach {accuracy}");
}

/// The highest mean of the shares of `same` above and `different` below one threshold.
fn best_balanced_accuracy(same: &[f32], different: &[f32]) -> f64 {
    let weigh =
        |values: &[f32], weight: f64| values.iter().map(|&value| (value, weight / values.len() as f64)).collect();
    let mut values: Vec<(f32, f64)> = weigh(same, 1.0);
    values.extend::<Vec<_>>(weigh(different, -1.0));
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

    /// Any person at any size: painted without a panic, twice alike, and never a blank picture.
    #[test]
    fn any_portrait_is_a_picture(seed: u64, person: u64, picture: u64, height in 1_usize..90, width in 1_usize..90) {
        let world = SyntheticFaces::new(seed);
        let portrait = world.portrait(person, picture, [height, width]);
        prop_assert_eq!(portrait.dim(), (height, width, 3));
        prop_assert!(portrait == world.portrait(person, picture, [height, width]));
        if height >= 32 && width >= 32 {
            let (low, high) = portrait.iter().fold((255, 0), |(low, high), &value| (value.min(low), value.max(high)));
            prop_assert!(high - low > 40, "values from {} to {}", low, high);
        }
    }
}
