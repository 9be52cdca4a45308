//! Forward and backward pass of each operation.

use facenet_tensor::{
    Accumulation, BatchNormActivation, BatchNormGradients, BatchNormParameters, BatchNormStatistics, DropoutKey,
    Scalar, average_pool_backward, average_pool_forward, batch_norm_backward, batch_norm_eval_backward,
    batch_norm_eval_forward, batch_norm_forward, bias_backward, bias_forward, channel_scale_backward_gate,
    channel_scale_backward_input, channel_scale_forward, convolution_backward_input, convolution_backward_weight,
    convolution_forward, depthwise_backward_input, depthwise_backward_weight, depthwise_forward, dropout_backward,
    dropout_forward, flatten_backward, flatten_forward, global_average_pool_backward, global_average_pool_forward,
    l2_normalize_backward, l2_normalize_forward, l2_pool_backward, l2_pool_forward, linear_backward_input,
    linear_backward_weight, linear_forward, local_response_norm_backward, local_response_norm_forward,
    max_pool_backward, max_pool_forward, maxout_backward, maxout_forward, prelu_backward, prelu_forward, relu_backward,
    relu_forward, scaled_sum_backward, scaled_sum_forward, sigmoid_backward, sigmoid_forward, upsample_backward,
    upsample_forward, zero_pad_backward, zero_pad_forward,
};

use crate::description::layer::PoolKind;
use crate::execution::mode::Mode;
use crate::execution::slot_buffers::{SlotBuffers, flatten, flatten_mut};
use crate::execution::workspace::Workspace;
use crate::parameters::Parameters;
use crate::plan::operation::{ChannelSlice, INPUT, Operation};

/// What operations read besides activations.
#[derive(Clone, Copy)]
pub(crate) struct NetworkState<'a, T> {
    pub(crate) parameters: &'a Parameters<T>,
    /// Running means and variances of batch normalization.
    pub(crate) statistics: &'a Parameters<T>,
    /// Epsilon of batch normalization.
    pub(crate) epsilon: f64,
}

impl<'a, T: Scalar> NetworkState<'a, T> {
    fn batch_norm(self, scale: usize, shift: usize, rectified: bool) -> BatchNormParameters<'a, T> {
        let [scale, shift] = [scale, shift].map(|entry| self.parameters.view(entry));
        let activation = if rectified { BatchNormActivation::Relu } else { BatchNormActivation::None };
        BatchNormParameters { scale, shift, epsilon: T::from_f64(self.epsilon), activation }
    }
}

/// Computes the output of an operation.
pub(crate) fn forward<T: Scalar>(operation: &Operation, state: NetworkState<'_, T>, workspace: &mut Workspace<T>) {
    let Workspace { activations, batch_statistics, mode, scratch, .. } = workspace;
    let NetworkState { parameters, statistics, .. } = state;
    match operation {
        Operation::Convolution { x, y, weight, window } => {
            let (x, y) = activations.read_write(x, y);
            convolution_forward(x, parameters.view(*weight), *window, y, scratch);
        }
        Operation::Depthwise { x, y, weight, window } => {
            let (x, y) = activations.read_write(x, y);
            depthwise_forward(x, parameters.view(*weight), *window, y);
        }
        Operation::Linear { x, y, weight } => {
            let (x, y) = activations.read_write(x, y);
            linear_forward(flatten(x), parameters.view(*weight), flatten_mut(y), scratch);
        }
        Operation::Bias { y, bias } => bias_forward(parameters.view(*bias), activations.view_mut(y)),
        Operation::BatchNorm { x, y, scale, shift, mean, variance, rectified } => {
            let (x, y) = activations.read_write(x, y);
            let batch_norm = state.batch_norm(*scale, *shift, *rectified);
            match mode {
                Mode::Train { .. } => {
                    let [mean, variance] = batch_statistics.disjoint_mut([*mean, *variance]);
                    batch_norm_forward(x, batch_norm, mean, variance, y);
                }
                Mode::Eval => {
                    let [mean, variance] = [mean, variance].map(|&entry| statistics.view(entry));
                    batch_norm_eval_forward(x, batch_norm, BatchNormStatistics { mean, variance }, y);
                }
            }
        }
        Operation::PRelu { x, y, slope } => {
            let (x, y) = activations.read_write(x, y);
            prelu_forward(x, parameters.view(*slope), y);
        }
        Operation::Dropout { x, y, rate, layer } => {
            let (x, mut y) = activations.read_write(x, y);
            y.assign(&x);
            if let Mode::Train { seed, step } = *mode {
                dropout_forward(y, *rate, DropoutKey { seed, step, layer: *layer });
            }
        }
        other => forward_without_parameters(other, activations),
    }
}

