//! Single images, addressed by row and column.
#![expect(unsafe_code, reason = "a slice per pixel, without the cost of an array view per pixel")]

use std::marker::PhantomData;

use ndarray::{ArrayView3, ArrayViewMut3};

use crate::image::check::assert_contiguous;

/// One image; each pixel is the slice of its channels.
#[derive(Clone, Copy)]
pub(crate) struct ImageView<'a, T> {
    start: *const T,
    shape: [usize; 3],
    strides: [isize; 2],
    lifetime: PhantomData<&'a [T]>,
}

// SAFETY: hands out shared slices only.
unsafe impl<T: Sync> Send for ImageView<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for ImageView<'_, T> {}

impl<'a, T> ImageView<'a, T> {
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

/// Like [`ImageView`], but mutable.
pub(crate) struct ImageViewMut<'a, T> {
    start: *mut T,
    shape: [usize; 3],
    strides: [isize; 2],
    lifetime: PhantomData<&'a mut [T]>,
}

impl<'a, T> ImageViewMut<'a, T> {
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
        // SAFETY: a pixel of the view, whose channels are contiguous; borrowing `self` mutably
        // makes the slice unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.offset(offset), self.shape[2]) }
    }
}

#[track_caller]
fn image_layout(shape: &[usize], strides: &[isize]) -> ([usize; 3], [isize; 2]) {
    assert_contiguous(shape, strides);
    ([shape[0], shape[1], shape[2]], [strides[0], strides[1]])
}
