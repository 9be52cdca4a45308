//! The trait of optimizers, and their parallel elementwise updates.

use facenet_tensor::Scalar;

use crate::parameters::{Parameters, Role};

/// Updates parameters from their gradients.
pub trait Optimizer<T: Scalar>: Send {
    /// Performs one step, which moves parameters against their gradients. `step` counts from 0.
    ///
    /// # Panics
    ///
    /// If the tables of the parameters, the gradients and this optimizer differ.
    fn update(&mut self, parameters: &mut Parameters<T>, gradients: &Parameters<T>, learning_rate: f64, step: u64);

    /// The state needed to resume training, by name. The names are part of the checkpoint format.
    fn state(&self) -> Vec<(&'static str, &Parameters<T>)>;

    /// The same state, to be restored.
    fn state_mut(&mut self) -> Vec<(&'static str, &mut Parameters<T>)>;
}

/// Elements updated by one call at most.
const CHUNK: usize = 1 << 14;

/// A chunk of an entry's parameters with the same chunk of the gradients and optimizer buffers.
pub(super) struct Chunk<'a, T, const BUFFERS: usize> {
    pub(super) parameters: &'a mut [T],
    pub(super) gradients: &'a [T],
    pub(super) buffers: [&'a mut [T]; BUFFERS],
}

/// Calls `update` in parallel with every chunk of every entry and the weight decay of that entry,
/// which is 0 for all but weights.
///
/// Updates are elementwise, so the result does not depend on the division into chunks.
#[track_caller]
pub(super) fn update_chunks<T: Scalar, const BUFFERS: usize>(
    parameters: &mut Parameters<T>,
    gradients: &Parameters<T>,
    mut buffers: [&mut Parameters<T>; BUFFERS],
    weight_decay: f64,
    update: impl Fn(T, Chunk<'_, T, BUFFERS>) + Sync,
) {
    let table = parameters.table().clone();
    assert!(table == *gradients.table(), "parameters and gradients of different tables");
    assert!(buffers.iter().all(|buffer| table == *buffer.table()), "parameters of another table than the optimizer's");
    for (index, entry) in table.entries().iter().enumerate() {
        let weight_decay = match entry.role {
            Role::Weight { .. } => weight_decay,
            Role::Bias | Role::Scale | Role::Slope => 0.0,
        };
        let chunk = Chunk {
            parameters: parameters.entry_mut(index),
            gradients: gradients.entry(index),
            buffers: buffers.each_mut().map(|buffer| buffer.entry_mut(index)),
        };
        split(chunk, &|chunk| update(T::from_f64(weight_decay), chunk));
    }
}

/// Halves a chunk until it has at most [`CHUNK`] elements. Most entries fit at once and are updated
/// without the thread pool.
fn split<T: Scalar, const BUFFERS: usize>(
    chunk: Chunk<'_, T, BUFFERS>,
    update: &(impl Fn(Chunk<'_, T, BUFFERS>) + Sync),
) {
    if chunk.parameters.len() <= CHUNK {
        update(chunk);
        return;
    }
    let middle = chunk.parameters.len() / 2;
    let (parameters, more_parameters) = chunk.parameters.split_at_mut(middle);
    let (gradients, more_gradients) = chunk.gradients.split_at(middle);
    let mut halves = chunk.buffers.map(|buffer| buffer.split_at_mut(middle));
    let more_buffers = halves.each_mut().map(|(_, second)| std::mem::take(second));
    let buffers = halves.map(|(first, _)| first);
    rayon::join(
        || split(Chunk { parameters, gradients, buffers }, update),
        || split(Chunk { parameters: more_parameters, gradients: more_gradients, buffers: more_buffers }, update),
    );
}
