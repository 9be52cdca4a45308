//! The memory of a pass: activations, what the way back needs, and gradients.

use facenet_tensor::{Scalar, Scratch, channels, channels_mut};
use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};

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

/// A buffer of `[batch, height, width, channels]` for each slot of a plan. Slots that are never needed at the same time may
/// share one.
#[derive(Clone, Debug)]
pub(crate) struct Slots<T> {
    shapes: Vec<[usize; 3]>,
    /// The buffer of each slot.
    places: Vec<usize>,
    buffers: Vec<Vec<T>>,
    pub(crate) batch: usize,
}

impl<T: Scalar> Slots<T> {
    fn new(plan: &Plan) -> Self {
        Self::sharing(&plan.slots, (0..plan.slots.len()).collect())
    }

    /// Slots of these shapes, each in the buffer that `places` gives it.
    pub(crate) fn sharing(shapes: &[[usize; 3]], places: Vec<usize>) -> Self {
        let count = places.iter().max().map_or(0, |last| last + 1);
        Self { shapes: shapes.to_vec(), places, buffers: vec![Vec::new(); count], batch: 0 }
    }

    /// Whether these are the slots of the plan.
    pub(crate) fn fit(&self, plan: &Plan) -> bool {
        self.shapes == plan.slots
    }

    /// Whether they have these shapes in these buffers.
    pub(crate) fn share(&self, shapes: &[[usize; 3]], places: &[usize]) -> bool {
        self.shapes == shapes && self.places == places
    }

    /// Makes room for a batch; the numbers are whatever they were.
    pub(crate) fn resize(&mut self, batch: usize) {
        self.batch = batch;
        for (shape, &place) in self.shapes.iter().zip(&self.places) {
            let length = batch * shape.iter().product::<usize>();
            if self.buffers[place].len() < length {
                self.buffers[place].resize(length, T::zero());
            }
        }
    }

    /// Makes room for a batch of zeros.
    pub(crate) fn clear(&mut self, batch: usize) {
        self.resize(batch);
        for (shape, &place) in self.shapes.iter().zip(&self.places) {
            self.buffers[place][..batch * shape.iter().product::<usize>()].fill(T::zero());
        }
    }

    /// The whole slot's shape and how many numbers that are.
    fn dimensions(&self, slot: usize) -> ((usize, usize, usize, usize), usize) {
        let [height, width, count] = self.shapes[slot];
        ((self.batch, height, width, count), self.batch * height * width * count)
    }

    pub(crate) fn view(&self, place: &Place) -> ArrayView4<'_, T> {
        let (shape, length) = self.dimensions(place.slot);
        let slot = ArrayView4::from_shape(shape, &self.buffers[self.places[place.slot]][..length]);
        channels(slot.expect("a buffer has room for its slots"), place.channels.clone())
    }

    pub(crate) fn view_mut(&mut self, place: &Place) -> ArrayViewMut4<'_, T> {
        let (shape, length) = self.dimensions(place.slot);
        let slot = ArrayViewMut4::from_shape(shape, &mut self.buffers[self.places[place.slot]][..length]);
        channels_mut(slot.expect("a buffer has room for its slots"), place.channels.clone())
    }

    /// One place to read and another, of another slot, to write.
    pub(crate) fn read_write(&mut self, read: &Place, write: &Place) -> (ArrayView4<'_, T>, ArrayViewMut4<'_, T>) {
        let ([read], write) = self.disjoint([read], write);
        (read, write)
    }

    /// Some places to read and another to write, all of different slots.
    pub(crate) fn disjoint<const N: usize>(
        &mut self,
        read: [&Place; N],
        write: &Place,
    ) -> ([ArrayView4<'_, T>; N], ArrayViewMut4<'_, T>) {
        let (shape, length) = self.dimensions(write.slot);
        let shapes = read.map(|place| self.dimensions(place.slot));
        let at = self.places[write.slot];
        assert!(read.iter().all(|place| self.places[place.slot] != at), "an operation writes none of what it reads");
        let (before, rest) = self.buffers.split_at_mut(at);
        let (to, after) = rest.split_first_mut().expect("a buffer for each slot");
        let (before, after) = (&*before, &*after);
        let mut shapes = shapes.into_iter();
        let from = read.map(|place| {
            let from = self.places[place.slot];
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
