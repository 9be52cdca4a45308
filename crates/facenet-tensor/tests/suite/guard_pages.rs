//! Kernels read and write through pointers. Here their operands start or end at a protected page:
//! an access one element out of bounds terminates the process.
#![cfg(unix)]
#![expect(unsafe_code, reason = "maps memory between protected pages")]

use std::ptr;

use facenet_tensor::{
    Accumulation, BatchNormActivation, BatchNormGradients, BatchNormParameters, BatchNormStatistics, FusedActivation,
    PackedConvolution, PackedDepthwise, PackedSeparable, Scratch, Window, average_pool_forward, batch_norm_backward,
    batch_norm_forward, convolution_backward_input, convolution_backward_weight, convolution_forward,
    depthwise_backward_input, depthwise_backward_weight, depthwise_forward, l2_pool_forward, max_pool_backward,
    max_pool_forward, relu_backward, relu_forward,
};
use ndarray::{Array, Array1, Array4, ArrayView4, ArrayViewMut4, Axis};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Which end of the elements is adjacent to a protected page.
#[derive(Clone, Copy, Debug)]
enum Side {
    Begin,
    End,
}

/// An image or weights with a protected page directly before the first or after the last element.
struct Guarded {
    mapping: *mut libc::c_void,
    length: usize,
    elements: *mut f32,
    shape: [usize; 4],
}

impl Guarded {
    fn new(values: &Array4<f32>, side: Side) -> Self {
        let shape = values.shape().try_into().unwrap();
        let size = size_of_val(values.as_slice().unwrap());
        // SAFETY: only queries a constant.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
        let pages = size.next_multiple_of(page).max(page);
        let length = pages + 2 * page;
        // SAFETY: new memory, of which all but the first and last page are made accessible.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let mapping = libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(mapping, libc::MAP_FAILED);
            let usable = mapping.byte_add(page);
            assert_eq!(libc::mprotect(usable, pages, libc::PROT_READ | libc::PROT_WRITE), 0);
            let elements: *mut f32 = match side {
                Side::Begin => usable.cast(),
                Side::End => usable.byte_add(pages - size).cast(),
            };
            ptr::copy_nonoverlapping(values.as_ptr(), elements, values.len());
            Self { mapping, length, elements, shape }
        }
    }

    fn view(&self) -> ArrayView4<'_, f32> {
        // SAFETY: all elements were written by `new`.
        unsafe { ArrayView4::from_shape_ptr(self.shape, self.elements) }
    }

    fn view_mut(&mut self) -> ArrayViewMut4<'_, f32> {
        // SAFETY: as above.
        unsafe { ArrayViewMut4::from_shape_ptr(self.shape, self.elements) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and no view outlives `self`.
        unsafe { libc::munmap(self.mapping, self.length) };
    }
}

