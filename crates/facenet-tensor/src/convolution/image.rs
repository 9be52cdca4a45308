//! Images as kernels see them: a pointer and strides.
#![expect(unsafe_code, reason = "disjoint pixels of one image are written from several threads")]

use ndarray::{ArrayView4, ArrayViewMut4};

/// An image operand whose channels are contiguous.
#[derive(Clone, Copy)]
pub(super) struct Image<P> {
    pub pointer: P,
    /// Numbers between neighbouring images, rows and columns.
    pub strides: [isize; 3],
    /// Images, height, width, channels.
    pub shape: [usize; 4],
}

// SAFETY: an `Image` lives within one kernel call, which holds the views that it was made of; reading is shared, and
// each task writes pixels or channels of its own.
unsafe impl<P> Send for Image<P> {}
// SAFETY: as above.
unsafe impl<P> Sync for Image<P> {}

impl Image<*const f32> {
    pub fn new(view: &ArrayView4<'_, f32>) -> Self {
        let s = view.strides();
        let (n, h, w, c) = view.dim();
        Self { pointer: view.as_ptr(), strides: [s[0], s[1], s[2]], shape: [n, h, w, c] }
    }
}

impl Image<*mut f32> {
    pub fn new_mut(view: &mut ArrayViewMut4<'_, f32>) -> Self {
        let pointer = view.as_mut_ptr();
        let s = view.strides();
        let (n, h, w, c) = view.dim();
        Self { pointer, strides: [s[0], s[1], s[2]], shape: [n, h, w, c] }
    }
}

impl<P> Image<P> {
    /// The distance of a pixel from the first one.
    #[inline(always)]
    pub fn offset(&self, image: usize, row: usize, column: usize) -> isize {
        debug_assert!(image < self.shape[0] && row < self.shape[1] && column < self.shape[2]);
        image as isize * self.strides[0] + row as isize * self.strides[1] + column as isize * self.strides[2]
    }
}
