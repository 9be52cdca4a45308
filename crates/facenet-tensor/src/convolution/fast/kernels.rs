//! The choice of algorithm for each `f32` convolution.

use ndarray::ArrayView4;

use crate::convolution::fast::epilogue::{Output, Store};
use crate::convolution::fast::raw_image::RawImage;
use crate::convolution::fast::separable::{Depthwise, Pointwise};
use crate::convolution::fast::winograd::tiling::Tiling;
use crate::convolution::fast::{depthwise, first_layer, indirect, row_products, separable, weight_gradient, winograd};
use crate::convolution::kernels::{
    ConvolutionBackwardInput, ConvolutionBackwardWeight, ConvolutionForward, DepthwiseForward, Kernels, PackedForward,
    PackedOutput, RowProducts, SeparableForward,
};
use crate::convolution::packed_weights::PackedWeights;
use crate::memory::aligned_vec::AlignedVec;
use crate::simd::level::SimdLevel;
use crate::window::Window;

impl Kernels for f32 {
    fn convolution_forward(level: SimdLevel, operands: ConvolutionForward<'_, f32>) {
        let ConvolutionForward { x, weight, window, mut y, scratch } = operands;
        let output = Output { image: RawImage::new_mut(&mut y), store: Store::Set };
        let (_, height, width, outputs) = y.dim();
        let channels = [x.dim().3, outputs];
        if Tiling::is_profitable(window, channels, [height, width]) {
            let packed = scratch.take(Tiling::TwoByTwo.packed_length(channels));
            winograd::pack::pack(Tiling::TwoByTwo, &weight, packed);
            return winograd::forward::forward(Tiling::TwoByTwo, level, x, packed, window.padding, output);
        }
        let packed = scratch.take(indirect::packed_length(&weight));
        indirect::pack(&weight, packed);
        direct_forward(level, x, packed, window, &[output]);
    }

    fn convolution_backward_input(level: SimdLevel, operands: ConvolutionBackwardInput<'_, f32>) {
        let (_, height, width, outputs) = operands.dy.dim();
        if Tiling::is_profitable(operands.window, [operands.dx.dim().3, outputs], [height, width]) {
            return winograd::forward::backward_input(level, operands);
        }
        indirect::backward_input(level, operands);
    }

    fn convolution_backward_weight(level: SimdLevel, operands: ConvolutionBackwardWeight<'_, f32>) {
        let (_, height, width, outputs) = operands.dy.dim();
        if Tiling::is_profitable(operands.window, [operands.x.dim().3, outputs], [height, width]) {
            return winograd::weight_gradient::backward_weight(level, operands);
        }
        weight_gradient::backward_weight(level, operands);
    }

    fn depthwise_forward(level: SimdLevel, operands: DepthwiseForward<'_, f32>) {
        let DepthwiseForward { x, weight, window, epilogue, mut y } = operands;
        let store = epilogue.map_or(Store::Set, |epilogue| Store::WithEpilogue { epilogue, residual: None });
        let output = Output { image: RawImage::new_mut(&mut y), store };
        depthwise::forward(level, x, weight, window, output);
    }

    fn pack(weight: ArrayView4<'_, f32>, window: Window, images: [usize; 2]) -> PackedWeights<f32> {
        let channels = [weight.dim().2, weight.dim().3];
        let output = window.output(images).unwrap_or_default();
        let tiling = Tiling::for_inference(window, channels, output);
        let (length, trailing_zeros) = match tiling {
            Some(tiling) => (tiling.packed_length(channels), channels[0]),
            None => (indirect::packed_length(&weight), window.kernel[1] * channels[0]),
        };
        let mut elements = AlignedVec::zeros(length);
        match tiling {
            Some(tiling) => winograd::pack::pack(tiling, &weight, &mut elements),
            None => indirect::pack(&weight, &mut elements),
        }
        PackedWeights { elements, trailing_zeros, tiling }
    }

    fn separable_forward(level: SimdLevel, operands: SeparableForward<'_, f32>) {
        let SeparableForward { x, pointwise, pointwise_epilogue, depthwise, window, epilogue, pool, mut y } = operands;
        let store = Store::WithEpilogue { epilogue, residual: None };
        let output = Output { image: RawImage::new_mut(&mut y), store };
        let pointwise = Pointwise { packed: &pointwise.elements, epilogue: pointwise_epilogue };
        separable::forward(level, x, pointwise, Depthwise { weight: depthwise, window, pool }, output);
    }

    fn row_products(level: SimdLevel, operands: RowProducts<'_, f32>) {
        row_products::row_products(level, operands);
    }

    fn packed_forward(level: SimdLevel, operands: PackedForward<'_, f32>) {
        let PackedForward { x, weights, window, mut outputs } = operands;
        let outputs: Vec<Output<'_>> = outputs
            .iter_mut()
            .map(|PackedOutput { epilogue, residual, y }| Output {
                image: RawImage::new_mut(y),
                store: Store::WithEpilogue { epilogue, residual: residual.as_ref().map(RawImage::new) },
            })
            .collect();
        match weights.tiling {
            Some(tiling) => {
                winograd::forward::forward(tiling, level, x, &weights.elements, window.padding, outputs[0]);
            }
            None => direct_forward(level, x, &weights.elements, window, &outputs),
        }
    }
}

/// A convolution without transform, with weights packed by [`indirect::pack`].
fn direct_forward(level: SimdLevel, x: ArrayView4<'_, f32>, packed: &[f32], window: Window, outputs: &[Output<'_>]) {
    if first_layer::is_supported(&x, window, outputs) {
        return first_layer::forward(level, x, packed, window, outputs);
    }
    indirect::forward(level, x, packed, window, outputs);
}
