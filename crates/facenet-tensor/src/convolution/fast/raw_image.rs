//! Images as the kernels see them: a pointer and strides.
#![expect(unsafe_code, reason = "disjoint pixels of one image are written from several threads")]

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4};

/// A batch of images with contiguous channels.
#[derive(Clone, Copy)]
pub(super) struct RawImage<P> {
    pub pointer: P,
    /// The distances between adjacent images, rows and columns, in elements.
    pub strides: [isize; 3],
    /// Batch size, height, width, channels.
    pub shape: [usize; 4],
}

// SAFETY: a `RawImage` lives within one kernel call, which holds the view that it was made from;
// reads are shared, and each task writes its own pixels or channels.
unsafe impl<P> Send for RawImage<P> {}
// SAFETY: as above.
unsafe impl<P> Sync for RawImage<P> {}

impl RawImage<*const f32> {
    pub fn new(view: &ArrayView4<'_, f32>) -> Self {
        let s = view.strides();
        let (n, h, w, c) = view.dim();
        Self { pointer: view.as_ptr(), strides: [s[0], s[1], s[2]], shape: [n, h, w, c] }
    }

    /// A range of the channels.
    ///
    /// # Panics
    /// If there are fewer channels.
    pub fn channels(&self, channels: Range<usize>) -> Self {
        let [images, height, width, count] = self.shape;
        assert!(channels.end <= count, "channels {channels:?} of {count}");
        let shape = [images, height, width, channels.len()];
        Self { pointer: self.pointer.wrapping_add(channels.start), strides: self.strides, shape }
    }

    /// Copies the elements under a kernel of `[height, width]` whose upper left corner is at
    /// `[row, column]`, with zeros outside the image, as `[height][width][channels]`. Contiguous
    /// pixels are copied together.
    ///
    /// # Safety
    /// The image must be valid for its shape and strides.
    ///
    /// # Panics
    /// If there is no such image, or `target` does not have the length of the elements under the
    /// kernel.
    #[inline(always)]
    pub unsafe fn gather(&self, image: usize, [row, column]: [isize; 2], kernel: [usize; 2], target: &mut [f32]) {
        let [images, height, width, channels] = self.shape;
        assert!(image < images && target.len() == kernel[0] * kernel[1] * channels, "elements under a kernel");
        if kernel == [1, 1] {
            let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
            if !inside {
                return target.fill(0.0);
            }
            // SAFETY: the pixel is inside the image.
            return target.copy_from_slice(unsafe {
                let source = self.pointer.offset(self.offset(image, row as usize, column as usize));
                std::slice::from_raw_parts(source, channels)
            });
        }
        let first = column.clamp(0, width as isize);
        let last = (column + kernel[1] as isize).clamp(first, width as isize);
        let before = ((first - column) as usize).min(kernel[1]) * channels;
        let inside = (last - first) as usize * channels;
        for (kernel_row, target) in target.chunks_exact_mut((kernel[1] * channels).max(1)).enumerate() {
            let row = row + kernel_row as isize;
            if inside == 0 || !(0..height as isize).contains(&row) {
                target.fill(0.0);
                continue;
            }
            target[..before].fill(0.0);
            target[before + inside..].fill(0.0);
            let target = &mut target[before..before + inside];
            // SAFETY: the row and the columns from `first` to `last` are inside the image.
            unsafe {
                let source = self.pointer.offset(self.offset(image, row as usize, first as usize));
                if self.strides[2] == channels as isize {
                    target.copy_from_slice(std::slice::from_raw_parts(source, inside));
                } else {
                    for (pixel, target) in target.chunks_exact_mut(channels).enumerate() {
                        let source = source.offset(pixel as isize * self.strides[2]);
                        target.copy_from_slice(std::slice::from_raw_parts(source, channels));
                    }
                }
            }
        }
    }
}

impl RawImage<*mut f32> {
    pub fn new_mut(view: &mut ArrayViewMut4<'_, f32>) -> Self {
        let pointer = view.as_mut_ptr();
        let s = view.strides();
        let (n, h, w, c) = view.dim();
        Self { pointer, strides: [s[0], s[1], s[2]], shape: [n, h, w, c] }
    }
}

impl<P> RawImage<P> {
    /// The offset of a pixel from the first one, in elements.
    #[inline(always)]
    pub fn offset(&self, image: usize, row: usize, column: usize) -> isize {
        debug_assert!(image < self.shape[0] && row < self.shape[1] && column < self.shape[2]);
        image as isize * self.strides[0] + row as isize * self.strides[1] + column as isize * self.strides[2]
    }
}
