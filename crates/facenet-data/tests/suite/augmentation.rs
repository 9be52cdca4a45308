//! Data augmentation.

use facenet_data::{Augmentation, AugmentationKey, Error};
use ndarray::{Array3, Array4, Axis, s};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::value::{Error as ValueError, MapDeserializer};

const NONE: Augmentation =
    Augmentation { flip: 0.0, shift: 0.0, scale: 0.0, rotation: 0.0, brightness: 0.0, contrast: 0.0, erase: 0.0 };
const ALL: Augmentation =
    Augmentation { flip: 0.5, shift: 0.1, scale: 0.1, rotation: 10.0, brightness: 0.1, contrast: 0.2, erase: 0.3 };

fn faces(count: usize, height: usize, width: usize) -> Array4<u8> {
    Array4::from_shape_fn((count, height, width, 3), |(face, row, column, channel)| {
        let wave = (row as f32 * 0.4 + face as f32).sin() + (column as f32 * 0.3 + channel as f32).cos();
        (128.0 + 55.0 * wave) as u8
    })
}

fn augmented(augmentation: &Augmentation, face: &Array3<u8>, key: u64) -> Array3<u8> {
    let mut augmented = Array3::zeros(face.dim());
    augmentation.apply(face.view(), AugmentationKey { seed: 1, step: 2, index: key }, augmented.view_mut());
    augmented
}

#[test]
fn no_augmentation_copies() {
    assert_eq!(Augmentation::default(), NONE);
    for (height, width) in [(1, 1), (5, 8), (64, 64)] {
        let face = faces(1, height, width).index_axis_move(Axis(0), 0);
        assert_eq!(augmented(&NONE, &face, 0), face);
    }
}

#[test]
fn a_certain_flip_mirrors_exactly() {
    let face = faces(1, 9, 14).index_axis_move(Axis(0), 0);
    let augmentation = Augmentation { flip: 1.0, ..NONE };
    assert_eq!(augmented(&augmentation, &face, 3), face.slice(s![.., ..;-1, ..]));
}

#[test]
fn flips_occur_with_their_probability() {
    let face = faces(1, 3, 3).index_axis_move(Axis(0), 0);
    let augmentation = Augmentation { flip: 0.3, ..NONE };
    let flips = (0..10_000).filter(|&key| augmented(&augmentation, &face, key) != face).count();
    // Four standard deviations of a binomial.
    assert!((2_817..=3_183).contains(&flips), "{flips}");
}

#[test]
fn brightness_and_contrast_stay_within_their_bounds() {
    let face = Array3::from_shape_fn((8, 8, 3), |(row, _, _)| if row < 4 { 80 } else { 120 });
    let mut brightest: f64 = 0.0;
    let mut sum = 0.0;
    for key in 0..4_000 {
        let augmented = augmented(&Augmentation { brightness: 0.1, ..NONE }, &face, key);
        let shift = f64::from(augmented[[0, 0, 0]]) - 80.0;
        assert_eq!(f64::from(augmented[[7, 7, 2]]) - 120.0, shift);
        brightest = brightest.max(shift.abs());
        sum += shift;
    }
    assert!((24.0..=26.0).contains(&brightest), "{brightest}");
    // The standard deviation of one draw is 25.5 / sqrt(3).
    assert!((sum / 4_000.0_f64).abs() < 4.0 * 25.5 / 12_000.0_f64.sqrt(), "{}", sum / 4_000.0);

    let mut spread: [f64; 2] = [f64::MAX, 0.0];
    for key in 0..4_000 {
        let augmented = augmented(&Augmentation { contrast: 0.2, ..NONE }, &face, key);
        let (low, high) = (f64::from(augmented[[0, 0, 0]]), f64::from(augmented[[7, 0, 0]]));
        assert!((low + high - 200.0).abs() <= 1.0);
        spread = [spread[0].min(high - low), spread[1].max(high - low)];
    }
    assert!((32.0..=34.0).contains(&spread[0]) && (46.0..=48.0).contains(&spread[1]), "{spread:?}");
}

#[test]
fn shifts_stay_within_their_bounds_and_cover_them() {
    // A horizontal ramp: its level encodes the translation.
    let ramp = Array3::from_shape_fn((5, 100, 3), |(_, column, _)| 2 * column as u8);
    let mut range = [f64::MAX, f64::MIN];
    for key in 0..2_000 {
        let shifted = augmented(&Augmentation { shift: 0.1, ..NONE }, &ramp, key);
        let moved = 50.0 - f64::from(shifted[[2, 50, 1]]) / 2.0;
        range = [range[0].min(moved), range[1].max(moved)];
    }
    assert!((-10.5..=-9.4).contains(&range[0]) && (9.4..=10.5).contains(&range[1]), "{range:?}");
}

#[test]
fn scaling_keeps_the_center_and_rotation_keeps_the_distance_from_it() {
    let centerd = Array3::from_shape_fn((41, 41, 3), |(row, column, _)| {
        let distance = ((row as f32 - 20.0).powi(2) + (column as f32 - 20.0).powi(2)).sqrt();
        (250.0 - 8.0 * distance) as u8
    });
    for key in 0..50 {
        let rotated = augmented(&Augmentation { rotation: 180.0, ..NONE }, &centerd, key);
        for row in 7..34 {
            for column in 7..34 {
                let difference = rotated[[row, column, 0]].abs_diff(centerd[[row, column, 0]]);
                assert!(difference <= 5, "{difference} at {row}, {column}");
            }
        }
        let scaled = augmented(&Augmentation { scale: 0.2, ..NONE }, &centerd, key);
        assert!(scaled[[20, 20, 0]].abs_diff(250) <= 2);
        let slope = (250.0 - f32::from(scaled[[20, 30, 0]])) / 80.0;
        assert!((1.0 / 1.22..=1.0 / 0.78).contains(&slope), "{slope}");
    }
}

