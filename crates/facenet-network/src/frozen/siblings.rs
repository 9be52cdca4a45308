//! Joins convolutions that read the same input, so that it is read once.

use facenet_tensor::{PackedConvolution, Scalar};

use crate::frozen::operation::FrozenOperation;
use crate::plan::operation::ChannelSlice;

/// Joins convolutions that read the same slice, unless an operation between them makes that
/// invalid. `operation_layers` are the layers that each operation belongs to.
pub(super) fn join_siblings<T: Scalar>(
    operations: &mut Vec<FrozenOperation<T>>,
    operation_layers: &mut Vec<Vec<usize>>,
) {
    let mut index = 0;
    while index < operations.len() {
        let mut siblings = vec![index];
        for later in index + 1..operations.len() {
            if are_siblings(operations, &siblings, later) {
                siblings.push(later);
            }
        }
        let parts = siblings.iter().filter_map(|&sibling| match &operations[sibling] {
            FrozenOperation::Convolution { x, y, residual: None, kernel } => Some((x, y, kernel)),
            _ => None,
        });
        let parts: Vec<_> = parts.collect();
        if let (2.., Some((x, ..))) = (parts.len(), parts.first()) {
            let kernels: Vec<_> = parts.iter().map(|(_, _, kernel)| *kernel).collect();
            let outputs = parts.iter().map(|(_, y, _)| (*y).clone()).collect();
            let kernel = PackedConvolution::join(&kernels);
            operations[index] = FrozenOperation::Siblings { x: (*x).clone(), outputs, kernel };
            for &sibling in siblings[1..].iter().rev() {
                operations.remove(sibling);
                let layers = operation_layers.remove(sibling);
                operation_layers[index].extend(layers);
            }
        }
        index += 1;
    }
}

/// Whether a later operation can be computed together with the siblings found so far.
fn are_siblings<T: Scalar>(operations: &[FrozenOperation<T>], siblings: &[usize], later: usize) -> bool {
    let first = siblings[0];
    let FrozenOperation::Convolution { x, residual: None, kernel, .. } = &operations[first] else { return false };
    let FrozenOperation::Convolution { x: later_x, y, residual: None, kernel: later_kernel } = &operations[later]
    else {
        return false;
    };
    let overlap = |slice: &ChannelSlice| {
        slice.slot == y.slot && slice.channels.start < y.channels.end && y.channels.start < slice.channels.end
    };
    let between = &operations[first + 1..later];
    let writes_x = |operation: &FrozenOperation<T>| operation.outputs().iter().any(|y| y.slot == x.slot);
    later_x == x
        && !siblings.iter().any(|&sibling| operations[sibling].slots().contains(&y.slot))
        && !between.iter().any(writes_x)
        && !between.iter().any(|operation| operation.slices().iter().any(overlap))
        && kernel.can_join(later_kernel)
}
