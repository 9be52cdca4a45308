//! The pixels of a batch of images as slices of channels.
#![expect(unsafe_code, reason = "a slice per pixel, without the cost of an array view per pixel")]

use std::marker::PhantomData;
use std::ops::Range;

use ndarray::{ArrayView1, ArrayView3, ArrayView4, ArrayViewMut1, ArrayViewMut3, ArrayViewMut4, Axis, Dimension};
use rayon::prelude::*;

use crate::Scalar;
use crate::simd::vectorize;

/// Numbers per parallel task of an operation that treats pixels one by one.
const TASK: usize = 1 << 14;

/// Where pixels lie: lines of equally spaced pixels, themselves spaced along two axes.
#[derive(Clone, Copy)]
struct Layout {
    lines: [usize; 2],
    width: usize,
    channels: usize,
    strides: [isize; 3],
}

impl Layout {
    /// Of a view whose axes were merged as far as its strides allow.
    #[track_caller]
    fn new(shape: &[usize], strides: &[isize]) -> Self {
        assert_contiguous(shape, strides);
        Self {
            lines: [shape[0], shape[1]],
            width: shape[2],
            channels: shape[3],
            strides: [strides[0], strides[1], strides[2]],
        }
    }

    fn len(&self) -> usize {
        self.lines[0] * self.lines[1] * self.width
    }

    /// The offsets of the pixels of `range`, counted over images, rows and columns.
    #[inline(always)]
    fn walk(&self, range: Range<usize>) -> Walk {
        assert!(range.start <= range.end && range.end <= self.len(), "pixels {range:?} of {}", self.len());
        let [line, column] = [range.start / self.width.max(1), range.start % self.width.max(1)];
        let mut walk = Walk { layout: *self, line, left_in_line: 0, left: range.len(), offset: 0 };
        if walk.left > 0 {
            walk.enter_line(column);
        }
        walk
    }
}

/// Iterates over offsets of pixels.
struct Walk {
    layout: Layout,
    line: usize,
    left_in_line: usize,
    left: usize,
    offset: isize,
}

impl Walk {
    #[inline(always)]
    fn enter_line(&mut self, column: usize) {
        let Layout { lines, width, strides, .. } = self.layout;
        let [outer, inner] = [self.line / lines[1], self.line % lines[1]];
        self.offset = outer as isize * strides[0] + inner as isize * strides[1] + column as isize * strides[2];
        self.left_in_line = width - column;
        self.line += 1;
    }
}

impl Iterator for Walk {
    type Item = isize;

    #[inline(always)]
    fn next(&mut self) -> Option<isize> {
        if self.left == 0 {
            return None;
        }
        if self.left_in_line == 0 {
            self.enter_line(0);
        }
        let offset = self.offset;
        self.left -= 1;
        self.left_in_line -= 1;
        self.offset += self.layout.strides[2];
        Some(offset)
    }
}

/// The pixels of a batch of images, numbered over images, rows and columns.
#[derive(Clone, Copy)]
pub(crate) struct Pixels<'a, T> {
    start: *const T,
    layout: Layout,
    lifetime: PhantomData<&'a [T]>,
}

// SAFETY: gives out shared slices only.
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
        // SAFETY: the walk stays inside the view that `start` and the layout come from, and channels are contiguous.
        self.layout.walk(range).map(move |offset| unsafe { std::slice::from_raw_parts(start.offset(offset), channels) })
    }
}

/// As [`Pixels`], to be written.
pub(crate) struct PixelsMut<'a, T> {
    start: *mut T,
    layout: Layout,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: gives out slices of different pixels only, as a mutable view does.
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
        // SAFETY: `self` is consumed, this is the only block.
        unsafe { self.block(0..self.layout.len()) }.pixels()
    }

    /// Blocks of consecutive pixels for parallel work.
    pub(crate) fn blocks(self) -> impl ParallelIterator<Item = Block<'a, T>> {
        let length = (TASK / self.layout.channels.max(1)).max(1);
        let count = self.layout.len();
        (0..count.div_ceil(length)).into_par_iter().map(move |block| {
            // SAFETY: no two blocks share a pixel, and `self` is consumed.
            unsafe { self.block(block * length..((block + 1) * length).min(count)) }
        })
    }

    /// # Safety
    /// Blocks that live at the same time must not share pixels.
    unsafe fn block(&self, range: Range<usize>) -> Block<'a, T> {
        Block { start: self.start, layout: self.layout, range, lifetime: PhantomData }
    }
}

/// Some consecutive pixels, to be written.
pub(crate) struct Block<'a, T> {
    start: *mut T,
    layout: Layout,
    range: Range<usize>,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: blocks are made with ranges that don't overlap.
unsafe impl<T: Send> Send for Block<'_, T> {}

impl<'a, T> Block<'a, T> {
    /// The numbers of its pixels, to read the same pixels of other images.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Its pixels, each as the slice of its channels.
    #[inline(always)]
    pub(crate) fn pixels(self) -> impl Iterator<Item = &'a mut [T]> + use<'a, T> {
        let (start, channels) = (self.start, self.layout.channels);
        // SAFETY: as in `Pixels::range`; no two pixels of a mutable view overlap, and the walk visits each once.
        self.layout
            .walk(self.range)
            .map(move |offset| unsafe { std::slice::from_raw_parts_mut(start.offset(offset), channels) })
    }
}

