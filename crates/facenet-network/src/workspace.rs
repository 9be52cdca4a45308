//! The memory of a pass: activations, what the way back needs, and gradients.

use facenet_tensor::{AlignedVec, Scalar, Scratch, channels, channels_mut};
use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};
use rayon::prelude::*;

use crate::network::Mode;
use crate::parameters::Parameters;
use crate::plan::{Place, Plan};

/// Memory that a network computes in, reused from pass to pass: after the largest batch nothing is allocated any more.
///
/// It holds one buffer per slot of the plan for activations and, once a backward pass has run, as many for gradients as are needed
/// at the same time.
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
            activations: Slots::sharing(&plan.slots, (0..plan.slots.len()).collect()),
            gradients: Slots::sharing(&plan.slots, plan.gradients.buffers.clone()),
            batch_statistics: Parameters::zeros(plan.statistics()),
            mode: Mode::Eval,
            scratch: Scratch::default(),
        }
    }

    /// Whether it belongs to this plan.
    pub(crate) fn fits(&self, plan: &Plan) -> bool {
        self.activations.shapes == plan.slots && self.gradients.fit(&plan.slots, &plan.gradients.buffers)
    }

    /// How many faces the last forward pass saw.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.activations.batch
    }
}

/// A buffer of `[batch, height, width, channels]` for each slot of a plan. Slots that are never needed at the same time may
/// share one.
#[derive(Clone, Debug)]
pub(crate) struct Slots<T> {
    shapes: Vec<[usize; 3]>,
    /// The buffer of each slot.
    buffer_of: Vec<usize>,
    buffers: Vec<AlignedVec<T>>,
    pub(crate) batch: usize,
}

impl<T: Scalar> Slots<T> {
    /// Slots of these shapes, each in the buffer that `buffer_of` gives it.
    pub(crate) fn sharing(shapes: &[[usize; 3]], buffer_of: Vec<usize>) -> Self {
        let count = buffer_of.iter().max().map_or(0, |last| last + 1);
        Self { shapes: shapes.to_vec(), buffer_of, buffers: vec![AlignedVec::zeros(0); count], batch: 0 }
    }

    /// Whether they have these shapes in these buffers.
    pub(crate) fn fit(&self, shapes: &[[usize; 3]], buffer_of: &[usize]) -> bool {
        self.shapes == shapes && self.buffer_of == buffer_of
    }

    /// Makes room for a batch; the numbers are whatever they were.
    pub(crate) fn resize(&mut self, batch: usize) {
        self.batch = batch;
        for (shape, &buffer) in self.shapes.iter().zip(&self.buffer_of) {
            let length = batch * shape.iter().product::<usize>();
            self.buffers[buffer].grow(length);
        }
    }

    /// Fills a slot with zeros.
    pub(crate) fn zero(&mut self, slot: usize) {
        let (_, length) = self.dimensions(slot);
        self.buffers[self.buffer_of[slot]][..length]
            .par_chunks_mut(1 << 16)
            .for_each(|numbers| numbers.fill(T::zero()));
    }

    /// The whole slot's shape and how many numbers that are.
    fn dimensions(&self, slot: usize) -> ((usize, usize, usize, usize), usize) {
        let [height, width, count] = self.shapes[slot];
        ((self.batch, height, width, count), self.batch * height * width * count)
    }

