//! The gradient that is taken where an operation has no derivative, and the treatment of ties and
//! NaN.

use facenet_tensor::{
    Window, l2_normalize_backward, l2_normalize_forward, l2_pool_backward, l2_pool_forward, max_pool_backward,
    max_pool_forward, maxout_backward, maxout_forward, prelu_backward, prelu_forward, relu_backward, relu_forward,
};
use ndarray::{Array2, Array4, array};

/// An image of one row, with one channel per pixel.
fn row(values: &[f32]) -> Array4<f32> {
    Array4::from_shape_vec((1, 1, values.len(), 1), values.to_vec()).unwrap()
}

/// One pixel with these channels.
fn pixel(values: &[f32]) -> Array4<f32> {
    Array4::from_shape_vec((1, 1, 1, values.len()), values.to_vec()).unwrap()
}

#[test]
fn relu_has_gradient_0_at_0() {
    let mut y = pixel(&[-1.0, 0.0, -0.0, 2.0]);
    relu_forward(y.view_mut());
    assert_eq!(y, pixel(&[0.0, 0.0, 0.0, 2.0]));
    let mut dy = pixel(&[5.0, 6.0, 7.0, 8.0]);
    relu_backward(y.view(), dy.view_mut());
    assert_eq!(dy, pixel(&[0.0, 0.0, 0.0, 8.0]));
}

#[test]
fn relu_propagates_nan() {
    let mut y = pixel(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    relu_forward(y.view_mut());
    assert!(y[[0, 0, 0, 0]].is_nan());
    assert_eq!(y[[0, 0, 0, 1]], f32::INFINITY);
    assert_eq!(y[[0, 0, 0, 2]], 0.0);
}

#[test]
fn prelu_has_its_slope_as_gradient_at_0() {
    let x = pixel(&[0.0, -1.0]);
    let slope = array![0.25, 0.5];
    let mut y = pixel(&[9.0, 9.0]);
    prelu_forward(x.view(), slope.view(), y.view_mut());
    assert_eq!(y, pixel(&[0.0, -0.5]));
    let (mut dx, mut dslope) = (pixel(&[0.0, 0.0]), array![0.0, 0.0]);
    prelu_backward(x.view(), slope.view(), pixel(&[4.0, 8.0]).view(), dx.view_mut(), dslope.view_mut());
    assert_eq!(dx, pixel(&[1.0, 4.0]));
    assert_eq!(dslope, array![0.0, -8.0]);
}

#[test]
fn max_pool_gives_the_gradient_to_the_first_of_ties() {
    let x = row(&[1.0, 3.0, 3.0, 2.0]);
    let window = Window { kernel: [1, 3], stride: [1, 1], padding: [0, 0] };
    let mut dx = row(&[0.0; 4]);
    max_pool_backward(x.view(), row(&[10.0, 1.0]).view(), window, dx.view_mut());
    assert_eq!(dx, row(&[0.0, 11.0, 0.0, 0.0]));

    // The same in two dimensions, in row-major order, in whole windows and at the border.
    let flat = Array4::<f32>::ones((1, 3, 3, 5));
    for (window, expected) in [(Window::square(3, 1, 0), [0, 0]), (Window::square(3, 3, 1), [0, 0])] {
        let [height, width] = window.output([3, 3]).unwrap();
        let mut dx = Array4::zeros(flat.raw_dim());
        max_pool_backward(flat.view(), Array4::ones((1, height, width, 5)).view(), window, dx.view_mut());
        for c in 0..5 {
            assert_eq!(dx[[0, expected[0], expected[1], c]], 1.0, "{window:?}");
        }
        assert_eq!(dx.sum(), 5.0 * (height * width) as f32, "{window:?}");
    }
}

#[test]
fn max_pool_ignores_padding() {
    let x = Array4::from_elem((1, 3, 3, 2), -7.0f32);
    let window = Window::square(3, 2, 1);
    let mut y = Array4::zeros((1, 2, 2, 2));
    max_pool_forward(x.view(), window, y.view_mut());
    assert_eq!(y, Array4::from_elem((1, 2, 2, 2), -7.0));
}

#[test]
fn max_pool_propagates_nan() {
    for at in 0..9 {
        let mut x = Array4::from_shape_fn((1, 3, 3, 1), |(_, h, w, _)| (h * 3 + w) as f32);
        x[[0, at / 3, at % 3, 0]] = f32::NAN;
        for window in [Window::square(3, 1, 0), Window::square(2, 1, 0)] {
            let [height, width] = window.output([3, 3]).unwrap();
            let mut y = Array4::zeros((1, height, width, 1));
            max_pool_forward(x.view(), window, y.view_mut());
            assert!(y.iter().any(|y| y.is_nan()), "{at}, {window:?}");
        }
    }
}

#[test]
#[should_panic(expected = "a window of nothing but padding")]
fn max_pool_panics_if_a_window_may_be_all_padding() {
    let x = Array4::<f32>::zeros((1, 3, 3, 1));
    max_pool_forward(x.view(), Window::square(1, 1, 1), Array4::zeros((1, 5, 5, 1)).view_mut());
}

#[test]
fn maxout_gives_the_gradient_to_the_first_of_ties() {
    let x = pixel(&[2.0, 2.0, 2.0, -1.0, 0.0, 0.0]);
    let mut y = pixel(&[0.0; 2]);
    maxout_forward(x.view(), 3, y.view_mut());
    assert_eq!(y, pixel(&[2.0, 0.0]));
    let mut dx = pixel(&[0.0; 6]);
    maxout_backward(x.view(), 3, pixel(&[5.0, 7.0]).view(), dx.view_mut());
    assert_eq!(dx, pixel(&[5.0, 0.0, 0.0, 0.0, 7.0, 0.0]));
}

#[test]
fn l2_pool_has_gradient_0_at_an_output_of_0() {
    let x = row(&[0.0, 0.0, 3.0, 4.0]);
    let window = Window { kernel: [1, 2], stride: [1, 2], padding: [0, 0] };
    let mut y = row(&[9.0, 9.0]);
    l2_pool_forward(x.view(), window, y.view_mut());
    assert_eq!(y, row(&[0.0, 5.0]));
    let mut dx = row(&[0.0; 4]);
    l2_pool_backward(x.view(), y.view(), row(&[1.0, 10.0]).view(), window, dx.view_mut());
    assert_eq!(dx, row(&[0.0, 0.0, 6.0, 8.0]));
}

#[test]
fn l2_normalize_maps_a_zero_row_to_0_with_gradient_0() {
    let x: Array2<f32> = array![[0.0, 0.0], [3.0, 4.0], [3e-30, -4e-30], [3e30, 4e30]];
    let mut y = Array2::ones((4, 2));
    l2_normalize_forward(x.view(), y.view_mut());
    let expected = array![[0.0, 0.0], [0.6, 0.8], [0.6, -0.8], [0.6, 0.8]];
    assert!((&y - &expected).iter().all(|difference| difference.abs() <= f32::EPSILON), "{y}");
    assert_eq!(y.row(0), expected.row(0));
    let dy = Array2::from_elem((4, 2), 1.0);
    let mut dx = Array2::zeros((4, 2));
    l2_normalize_backward(x.view(), y.view(), dy.view(), dx.view_mut());
    assert_eq!(dx.row(0), array![0.0, 0.0]);
    assert!(dx.iter().all(|dx| dx.is_finite()), "{dx}");
}