/// One image as slices of channels.
#[derive(Clone, Copy)]
pub(crate) struct Image<'a, T> {
    start: *const T,
    shape: [usize; 3],
    strides: [isize; 2],
    lifetime: PhantomData<&'a [T]>,
}

// SAFETY: gives out shared slices only.
unsafe impl<T: Sync> Send for Image<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Image<'_, T> {}

impl<'a, T> Image<'a, T> {
    #[track_caller]
    pub(crate) fn new(image: ArrayView3<'a, T>) -> Self {
        let (shape, strides) = image_layout(image.shape(), image.strides());
        Self { start: image.as_ptr(), shape, strides, lifetime: PhantomData }
    }

    /// The channels of a pixel.
    #[inline(always)]
    pub(crate) fn at(&self, row: usize, column: usize) -> &'a [T] {
        assert!(row < self.shape[0] && column < self.shape[1]);
        let offset = row as isize * self.strides[0] + column as isize * self.strides[1];
        // SAFETY: a pixel of the view, whose channels are contiguous.
        unsafe { std::slice::from_raw_parts(self.start.offset(offset), self.shape[2]) }
    }
}

/// As [`Image`], to be written.
pub(crate) struct ImageMut<'a, T> {
    start: *mut T,
    shape: [usize; 3],
    strides: [isize; 2],
    lifetime: PhantomData<&'a mut [T]>,
}

impl<'a, T> ImageMut<'a, T> {
    #[track_caller]
    pub(crate) fn new(mut image: ArrayViewMut3<'a, T>) -> Self {
        let (shape, strides) = image_layout(image.shape(), image.strides());
        Self { start: image.as_mut_ptr(), shape, strides, lifetime: PhantomData }
    }

    /// The channels of a pixel.
    #[inline(always)]
    pub(crate) fn at_mut(&mut self, row: usize, column: usize) -> &mut [T] {
        assert!(row < self.shape[0] && column < self.shape[1]);
        let offset = row as isize * self.strides[0] + column as isize * self.strides[1];
        // SAFETY: a pixel of the view, whose channels are contiguous; the borrow of `self` makes it the only one.
        unsafe { std::slice::from_raw_parts_mut(self.start.offset(offset), self.shape[2]) }
    }
}

#[track_caller]
fn image_layout(shape: &[usize], strides: &[isize]) -> ([usize; 3], [isize; 2]) {
    assert_contiguous(shape, strides);
    ([shape[0], shape[1], shape[2]], [strides[0], strides[1]])
}

/// Asserts that the last axis has stride 1, as far as it shows. (Arrays without numbers have strides 0.)
#[track_caller]
fn assert_contiguous(shape: &[usize], strides: &[isize]) {
    let last = shape.len() - 1;
    assert!(
        shape.contains(&0) || shape[last] == 1 || strides[last] == 1,
        "channels of an image {shape:?} are not contiguous: strides {strides:?}"
    );
}

/// Calls `visit` with stretches of the images' numbers that cover all of them, in parallel.
#[track_caller]
pub(crate) fn each_stretch<T: Scalar>(mut y: ArrayViewMut4<'_, T>, visit: impl Fn(&mut [T]) + Sync) {
    if let Some(y) = y.as_slice_mut() {
        y.par_chunks_mut(TASK).for_each(|y| {
            vectorize(
                #[inline(always)]
                || visit(y),
            )
        });
    } else {
        PixelsMut::new(y).blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || block.pixels().for_each(&visit),
            )
        });
    }
}

/// Calls `visit` with the same stretches of two batches, in parallel.
#[track_caller]
pub(crate) fn each_pair_of_stretches<T: Scalar>(
    x: ArrayView4<'_, T>,
    mut y: ArrayViewMut4<'_, T>,
    visit: impl Fn(&[T], &mut [T]) + Sync,
) {
    if let (Some(x), Some(y)) = (x.as_slice(), y.as_slice_mut()) {
        y.par_chunks_mut(TASK).zip(x.par_chunks(TASK)).for_each(|(y, x)| {
            vectorize(
                #[inline(always)]
                || visit(x, y),
            )
        });
    } else {
        let x = Pixels::new(x);
        PixelsMut::new(y).blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || {
                    for (x, y) in x.range(block.range()).zip(block.pixels()) {
                        visit(x, y);
                    }
                },
            );
        });
    }
}

/// The numbers of a parameter that has one per channel.
#[track_caller]
pub(crate) fn per_channel<'a, T>(name: &str, parameter: ArrayView1<'a, T>, channels: usize) -> &'a [T] {
    assert_eq!(parameter.len(), channels, "{name} {:?} of images with {channels} channels", parameter.shape());
    parameter.to_slice().unwrap_or_else(|| panic!("{name} is not contiguous"))
}

/// As [`per_channel`], to be written.
#[track_caller]
pub(crate) fn per_channel_mut<'a, T>(name: &str, parameter: ArrayViewMut1<'a, T>, channels: usize) -> &'a mut [T] {
    assert_eq!(parameter.len(), channels, "{name} {:?} of images with {channels} channels", parameter.shape());
    parameter.into_slice().unwrap_or_else(|| panic!("{name} is not contiguous"))
}

/// Asserts that two operands have the same shape.
#[track_caller]
pub(crate) fn same_shape<D: Dimension>(names: [&str; 2], first: &D, second: &D) {
    assert_eq!(first, second, "{} {:?} and {} {:?}", names[0], first.slice(), names[1], second.slice());
}