    pub(crate) fn view(&self, place: &Place) -> ArrayView4<'_, T> {
        let (shape, length) = self.dimensions(place.slot);
        let slot = ArrayView4::from_shape(shape, &self.buffers[self.buffer_of[place.slot]][..length]);
        channels(slot.expect("a buffer has room for its slots"), place.channels.clone())
    }

    pub(crate) fn view_mut(&mut self, place: &Place) -> ArrayViewMut4<'_, T> {
        let (shape, length) = self.dimensions(place.slot);
        let slot = ArrayViewMut4::from_shape(shape, &mut self.buffers[self.buffer_of[place.slot]][..length]);
        channels_mut(slot.expect("a buffer has room for its slots"), place.channels.clone())
    }

    /// One place to read and another, of another slot, to write.
    pub(crate) fn read_write(&mut self, read: &Place, write: &Place) -> (ArrayView4<'_, T>, ArrayViewMut4<'_, T>) {
        let ([read], write) = self.disjoint([read], write);
        (read, write)
    }

    /// One place to read and others to write, all of different slots.
    pub(crate) fn read_write_all(
        &mut self,
        read: &Place,
        write: &[Place],
    ) -> (ArrayView4<'_, T>, Vec<ArrayViewMut4<'_, T>>) {
        let from = self.dimensions(read.slot);
        let to: Vec<_> = write.iter().map(|place| self.dimensions(place.slot)).collect();
        let mut source = None;
        let mut targets: Vec<_> = write.iter().map(|_| None).collect();
        for (index, buffer) in self.buffers.iter_mut().enumerate() {
            if let Some(at) = write.iter().position(|place| self.buffer_of[place.slot] == index) {
                let (shape, length) = to[at];
                let slot = ArrayViewMut4::from_shape(shape, &mut buffer[..length]);
                let slot = slot.expect("a buffer has room for its slots");
                targets[at] = Some(channels_mut(slot, write[at].channels.clone()));
            } else if self.buffer_of[read.slot] == index {
                let (shape, length) = from;
                let slot = ArrayView4::from_shape(shape, &buffer[..length]);
                source = Some(channels(slot.expect("a buffer has room for its slots"), read.channels.clone()));
            }
        }
        let targets: Option<Vec<_>> = targets.into_iter().collect();
        source.zip(targets).expect("an operation reads and writes different slots")
    }

    /// Some places to read and another to write, all of different slots.
    pub(crate) fn disjoint<const N: usize>(
        &mut self,
        read: [&Place; N],
        write: &Place,
    ) -> ([ArrayView4<'_, T>; N], ArrayViewMut4<'_, T>) {
        let (shape, length) = self.dimensions(write.slot);
        let shapes = read.map(|place| self.dimensions(place.slot));
        let at = self.buffer_of[write.slot];
        assert!(read.iter().all(|place| self.buffer_of[place.slot] != at), "an operation writes none of what it reads");
        let (before, rest) = self.buffers.split_at_mut(at);
        let (to, after) = rest.split_first_mut().expect("a buffer for each slot");
        let (before, after) = (&*before, &*after);
        let mut shapes = shapes.into_iter();
        let from = read.map(|place| {
            let from = self.buffer_of[place.slot];
            let buffer = if from < at { &before[from] } else { &after[from - at - 1] };
            let (shape, length) = shapes.next().expect("a shape for each place");
            let slot = ArrayView4::from_shape(shape, &buffer[..length]);
            channels(slot.expect("a buffer has room for its slots"), place.channels.clone())
        });
        let to = ArrayViewMut4::from_shape(shape, &mut to[..length]).expect("a buffer has room for its slots");
        (from, channels_mut(to, write.channels.clone()))
    }
}

/// Each face as one row of all its numbers: of a whole slot, or of channels of a single pixel.
pub(crate) fn rows<T>(images: ArrayView4<'_, T>) -> ArrayView2<'_, T> {
    let (batch, height, width, channels) = images.dim();
    if height * width == 1 {
        return images.index_axis_move(Axis(1), 0).index_axis_move(Axis(1), 0);
    }
    images.into_shape_with_order((batch, height * width * channels)).expect("a whole slot is contiguous")
}

/// As [`rows`], to be written.
pub(crate) fn rows_mut<T>(images: ArrayViewMut4<'_, T>) -> ArrayViewMut2<'_, T> {
    let (batch, height, width, channels) = images.dim();
    if height * width == 1 {
        return images.index_axis_move(Axis(1), 0).index_axis_move(Axis(1), 0);
    }
    images.into_shape_with_order((batch, height * width * channels)).expect("a whole slot is contiguous")
}
