//! Products of rows with packed rows against their definition.

use facenet_tensor::{PackedRows, Scalar};
use ndarray::{Array2, ArrayView2, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

fn random(rows: usize, dimension: usize, seed: u64) -> Array2<f32> {
    Array2::random_using((rows, dimension), Uniform::new(-1.0, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
}

fn products<T: Scalar>(x: ArrayView2<'_, T>, packed: &PackedRows<T>, start: usize, end: usize) -> Array2<T> {
    let mut products = Array2::from_elem((x.nrows(), end - start), T::nan());
    packed.products(x, start..end, products.as_slice_mut().unwrap());
    products
}

#[test]
fn products_equal_their_definition() {
    for m in [1, 5, 9, 10, 17] {
        for n in [1, 15, 16, 17, 33, 65] {
            for dimension in [0, 1, 2, 17, 130] {
                let (x, rows) = (random(m, dimension, 1), random(n, dimension, 2));
                let packed = PackedRows::new(rows.view());
                let found = products(x.view(), &packed, 0, n);
                let exact = x.mapv(f64::from).dot(&rows.mapv(f64::from).t());
                let bound = 2.0 * f64::from(f32::EPSILON) * dimension as f64;
                for (found, exact) in found.iter().zip(&exact) {
                    assert!((f64::from(*found) - exact).abs() <= bound, "{m} x {n} x {dimension}: {found} and {exact}");
                }
                for (row, &norm) in packed.squared_norms().iter().enumerate() {
                    let own = products(rows.slice(s![row..row + 1, ..]), &packed, 0, n)[[0, row]];
                    assert_eq!(norm.to_bits(), own.to_bits(), "a norm is the product of a row with itself");
                }
                let double = PackedRows::new(rows.mapv(f64::from).view());
                let found = products(x.mapv(f64::from).view(), &double, 0, n);
                assert!(found.iter().zip(&exact).all(|(found, exact)| (found - exact).abs() <= 1e-13));
                // Parts of the rows.
                for start in (0..n).step_by(16) {
                    let end = n.min(start + 19);
                    let part = products(x.view(), &packed, start, end);
                    assert_eq!(part, products(x.view(), &packed, 0, n).slice(s![.., start..end]));
                }
            }
        }
    }
}

#[test]
fn rows_may_lie_at_any_stride_and_order() {
    let (wide, rows) = (random(40, 30, 3), random(37, 19, 4));
    let packed = PackedRows::new(rows.view());
    let view = wide.slice(s![..;-3, 5..24]);
    assert_eq!(products(view, &packed, 0, 37), products(view.to_owned().view(), &packed, 0, 37));
    let columns = Array2::from_shape_fn((19, 37), |(column, row)| rows[[row, column]]);
    assert_eq!(PackedRows::new(columns.t()).squared_norms(), packed.squared_norms());
}

#[test]
#[should_panic(expected = "rows 8..20 of 37 in panels of 16")]
fn parts_begin_at_panels() {
    let packed = PackedRows::new(random(37, 4, 1).view());
    packed.products(random(1, 4, 2).view(), 8..20, &mut [0.0; 12]);
}

#[test]
#[should_panic(expected = "rows are not contiguous")]
fn columns_of_queries_are_adjacent() {
    let packed = PackedRows::new(random(16, 4, 1).view());
    packed.products(random(4, 4, 2).t(), 0..16, &mut [0.0; 64]);
}

#[test]
#[should_panic(expected = "rows of 5 and of 4 columns")]
fn dimensions_are_equal() {
    let packed = PackedRows::new(random(16, 4, 1).view());
    packed.products(random(1, 5, 2).view(), 0..16, &mut [0.0; 16]);
}