/// [`forward`] of an operation that reads activations only.
///
/// # Panics
///
/// If the operation has parameters.
pub(crate) fn forward_without_parameters<T: Scalar>(operation: &Operation, activations: &mut SlotBuffers<T>) {
    match operation {
        Operation::Relu { y } => relu_forward(activations.view_mut(y)),
        Operation::Sigmoid { y } => sigmoid_forward(activations.view_mut(y)),
        Operation::LocalResponseNorm { x, y, parameters } => {
            let (x, y) = activations.read_write(x, y);
            local_response_norm_forward(x, *parameters, y);
        }
        Operation::Maxout { x, y, pieces } => {
            let (x, y) = activations.read_write(x, y);
            maxout_forward(x, *pieces, y);
        }
        Operation::Pool { x, y, kind, window } => {
            let (x, y) = activations.read_write(x, y);
            match kind {
                PoolKind::Max => max_pool_forward(x, *window, y),
                PoolKind::Average => average_pool_forward(x, *window, y),
                PoolKind::L2 => l2_pool_forward(x, *window, y),
            }
        }
        Operation::GlobalAveragePool { x, y } => {
            let (x, y) = activations.read_write(x, y);
            global_average_pool_forward(x, flatten_mut(y));
        }
        Operation::ScaledSum { x, branch, y, scale } => {
            let ([x, branch], y) = activations.disjoint([x, branch], y);
            scaled_sum_forward(x, branch, T::from_f64(*scale), y);
        }
        Operation::ChannelScale { x, gate, y } => {
            let ([x, gate], y) = activations.disjoint([x, gate], y);
            channel_scale_forward(x, flatten(gate), y);
        }
        Operation::ZeroPad { x, y, before } => {
            let (x, y) = activations.read_write(x, y);
            zero_pad_forward(x, *before, y);
        }
        Operation::Upsample { x, y, factor } => {
            let (x, y) = activations.read_write(x, y);
            upsample_forward(x, *factor, y);
        }
        Operation::Flatten { x, y } => {
            let (x, y) = activations.read_write(x, y);
            flatten_forward(x, flatten_mut(y));
        }
        Operation::L2Normalize { x, y } => {
            let (x, y) = activations.read_write(x, y);
            l2_normalize_forward(flatten(x), flatten_mut(y));
        }
        other => unreachable!("{other:?} has parameters"),
    }
}

