//! Joins 1x1 convolutions with the depthwise convolutions and max poolings that follow them, so that
//! the images between them stay in cache.

use facenet_tensor::{PackedSeparable, Scalar};

use crate::description::layer::PoolKind;
use crate::frozen::operation::FrozenOperation;
use crate::plan::operation::Operation;

/// Joins each 1x1 convolution with the depthwise convolution after it, and with the max pooling
/// after that, where nothing else reads what is between them. The slot `output` is read after the
/// last operation; `operation_layers` are the layers that each operation belongs to.
pub(super) fn join_separable<T: Scalar>(
    operations: &mut Vec<FrozenOperation<T>>,
    operation_layers: &mut Vec<Vec<usize>>,
    output: usize,
) {
    let mut index = 0;
    while index + 1 < operations.len() {
        if let Some(joined) = joined(operations, index, output) {
            operations[index] = joined;
            operations.remove(index + 1);
            let layers = operation_layers.remove(index + 1);
            operation_layers[index].extend(layers);
        } else {
            index += 1;
        }
    }
}

/// The operation at `index` joined with the next one.
fn joined<T: Scalar>(operations: &[FrozenOperation<T>], index: usize, output: usize) -> Option<FrozenOperation<T>> {
    let (x, between, next_x, y, kernel) = match &operations[index..index + 2] {
        [
            FrozenOperation::Convolution { x, y: between, residual: None, kernel: pointwise },
            FrozenOperation::Depthwise { x: next_x, y, kernel: depthwise },
        ] => (x, between, next_x, y, PackedSeparable::new(pointwise, depthwise)?),
        [
            FrozenOperation::Separable { x, y: between, kernel },
            FrozenOperation::WithoutParameters(Operation::Pool { x: next_x, y, kind: PoolKind::Max, window }),
        ] => (x, between, next_x, y, kernel.with_max_pool(*window)?),
        _ => return None,
    };
    let mut others = operations[..index].iter().chain(&operations[index + 2..]);
    let is_read_elsewhere = between.slot == output || others.any(|operation| operation.slots().contains(&between.slot));
    let is_joined = between == next_x && !is_read_elsewhere && x.slot != y.slot;
    is_joined.then(|| FrozenOperation::Separable { x: x.clone(), y: y.clone(), kernel })
}
