//! The memory of a pass: activations, what the way back needs, and gradients.

use facenet_tensor::{Scalar, Scratch, channels, channels_mut};
use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, ArrayViewMut4};

use crate::network::Mode;
use crate::parameters::Parameters;
use crate::plan::{Place, Plan};

/// Memory that a network computes in, reused from pass to pass: after the largest batch nothing is allocated any more.
///
/// It holds one buffer per slot of the plan for activations, and as many for gradients once a backward pass has run.
#[derive(Clone, Debug)]
pub struct Workspace<T> {
    pub(crate) activations: Slots<T>,
    pub(crate) gradients: Slots<T>,
    /// Means and variances of the batch, in the layout of the network's statistics.
    pub(crate) batch_statistics: Parameters<T>,
    pub(crate) mode: Mode,
    pub(crate) scratch: Scratch<T>,
}

impl<T: Scalar> Workspace<T> {
    /// Memory for networks of this plan; grows with the first pass.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            activations: Slots::new(plan),
            gradients: Slots::new(plan),
            batch_statistics: Parameters::zeros(plan.statistics()),
            mode: Mode::Eval,
            scratch: Scratch::default(),
        }
    }

    /// How many faces the last forward pass saw.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.activations.batch
    }
}

/// A buffer of `[batch, height, width, channels]` for each slot of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Slots<T> {
    shapes: Vec<[usize; 3]>,
    buffers: Vec<Vec<T>>,
    pub(crate) batch: usize,
}

impl<T: Scalar> Slots<T> {
    fn new(plan: &Plan) -> Self {
        Self { shapes: plan.slots.clone(), buffers: vec![Vec::new(); plan.slots.len()], batch: 0 }
    }

    /// Whether these are the slots of the plan.
    pub(crate) fn fit(&self, plan: &Plan) -> bool {
        self.shapes == plan.slots
    }

    /// Makes room for a batch; the numbers are whatever they were.
    pub(crate) fn resize(&mut self, batch: usize) {
        self.batch = batch;
        for (buffer, shape) in self.buffers.iter_mut().zip(&self.shapes) {
            buffer.resize(batch * shape.iter().product::<usize>(), T::zero());
        }
    }

    /// Makes room for a batch of zeros.
    pub(crate) fn clear(&mut self, batch: usize) {
        self.resize(batch);
        self.buffers.iter_mut().for_each(|buffer| buffer.fill(T::zero()));
    }

    pub(crate) fn view(&self, place: &Place) -> ArrayView4<'_, T> {
        let [height, width, count] = self.shapes[place.slot];
        let slot = ArrayView4::from_shape((self.batch, height, width, count), &self.buffers[place.slot]);
        channels(slot.expect("a buffer has its slot's shape"), place.channels.clone())
    }

    pub(crate) fn view_mut(&mut self, place: &Place) -> ArrayViewMut4<'_, T> {
        let [height, width, count] = self.shapes[place.slot];
        let slot = ArrayViewMut4::from_shape((self.batch, height, width, count), &mut self.buffers[place.slot]);
        channels_mut(slot.expect("a buffer has its slot's shape"), place.channels.clone())
    }

    /// One place to read and another, of another slot, to write.
    pub(crate) fn read_write(&mut self, read: &Place, write: &Place) -> (ArrayView4<'_, T>, ArrayViewMut4<'_, T>) {
        let shapes = [read, write].map(|place| {
            let [height, width, count] = self.shapes[place.slot];
            (self.batch, height, width, count)
        });
        let [from, to] = self
            .buffers
            .get_disjoint_mut([read.slot, write.slot])
            .expect("an operation reads one slot and writes another");
        let from = ArrayView4::from_shape(shapes[0], from).expect("a buffer has its slot's shape");
        let to = ArrayViewMut4::from_shape(shapes[1], to).expect("a buffer has its slot's shape");
        (channels(from, read.channels.clone()), channels_mut(to, write.channels.clone()))
    }
}

/// Each face as one row of all its numbers.
pub(crate) fn rows<T>(images: ArrayView4<'_, T>) -> ArrayView2<'_, T> {
    let (batch, height, width, channels) = images.dim();
    images.into_shape_with_order((batch, height * width * channels)).expect("a whole slot is contiguous")
}

/// As [`rows`], to be written.
pub(crate) fn rows_mut<T>(images: ArrayViewMut4<'_, T>) -> ArrayViewMut2<'_, T> {
    let (batch, height, width, channels) = images.dim();
    images.into_shape_with_order((batch, height * width * channels)).expect("a whole slot is contiguous")
}