#[test]
fn an_erased_rectangle_has_the_mean_level() {
    let face = Array3::from_shape_fn((40, 20, 3), |(row, column, _)| if (row + column) % 2 == 0 { 100 } else { 200 });
    for key in 0..500 {
        let erased = augmented(&Augmentation { erase: 1.0, ..NONE }, &face, key);
        let cells: Vec<(usize, usize)> =
            erased.slice(s![.., .., 0]).indexed_iter().filter(|(_, level)| **level == 150).map(|(at, _)| at).collect();
        let (top, left) = *cells.iter().min().unwrap();
        let (bottom, right) = *cells.iter().max().unwrap();
        let (height, width) = (bottom - top + 1, right - left + 1);
        assert_eq!(cells.len(), height * width);
        assert!((4..=16).contains(&height) && (2..=8).contains(&width), "{height} x {width}");
    }
}

#[test]
fn a_batch_is_the_same_on_any_number_of_threads_and_face_by_face() {
    let source = faces(6, 17, 13);
    let indices = [3, 3, 0, 5, 1, 3, 2];
    let run = |threads| {
        let mut batch = Array4::zeros((7, 17, 13, 3));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| ALL.augment_batch(source.view(), &indices, 9, 4, batch.view_mut()));
        batch
    };
    let batch = run(1);
    assert_eq!(batch, run(2));
    assert_eq!(batch, run(5));
    for (position, &index) in indices.iter().enumerate() {
        let mut alone = Array3::zeros((17, 13, 3));
        let key = AugmentationKey { seed: 9, step: 4, index: position as u64 };
        ALL.apply(source.index_axis(Axis(0), index), key, alone.view_mut());
        assert_eq!(alone, batch.index_axis(Axis(0), position));
    }
    assert_ne!(batch.index_axis(Axis(0), 0), batch.index_axis(Axis(0), 1));
}

#[test]
fn draws_depend_on_seed_step_and_position_and_not_on_the_buffer() {
    let source = faces(2, 16, 16);
    let mut batch = Array4::zeros((3, 16, 16, 3));
    let mut run = |seed, step| {
        ALL.augment_batch(source.view(), &[0, 1, 0], seed, step, batch.view_mut());
        batch.clone()
    };
    let first = run(1, 1);
    assert_ne!(first, run(1, 2));
    assert_ne!(first, run(2, 1));
    assert_eq!(first, run(1, 1));
}

#[test]
fn one_amount_does_not_affect_the_draws_of_the_others() {
    let face = faces(1, 24, 24).index_axis_move(Axis(0), 0);
    let plain = Augmentation { rotation: 0.0, brightness: 0.1, ..NONE };
    for key in 0..20 {
        let without = augmented(&plain, &face, key);
        let with = augmented(&Augmentation { flip: 1.0, ..plain }, &face, key);
        assert_eq!(with, without.slice(s![.., ..;-1, ..]));
    }
}

#[test]
fn amounts_are_validated() {
    ALL.validate().unwrap();
    for (field, broken) in [
        ("flip", Augmentation { flip: 1.5, ..ALL }),
        ("shift", Augmentation { shift: -0.1, ..ALL }),
        ("scale", Augmentation { scale: 1.0, ..ALL }),
        ("rotation", Augmentation { rotation: f32::NAN, ..ALL }),
        ("brightness", Augmentation { brightness: f32::INFINITY, ..ALL }),
        ("contrast", Augmentation { contrast: 2.0, ..ALL }),
        ("erase", Augmentation { erase: -1.0, ..ALL }),
    ] {
        match broken.validate() {
            Err(Error::AugmentationRange { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn unknown_fields_are_errors_and_absent_fields_are_zero() {
    let read = |fields: &[(&'static str, f32)]| {
        Augmentation::deserialize(MapDeserializer::<_, ValueError>::new(fields.iter().copied()))
    };
    assert_eq!(read(&[("flip", 0.5)]).unwrap(), Augmentation { flip: 0.5, ..NONE });
    assert!(read(&[("flips", 0.5)]).unwrap_err().to_string().contains("flips"));
}

proptest! {
    #[test]
    fn any_valid_amounts_work_on_any_size(
        height in 1..40_usize,
        width in 1..40_usize,
        seed in any::<u64>(),
        amounts in prop::array::uniform7(0.0..=1.0_f32),
        level in any::<u8>(),
    ) {
        let [flip, shift, scale, rotation, _, _, erase] = amounts;
        let augmentation = Augmentation {
            flip, shift: 0.5 * shift, scale: 0.9 * scale, rotation: 180.0 * rotation, brightness: 0.0, contrast: 0.0, erase,
        };
        // Geometric changes leave a uniform face unchanged.
        let plain = Array4::from_elem((1, height, width, 3), level);
        let mut batch = Array4::zeros(plain.raw_dim());
        augmentation.augment_batch(plain.view(), &[0], seed, 0, batch.view_mut());
        prop_assert_eq!(&batch, &plain);
        let wild = Augmentation { brightness: amounts[4], contrast: amounts[5], ..augmentation };
        wild.augment_batch(plain.view(), &[0], seed, 0, batch.view_mut());
    }
}