/// Adds the gradients of an operation to those of its parameters and inputs. For inputs whose
/// `accumulation` is [`Accumulation::Set`] and whose operation supports it, the gradient is
/// overwritten instead. The gradient at the network's input is not needed, so convolutions and
/// fully connected layers skip it.
pub(crate) fn backward<T: Scalar>(
    operation: &Operation,
    state: NetworkState<'_, T>,
    accumulation: &dyn Fn(&ChannelSlice) -> Accumulation,
    workspace: &mut Workspace<T>,
    gradients: &mut Parameters<T>,
) {
    let Workspace { activations, gradients: d, batch_statistics, mode, scratch } = workspace;
    let NetworkState { parameters, statistics, .. } = state;
    match operation {
        Operation::Convolution { x, y, weight, window } => {
            let dweight = gradients.view_mut(*weight);
            convolution_backward_weight(activations.view(x), d.view(y), *window, dweight, scratch);
            if x.slot != INPUT {
                let (dy, dx) = d.read_write(y, x);
                convolution_backward_input(dy, parameters.view(*weight), *window, accumulation(x), dx, scratch);
            }
        }
        Operation::Depthwise { x, y, weight, window } => {
            depthwise_backward_weight(activations.view(x), d.view(y), *window, gradients.view_mut(*weight));
            if x.slot != INPUT {
                let (dy, dx) = d.read_write(y, x);
                depthwise_backward_input(dy, parameters.view(*weight), *window, dx);
            }
        }
        Operation::Linear { x, y, weight } => {
            let dweight = gradients.view_mut(*weight);
            linear_backward_weight(flatten(activations.view(x)), flatten(d.view(y)), dweight, scratch);
            if x.slot != INPUT {
                let (dy, dx) = d.read_write(y, x);
                linear_backward_input(flatten(dy), parameters.view(*weight), accumulation(x), flatten_mut(dx), scratch);
            }
        }
        Operation::Bias { y, bias } => bias_backward(d.view(y), gradients.view_mut(*bias)),
        Operation::BatchNorm { x, y, scale, shift, mean, variance, rectified } => {
            let [dscale, dshift] = gradients.disjoint_mut([*scale, *shift]);
            let accumulation = accumulation(x);
            let (dy, dx) = d.read_write(y, x);
            let x = activations.view(x);
            let batch_norm = state.batch_norm(*scale, *shift, *rectified);
            let gradients = BatchNormGradients { accumulation, dx, dscale, dshift };
            match mode {
                Mode::Train { .. } => {
                    let [mean, variance] = [mean, variance].map(|&entry| batch_statistics.view(entry));
                    batch_norm_backward(x, dy, batch_norm, BatchNormStatistics { mean, variance }, gradients);
                }
                Mode::Eval => {
                    let [mean, variance] = [mean, variance].map(|&entry| statistics.view(entry));
                    batch_norm_eval_backward(x, dy, batch_norm, BatchNormStatistics { mean, variance }, gradients);
                }
            }
        }
        Operation::Relu { y } => relu_backward(activations.view(y), d.view_mut(y)),
        Operation::Sigmoid { y } => sigmoid_backward(activations.view(y), d.view_mut(y)),
        Operation::PRelu { x, y, slope } => {
            let (dy, dx) = d.read_write(y, x);
            prelu_backward(activations.view(x), parameters.view(*slope), dy, dx, gradients.view_mut(*slope));
        }
        Operation::LocalResponseNorm { x, y, parameters } => {
            let (dy, dx) = d.read_write(y, x);
            local_response_norm_backward(activations.view(x), dy, *parameters, dx);
        }
        Operation::Maxout { x, y, pieces } => {
            let (dy, dx) = d.read_write(y, x);
            maxout_backward(activations.view(x), *pieces, dy, dx);
        }
        Operation::Pool { x, y, kind, window } => {
            let (dy, dx) = d.read_write(y, x);
            match kind {
                PoolKind::Max => max_pool_backward(activations.view(x), dy, *window, dx),
                PoolKind::Average => average_pool_backward(dy, *window, dx),
                PoolKind::L2 => l2_pool_backward(activations.view(x), activations.view(y), dy, *window, dx),
            }
        }
        Operation::GlobalAveragePool { x, y } => {
            let (dy, dx) = d.read_write(y, x);
            global_average_pool_backward(flatten(dy), dx);
        }
        Operation::Dropout { x, y, rate, layer } => {
            if let Mode::Train { seed, step } = *mode {
                dropout_backward(d.view_mut(y), *rate, DropoutKey { seed, step, layer: *layer });
            }
            let (dy, mut dx) = d.read_write(y, x);
            dx += &dy;
        }
        Operation::ScaledSum { x, branch, y, scale } => {
            let (dy, dx) = d.read_write(y, x);
            scaled_sum_backward(dy, T::one(), accumulation(x), dx);
            let (dy, dbranch) = d.read_write(y, branch);
            scaled_sum_backward(dy, T::from_f64(*scale), accumulation(branch), dbranch);
        }
        Operation::ChannelScale { x, gate, y } => {
            let (dy, dgate) = d.read_write(y, gate);
            channel_scale_backward_gate(activations.view(x), dy, flatten_mut(dgate));
            let (dy, dx) = d.read_write(y, x);
            channel_scale_backward_input(flatten(activations.view(gate)), dy, dx);
        }
        Operation::ZeroPad { x, y, before } => {
            let (dy, dx) = d.read_write(y, x);
            zero_pad_backward(dy, *before, dx);
        }
        Operation::Upsample { x, y, factor } => {
            let (dy, dx) = d.read_write(y, x);
            upsample_backward(dy, *factor, dx);
        }
        Operation::Flatten { x, y } => {
            let (dy, dx) = d.read_write(y, x);
            flatten_backward(flatten(dy), dx);
        }
        Operation::L2Normalize { x, y } => {
            let (dy, dx) = d.read_write(y, x);
            l2_normalize_backward(
                flatten(activations.view(x)),
                flatten(activations.view(y)),
                flatten(dy),
                flatten_mut(dx),
            );
        }
    }
}