fn random(shape: [usize; 4], seed: u64) -> Array4<f32> {
    Array::random_using(shape, Uniform::new(-1.0, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
}

fn vector(count: usize) -> Array1<f32> {
    Array1::linspace(0.5, 1.5, count)
}

/// Runs an operation on ordinary and on guarded memory; the results must be equal.
fn check<const N: usize>(
    name: &str,
    operands: [&Array4<f32>; N],
    target: &Array4<f32>,
    operation: impl Fn([ArrayView4<'_, f32>; N], ArrayViewMut4<'_, f32>),
) {
    let mut expected = target.clone();
    operation(operands.map(|operand| operand.view()), expected.view_mut());
    for side in [Side::Begin, Side::End] {
        let guarded = operands.map(|operand| Guarded::new(operand, side));
        let mut y = Guarded::new(target, side);
        operation(guarded.each_ref().map(Guarded::view), y.view_mut());
        assert_eq!(y.view(), expected, "{name}, {side:?}");
    }
}

fn convolutions(window: Window, input: [usize; 2], [inputs, outputs]: [usize; 2]) {
    let name = format!("{input:?}, {inputs} to {outputs}, {window:?}");
    let [rows, columns] = window.output(input).unwrap();
    let [height, width] = window.kernel;
    let x = random([2, input[0], input[1], inputs], 1);
    let weight = random([height, width, inputs, outputs], 2);
    let y = random([2, rows, columns, outputs], 3);
    check(&format!("forward, {name}"), [&x, &weight], &y, |[x, weight], y| {
        convolution_forward(x, weight, window, y, &mut Scratch::default());
    });
    for accumulation in [Accumulation::Set, Accumulation::Add] {
        check(&format!("input gradient, {accumulation:?}, {name}"), [&y, &weight], &x, |[dy, weight], dx| {
            convolution_backward_input(dy, weight, window, accumulation, dx, &mut Scratch::default());
        });
    }
    check(&format!("weight gradient, {name}"), [&x, &y], &weight, |[x, dy], dweight| {
        convolution_backward_weight(x, dy, window, dweight, &mut Scratch::default());
    });
    for activation in [FusedActivation::Relu, FusedActivation::PRelu(vector(outputs).to_vec())] {
        let packed = PackedConvolution::new(weight.view(), vector(outputs).view(), activation, window, input);
        check(&format!("packed, {name}"), [&x], &y, |[x], y| packed.forward(x, y));
        let residual = random(y.dim().into(), 4);
        check(&format!("residual, {name}"), [&x, &residual], &y, |[x, residual], y| {
            packed.forward_residual(x, residual, y);
        });
    }
}

#[test]
fn convolutions_stay_inside_their_operands() {
    for channels in [[1, 1], [3, 15], [15, 17], [16, 16], [17, 33], [33, 49], [20, 64]] {
        for (kernel, stride, padding) in [(1, 1, 0), (1, 2, 0), (3, 1, 0), (3, 1, 1), (3, 1, 2), (3, 2, 1), (5, 1, 2)] {
            convolutions(Window::square(kernel, stride, padding), [9, 11], channels);
        }
    }
    convolutions(Window::square(3, 1, 1), [6, 13], [16, 48]);
    convolutions(Window::square(7, 2, 3), [13, 16], [3, 64]);
    convolutions(Window::square(3, 2, 0), [12, 9], [3, 32]);
    for (stride, padding) in [(1, 1), (2, 1), (2, 0)] {
        convolutions(Window::square(3, stride, padding), [12, 23], [3, 16]);
        convolutions(Window::square(3, stride, padding), [12, 23], [3, 7]);
    }
    convolutions(Window { kernel: [1, 7], stride: [1, 1], padding: [0, 3] }, [6, 8], [12, 18]);
    convolutions(Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0] }, [1, 1], [100, 65]);
}

#[test]
fn pixelwise_operations_stay_inside_their_operands() {
    for channels in [1, 3, 15, 16, 17, 33, 49] {
        let input = [9, 11];
        let x = random([2, input[0], input[1], channels], 1);
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (3, 1, 3), (2, 3, 0), (5, 1, 2), (9, 1, 0)] {
            let window = Window::square(kernel, stride, padding);
            let [rows, columns] = window.output(input).unwrap();
            let y = random([2, rows, columns, channels], 2);
            if padding < kernel {
                check("max_pool", [&x], &y, |[x], y| max_pool_forward(x, window, y));
                check("max_pool, gradient", [&x, &y], &x, |[x, dy], dx| max_pool_backward(x, dy, window, dx));
                check("average_pool", [&x], &y, |[x], y| average_pool_forward(x, window, y));
                check("l2_pool", [&x], &y, |[x], y| l2_pool_forward(x, window, y));
            }
            let weight = random([1, kernel, kernel, channels], 3);
            let slice =
                |weight: &ArrayView4<'_, f32>| weight.to_shape((kernel, kernel, channels)).unwrap().into_owned();
            check("depthwise", [&x, &weight], &y, |[x, weight], y| {
                depthwise_forward(x, weight.index_axis_move(Axis(0), 0), window, y);
            });
            check("depthwise, input gradient", [&y, &weight], &x, |[dy, weight], dx| {
                depthwise_backward_input(dy, slice(&weight).view(), window, dx);
            });
            check("depthwise, weight gradient", [&x, &y], &weight, |[x, dy], dweight| {
                let dweight = dweight.into_shape_with_order((kernel, kernel, channels)).unwrap();
                depthwise_backward_weight(x, dy, window, dweight);
            });
            let bias = vector(channels);
            let weight = slice(&weight.view());
            let packed = PackedDepthwise::new(weight.view(), bias.view(), FusedActivation::Relu, window);
            check("packed depthwise", [&x], &y, |[x], y| packed.forward(x, y));
            for inputs in [1, 16, 19] {
                let weight = random([1, 1, inputs, channels], 4);
                let square = Window::square(1, 1, 0);
                let pointwise =
                    PackedConvolution::new(weight.view(), bias.view(), FusedActivation::None, square, input);
                if let Some(separable) = PackedSeparable::new(&pointwise, &packed) {
                    let x = random([2, input[0], input[1], inputs], 5);
                    check("packed separable", [&x], &y, |[x], y| separable.forward(x, y));
                    let pool = Window::square(2, 2, 0);
                    if let Some(separable) = separable.with_max_pool(pool) {
                        let [rows, columns] = pool.output([rows, columns]).unwrap();
                        let y = random([2, rows, columns, channels], 2);
                        check("pooled separable", [&x], &y, |[x], y| separable.forward(x, y));
                    }
                }
            }
        }
        check("relu", [], &x, |[], y| relu_forward(y));
        check("relu, gradient", [&x], &x, |[y], dy| relu_backward(y, dy));
        let scale = vector(channels);
        for activation in [BatchNormActivation::None, BatchNormActivation::Relu] {
            let parameters =
                BatchNormParameters { scale: scale.view(), shift: scale.view(), epsilon: 1e-3, activation };
            let statistics = |x: ArrayView4<'_, f32>, y: ArrayViewMut4<'_, f32>| {
                let (mut mean, mut variance) = (Array1::zeros(channels), Array1::zeros(channels));
                batch_norm_forward(x, parameters, mean.view_mut(), variance.view_mut(), y);
                (mean, variance)
            };
            check("batch_norm", [&x], &x, |[x], y| drop(statistics(x, y)));
            for accumulation in [Accumulation::Set, Accumulation::Add] {
                check("batch_norm, gradient", [&x, &x], &x, |[x, dy], dx| {
                    let (mean, variance) = statistics(x, Array4::zeros(x.raw_dim()).view_mut());
                    let statistics = BatchNormStatistics { mean: mean.view(), variance: variance.view() };
                    let (mut dscale, mut dshift) = (Array1::zeros(channels), Array1::zeros(channels));
                    let (dscale, dshift) = (dscale.view_mut(), dshift.view_mut());
                    let gradients = BatchNormGradients { accumulation, dx: dx.reborrow(), dscale, dshift };
                    batch_norm_backward(x, dy, parameters, statistics, gradients);
                });
            }
        }
    }
}
