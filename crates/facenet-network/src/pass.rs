//! The two ways through a plan: each operation's forward function beside its backward function.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use facenet_tensor::{
    Accumulation, BatchNormActivation, BatchNormGradients, BatchNormParameters, BatchNormStatistics, DropoutKey,
    Scalar, average_pool_backward, average_pool_forward, batch_norm_backward, batch_norm_eval_backward,
    batch_norm_eval_forward, batch_norm_forward, bias_backward, bias_forward, channel_scale_backward_gate,
    channel_scale_backward_input, channel_scale_forward, convolution_backward_input, convolution_backward_weight,
    convolution_forward, depthwise_backward_input, depthwise_backward_weight, depthwise_forward, dropout_backward,
    dropout_forward, global_average_pool_backward, global_average_pool_forward, l2_normalize_backward,
    l2_normalize_forward, l2_pool_backward, l2_pool_forward, linear_backward_input, linear_backward_weight,
    linear_forward, local_response_norm_backward, local_response_norm_forward, max_pool_backward, max_pool_forward,
    maxout_backward, maxout_forward, prelu_backward, prelu_forward, relu_backward, relu_forward, scaled_sum_backward,
    scaled_sum_forward, sigmoid_backward, sigmoid_forward, zero_pad_backward, zero_pad_forward,
};

use rayon::Yield;

use crate::description::PoolKind;
use crate::network::{Mode, Network};
use crate::parameters::Parameters;
use crate::plan::{INPUT, Operation, Place};
use crate::workspace::{Slots, Workspace, rows, rows_mut};

/// How long a thread looks for work in vain before it leaves a pass.
const PATIENCE: Duration = Duration::from_micros(200);

thread_local! {
    static IN_A_PASS: Cell<bool> = const { Cell::new(false) };
}

/// Runs a whole pass on one thread of the pool, which shares each operation with the others. From outside the pool each operation
/// would have to be handed over, which costs more than a small one. Meanwhile the others stay awake: to wake a thread takes as
/// long as a small operation. Nobody waits for them, and work of the pool's own that runs passes goes without.
pub(crate) fn on_a_worker<R: Send>(pass: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        return pass();
    }
    rayon::scope(|_| {
        let running = Running(Arc::new(AtomicBool::new(true)));
        IN_A_PASS.set(true);
        let awake = Arc::clone(&running.0);
        rayon::spawn_broadcast(move |_| stay_awake(&awake));
        pass()
    })
}

/// A pass, until it ends or panics.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        IN_A_PASS.set(false);
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Works on what there is to do while a pass is running.
fn stay_awake(running: &AtomicBool) {
    let mut last = Instant::now();
    // A thread that waits within a pass of its own may find itself here.
    while !IN_A_PASS.get() && running.load(Ordering::Relaxed) && last.elapsed() < PATIENCE {
        if rayon::yield_now() == Some(Yield::Executed) {
            last = Instant::now();
        }
        std::hint::spin_loop();
    }
}

