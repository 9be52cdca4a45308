//! The pixels of a batch of images, in order, as slices of channels.
#![expect(unsafe_code, reason = "a slice per pixel, without the cost of an array view per pixel")]

use std::marker::PhantomData;
use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4, Axis};
use rayon::prelude::*;

use crate::image::check::assert_contiguous;

/// Elements per parallel task of an operation that visits pixels one by one.
pub(super) const ELEMENTS_PER_TASK: usize = 1 << 14;

/// Where the pixels are: rows of equally spaced pixels, the rows themselves spaced along two axes.
#[derive(Clone, Copy)]
struct Layout {
    rows: [usize; 2],
    width: usize,
    channels: usize,
    strides: [isize; 3],
}

impl Layout {
    /// The layout of a view whose axes have been merged as far as its strides allow.
    #[track_caller]
    fn new(shape: &[usize], strides: &[isize]) -> Self {
        assert_contiguous(shape, strides);
        Self {
            rows: [shape[0], shape[1]],
            width: shape[2],
            channels: shape[3],
            strides: [strides[0], strides[1], strides[2]],
        }
    }

    fn len(&self) -> usize {
        self.rows[0] * self.rows[1] * self.width
    }

    /// The offsets of the pixels of `range`, indexed across images, rows and columns.
    #[inline(always)]
    fn offsets(&self, range: Range<usize>) -> Offsets {
        assert!(range.start <= range.end && range.end <= self.len(), "pixels {range:?} of {}", self.len());
        let [row, column] = [range.start / self.width.max(1), range.start % self.width.max(1)];
        let mut offsets = Offsets { layout: *self, row, left_in_row: 0, left: range.len(), offset: 0 };
        if offsets.left > 0 {
            offsets.enter_row(column);
        }
        offsets
    }
}

/// Iterates over the offsets of pixels.
struct Offsets {
    layout: Layout,
    row: usize,
    left_in_row: usize,
    left: usize,
    offset: isize,
}

impl Offsets {
    #[inline(always)]
    fn enter_row(&mut self, column: usize) {
        let Layout { rows, width, strides, .. } = self.layout;
        let [outer, inner] = [self.row / rows[1], self.row % rows[1]];
        self.offset = outer as isize * strides[0] + inner as isize * strides[1] + column as isize * strides[2];
        self.left_in_row = width - column;
        self.row += 1;
    }
}

impl Iterator for Offsets {
    type Item = isize;

    #[inline(always)]
    fn next(&mut self) -> Option<isize> {
        if self.left == 0 {
            return None;
        }
        if self.left_in_row == 0 {
            self.enter_row(0);
        }
        let offset = self.offset;
        self.left -= 1;
        self.left_in_row -= 1;
        self.offset += self.layout.strides[2];
        Some(offset)
    }
}

/// The pixels of a batch of images, indexed across images, rows and columns.
#[derive(Clone, Copy)]
pub(crate) struct Pixels<'a, T> {
    start: *const T,
    layout: Layout,
    lifetime: PhantomData<&'a [T]>,
}

// SAFETY: hands out shared slices only.
unsafe impl<T: Sync> Send for Pixels<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Pixels<'_, T> {}

impl<'a, T> Pixels<'a, T> {
    #[track_caller]
    pub(crate) fn new(mut images: ArrayView4<'a, T>) -> Self {
        images.merge_axes(Axis(0), Axis(1));
        images.merge_axes(Axis(1), Axis(2));
        Self { start: images.as_ptr(), layout: Layout::new(images.shape(), images.strides()), lifetime: PhantomData }
    }

    /// The number of pixels.
    pub(crate) fn len(&self) -> usize {
        self.layout.len()
    }

    /// The pixels of `range`, each as the slice of its channels.
    #[inline(always)]
    pub(crate) fn range(&self, range: Range<usize>) -> impl Iterator<Item = &'a [T]> + use<'a, T> {
        let (start, channels) = (self.start, self.layout.channels);
        // SAFETY: all offsets are inside the view that `start` and the layout come from, and
        // channels are contiguous.
        self.layout
            .offsets(range)
            .map(move |offset| unsafe { std::slice::from_raw_parts(start.offset(offset), channels) })
    }
}

/// Like [`Pixels`], but mutable.
pub(crate) struct PixelsMut<'a, T> {
    start: *mut T,
    layout: Layout,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: hands out slices of distinct pixels only, as a mutable view does.
unsafe impl<T: Send> Send for PixelsMut<'_, T> {}
// SAFETY: a shared reference gives no access.
unsafe impl<T: Send> Sync for PixelsMut<'_, T> {}

impl<'a, T: Send> PixelsMut<'a, T> {
    #[track_caller]
    pub(crate) fn new(mut images: ArrayViewMut4<'a, T>) -> Self {
        images.merge_axes(Axis(0), Axis(1));
        images.merge_axes(Axis(1), Axis(2));
        Self {
            start: images.as_mut_ptr(),
            layout: Layout::new(images.shape(), images.strides()),
            lifetime: PhantomData,
        }
    }

    /// All pixels, each as the slice of its channels.
    pub(crate) fn pixels(self) -> impl Iterator<Item = &'a mut [T]> + use<'a, T> {
        // SAFETY: `self` is consumed, so this is the only block.
        unsafe { self.block(0..self.layout.len()) }.pixels()
    }

    /// Blocks of consecutive pixels, for parallel work.
    pub(crate) fn blocks(self) -> impl ParallelIterator<Item = Block<'a, T>> {
        let length = (ELEMENTS_PER_TASK / self.layout.channels.max(1)).max(1);
        let count = self.layout.len();
        (0..count.div_ceil(length)).into_par_iter().map(move |block| {
            // SAFETY: no two blocks share a pixel, and `self` is consumed.
            unsafe { self.block(block * length..((block + 1) * length).min(count)) }
        })
    }

    /// # Safety
    /// Blocks that are alive at the same time must not share pixels.
    unsafe fn block(&self, range: Range<usize>) -> Block<'a, T> {
        Block { start: self.start, layout: self.layout, range, lifetime: PhantomData }
    }
}

/// A block of consecutive pixels, mutable.
pub(crate) struct Block<'a, T> {
    start: *mut T,
    layout: Layout,
    range: Range<usize>,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: the ranges of blocks do not overlap.
unsafe impl<T: Send> Send for Block<'_, T> {}

impl<'a, T> Block<'a, T> {
    /// The indices of its pixels, for reading the same pixels of other images.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Its pixels, each as the slice of its channels.
    #[inline(always)]
    pub(crate) fn pixels(self) -> impl Iterator<Item = &'a mut [T]> + use<'a, T> {
        let (start, channels) = (self.start, self.layout.channels);
        // SAFETY: as in `Pixels::range`; the pixels of a mutable view do not overlap, and each is
        // visited once.
        self.layout
            .offsets(self.range)
            .map(move |offset| unsafe { std::slice::from_raw_parts_mut(start.offset(offset), channels) })
    }
}
