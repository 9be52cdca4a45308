//! Memory of a plan's slots: activations, and the gradients at them.

use facenet_tensor::{AlignedVec, Scalar, channels, channels_mut};
use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};
use rayon::prelude::*;

use crate::plan::operation::ChannelSlice;

/// An array of shape `[batch, height, width, channels]` for each slot of a plan. Slots that are
/// never needed at the same time may share a buffer.
#[derive(Clone, Debug)]
pub(crate) struct SlotBuffers<T> {
    shapes: Vec<[usize; 3]>,
    /// The buffer of each slot.
    buffer_of: Vec<usize>,
    buffers: Vec<AlignedVec<T>>,
    pub(crate) batch: usize,
}

impl<T: Scalar> SlotBuffers<T> {
    /// Slots of the given shapes, each in the buffer that `buffer_of` assigns to it.
    pub(crate) fn new(shapes: &[[usize; 3]], buffer_of: Vec<usize>) -> Self {
        let count = buffer_of.iter().max().map_or(0, |last| last + 1);
        Self { shapes: shapes.to_vec(), buffer_of, buffers: vec![AlignedVec::zeros(0); count], batch: 0 }
    }

    /// Whether the slots have these shapes.
    pub(crate) fn has_shapes(&self, shapes: &[[usize; 3]]) -> bool {
        self.shapes == shapes
    }

    /// Whether the slots have these shapes and buffers.
    pub(crate) fn matches(&self, shapes: &[[usize; 3]], buffer_of: &[usize]) -> bool {
        self.shapes == shapes && self.buffer_of == buffer_of
    }

    /// Makes room for a batch. The contents are unspecified.
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
        self.buffers[self.buffer_of[slot]][..length].par_chunks_mut(1 << 16).for_each(|values| values.fill(T::zero()));
    }

    /// Shape of a whole slot and the number of its elements.
    fn dimensions(&self, slot: usize) -> ((usize, usize, usize, usize), usize) {
        let [height, width, count] = self.shapes[slot];
        ((self.batch, height, width, count), self.batch * height * width * count)
    }

    pub(crate) fn view(&self, slice: &ChannelSlice) -> ArrayView4<'_, T> {
        let (shape, length) = self.dimensions(slice.slot);
        let slot = ArrayView4::from_shape(shape, &self.buffers[self.buffer_of[slice.slot]][..length]);
        channels(slot.expect("buffers have room for their slots"), slice.channels.clone())
    }

    pub(crate) fn view_mut(&mut self, slice: &ChannelSlice) -> ArrayViewMut4<'_, T> {
        let (shape, length) = self.dimensions(slice.slot);
        let slot = ArrayViewMut4::from_shape(shape, &mut self.buffers[self.buffer_of[slice.slot]][..length]);
        channels_mut(slot.expect("buffers have room for their slots"), slice.channels.clone())
    }

    /// A slice to read and a slice of another slot to write.
    pub(crate) fn read_write(
        &mut self,
        read: &ChannelSlice,
        write: &ChannelSlice,
    ) -> (ArrayView4<'_, T>, ArrayViewMut4<'_, T>) {
        let ([read], write) = self.disjoint([read], write);
        (read, write)
    }

    /// A slice to read and several to write, all of different slots.
    pub(crate) fn read_write_all(
        &mut self,
        read: &ChannelSlice,
        write: &[ChannelSlice],
    ) -> (ArrayView4<'_, T>, Vec<ArrayViewMut4<'_, T>>) {
        let from = self.dimensions(read.slot);
        let to: Vec<_> = write.iter().map(|slice| self.dimensions(slice.slot)).collect();
        let mut source = None;
        let mut targets: Vec<_> = write.iter().map(|_| None).collect();
        for (index, buffer) in self.buffers.iter_mut().enumerate() {
            if let Some(at) = write.iter().position(|slice| self.buffer_of[slice.slot] == index) {
                let (shape, length) = to[at];
                let slot = ArrayViewMut4::from_shape(shape, &mut buffer[..length]);
                let slot = slot.expect("buffers have room for their slots");
                targets[at] = Some(channels_mut(slot, write[at].channels.clone()));
            } else if self.buffer_of[read.slot] == index {
                let (shape, length) = from;
                let slot = ArrayView4::from_shape(shape, &buffer[..length]);
                source = Some(channels(slot.expect("buffers have room for their slots"), read.channels.clone()));
            }
        }
        let targets: Option<Vec<_>> = targets.into_iter().collect();
        source.zip(targets).expect("an operation reads and writes different slots")
    }

    /// Slices to read and a slice of another slot to write.
    pub(crate) fn disjoint<const N: usize>(
        &mut self,
        read: [&ChannelSlice; N],
        write: &ChannelSlice,
    ) -> ([ArrayView4<'_, T>; N], ArrayViewMut4<'_, T>) {
        let (shape, length) = self.dimensions(write.slot);
        let shapes = read.map(|slice| self.dimensions(slice.slot));
        let at = self.buffer_of[write.slot];
        assert!(
            read.iter().all(|slice| self.buffer_of[slice.slot] != at),
            "an operation reads and writes different slots"
        );
        let (before, rest) = self.buffers.split_at_mut(at);
        let (to, after) = rest.split_first_mut().expect("a buffer for each slot");
        let (before, after) = (&*before, &*after);
        let mut shapes = shapes.into_iter();
        let from = read.map(|slice| {
            let from = self.buffer_of[slice.slot];
            let buffer = if from < at { &before[from] } else { &after[from - at - 1] };
            let (shape, length) = shapes.next().expect("a shape for each slice");
            let slot = ArrayView4::from_shape(shape, &buffer[..length]);
            channels(slot.expect("buffers have room for their slots"), slice.channels.clone())
        });
        let to = ArrayViewMut4::from_shape(shape, &mut to[..length]).expect("buffers have room for their slots");
        (from, channels_mut(to, write.channels.clone()))
    }
}

/// Flattens images to one row each. Either the array is a whole slot, or images have a single
/// pixel.
pub(crate) fn flatten<T>(images: ArrayView4<'_, T>) -> ArrayView2<'_, T> {
    let (batch, height, width, channels) = images.dim();
    if height * width == 1 {
        return images.index_axis_move(Axis(1), 0).index_axis_move(Axis(1), 0);
    }
    images.into_shape_with_order((batch, height * width * channels)).expect("a whole slot is contiguous")
}

/// As [`flatten`], mutable.
pub(crate) fn flatten_mut<T>(images: ArrayViewMut4<'_, T>) -> ArrayViewMut2<'_, T> {
    let (batch, height, width, channels) = images.dim();
    if height * width == 1 {
        return images.index_axis_move(Axis(1), 0).index_axis_move(Axis(1), 0);
    }
    images.into_shape_with_order((batch, height * width * channels)).expect("a whole slot is contiguous")
}