/// Computes the operation's output from the activations before it.
pub(crate) fn forward<T: Scalar>(operation: &Operation, network: &Network<T>, workspace: &mut Workspace<T>) {
    let Workspace { activations, batch_statistics, mode, scratch, .. } = workspace;
    let Network { parameters, statistics, .. } = network;
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
            linear_forward(rows(x), parameters.view(*weight), rows_mut(y), scratch);
        }
        Operation::Bias { y, bias } => bias_forward(parameters.view(*bias), activations.view_mut(y)),
        Operation::BatchNorm { x, y, scale, shift, mean, variance, rectified } => {
            let (x, y) = activations.read_write(x, y);
            let numbers = batch_norm_parameters(network, *scale, *shift, *rectified);
            match mode {
                Mode::Train { .. } => {
                    let [mean, variance] = batch_statistics.disjoint_mut([*mean, *variance]);
                    batch_norm_forward(x, numbers, mean, variance, y);
                }
                Mode::Eval => {
                    let [mean, variance] = [mean, variance].map(|&entry| statistics.view(entry));
                    batch_norm_eval_forward(x, numbers, BatchNormStatistics { mean, variance }, y);
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

fn batch_norm_parameters<T: Scalar>(
    network: &Network<T>,
    scale: usize,
    shift: usize,
    rectified: bool,
) -> BatchNormParameters<'_, T> {
    let [scale, shift] = [scale, shift].map(|entry| network.parameters.view(entry));
    let activation = if rectified { BatchNormActivation::Relu } else { BatchNormActivation::None };
    BatchNormParameters { scale, shift, epsilon: T::from_f64(network.plan().epsilon), activation }
}

/// [`forward`] of an operation that needs nothing but activations.
///
/// # Panics
///
/// If it is another one.
pub(crate) fn forward_without_parameters<T: Scalar>(operation: &Operation, activations: &mut Slots<T>) {
    match operation {
        Operation::Relu { y } => relu_forward(activations.view_mut(y)),
        Operation::Sigmoid { y } => sigmoid_forward(activations.view_mut(y)),
        Operation::LocalResponseNorm { x, y, numbers } => {
            let (x, y) = activations.read_write(x, y);
            local_response_norm_forward(x, *numbers, y);
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
            global_average_pool_forward(x, rows_mut(y));
        }
        Operation::ScaledSum { x, branch, y, scale } => {
            let ([x, branch], y) = activations.disjoint([x, branch], y);
            scaled_sum_forward(x, branch, T::from_f64(*scale), y);
        }
        Operation::ChannelScale { x, gate, y } => {
            let ([x, gate], y) = activations.disjoint([x, gate], y);
            channel_scale_forward(x, rows(gate), y);
        }
        Operation::ZeroPad { x, y, before } => {
            let (x, y) = activations.read_write(x, y);
            zero_pad_forward(x, *before, y);
        }
        Operation::L2Normalize { x, y } => {
            let (x, y) = activations.read_write(x, y);
            l2_normalize_forward(rows(x), rows_mut(y));
        }
        other => unreachable!("{other:?} needs more than activations"),
    }
}

/// Adds the operation's gradients to those of its parameters and of what it reads; operations that can write over the latter do so
/// where `accumulation` says it. Nothing asks for the gradient at the faces themselves: products, where it would cost, leave it out.
pub(crate) fn backward<T: Scalar>(
    operation: &Operation,
    network: &Network<T>,
    accumulation: &dyn Fn(&Place) -> Accumulation,
    workspace: &mut Workspace<T>,
    gradients: &mut Parameters<T>,
) {
    let Workspace { activations, gradients: d, batch_statistics, mode, scratch } = workspace;
    let Network { parameters, statistics, .. } = network;
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
            linear_backward_weight(rows(activations.view(x)), rows(d.view(y)), dweight, scratch);
            if x.slot != INPUT {
                let (dy, dx) = d.read_write(y, x);
                linear_backward_input(rows(dy), parameters.view(*weight), accumulation(x), rows_mut(dx), scratch);
            }
        }
        Operation::Bias { y, bias } => bias_backward(d.view(y), gradients.view_mut(*bias)),
        Operation::BatchNorm { x, y, scale, shift, mean, variance, rectified } => {
            let [dscale, dshift] = gradients.disjoint_mut([*scale, *shift]);
            let accumulation = accumulation(x);
            let (dy, dx) = d.read_write(y, x);
            let x = activations.view(x);
            let numbers = batch_norm_parameters(network, *scale, *shift, *rectified);
            let gradients = BatchNormGradients { accumulation, dx: dx.reborrow(), dscale, dshift };
            match mode {
                Mode::Train { .. } => {
                    let [mean, variance] = [mean, variance].map(|&entry| batch_statistics.view(entry));
                    batch_norm_backward(x, dy, numbers, BatchNormStatistics { mean, variance }, gradients);
                }
                Mode::Eval => {
                    let [mean, variance] = [mean, variance].map(|&entry| statistics.view(entry));
                    batch_norm_eval_backward(x, dy, numbers, BatchNormStatistics { mean, variance }, gradients);
                }
            }
        }
        Operation::Relu { y } => relu_backward(activations.view(y), d.view_mut(y)),
        Operation::Sigmoid { y } => sigmoid_backward(activations.view(y), d.view_mut(y)),
        Operation::PRelu { x, y, slope } => {
            let (dy, dx) = d.read_write(y, x);
            prelu_backward(activations.view(x), parameters.view(*slope), dy, dx, gradients.view_mut(*slope));
        }
        Operation::LocalResponseNorm { x, y, numbers } => {
            let (dy, dx) = d.read_write(y, x);
            local_response_norm_backward(activations.view(x), dy, *numbers, dx);
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
            global_average_pool_backward(rows(dy), dx);
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
            channel_scale_backward_gate(activations.view(x), dy, rows_mut(dgate));
            let (dy, dx) = d.read_write(y, x);
            channel_scale_backward_input(rows(activations.view(gate)), dy, dx);
        }
        Operation::ZeroPad { x, y, before } => {
            let (dy, dx) = d.read_write(y, x);
            zero_pad_backward(dy, *before, dx);
        }
        Operation::L2Normalize { x, y } => {
            let (dy, dx) = d.read_write(y, x);
            l2_normalize_backward(rows(activations.view(x)), rows(activations.view(y)), rows(dy), rows_mut(dx));
        }
    }
}
