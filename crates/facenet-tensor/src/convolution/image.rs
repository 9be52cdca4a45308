//! Images as kernels see them: a pointer and strides.
#![expect(unsafe_code, reason = "disjoint pixels of one image are written from several threads")]

use std::ops::Range;

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

    /// The image of some of its channels.
    ///
    /// # Panics
    /// If it has fewer.
    pub fn channels(&self, channels: Range<usize>) -> Self {
        let [images, height, width, count] = self.shape;
        assert!(channels.end <= count, "channels {channels:?} of {count}");
        let shape = [images, height, width, channels.len()];
        Self { pointer: self.pointer.wrapping_add(channels.start), strides: self.strides, shape }
    }

    /// Copies the numbers under a kernel of `[height, width]` whose upper left corner lies at `[row, column]`, zeros for what is
    /// outside: `[height][width][channels]`. Pixels that lie side by side in memory are copied together.
    ///
    /// # Safety
    /// The image must be valid for its shape and strides.
    ///
    /// # Panics
    /// If there is no such image, or the numbers are more or fewer than those under the kernel.
    #[inline(always)]
    pub unsafe fn gather(&self, image: usize, [row, column]: [isize; 2], kernel: [usize; 2], numbers: &mut [f32]) {
        let [images, height, width, channels] = self.shape;
        assert!(image < images && numbers.len() == kernel[0] * kernel[1] * channels, "numbers under a kernel");
        if kernel == [1, 1] {
            let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
            if !inside {
                return numbers.fill(0.0);
            }
            // SAFETY: the pixel is inside.
            return numbers.copy_from_slice(unsafe {
                let source = self.pointer.offset(self.offset(image, row as usize, column as usize));
                std::slice::from_raw_parts(source, channels)
            });
        }
        let first = column.clamp(0, width as isize);
        let last = (column + kernel[1] as isize).clamp(first, width as isize);
        let before = ((first - column) as usize).min(kernel[1]) * channels;
        let inside = (last - first) as usize * channels;
        for (line, numbers) in numbers.chunks_exact_mut((kernel[1] * channels).max(1)).enumerate() {
            let row = row + line as isize;
            if inside == 0 || !(0..height as isize).contains(&row) {
                numbers.fill(0.0);
                continue;
            }
            numbers[..before].fill(0.0);
            numbers[before + inside..].fill(0.0);
            let numbers = &mut numbers[before..before + inside];
            // SAFETY: the row is inside, and so are the columns from `first` to `last`.
            unsafe {
                let source = self.pointer.offset(self.offset(image, row as usize, first as usize));
                if self.strides[2] == channels as isize {
                    numbers.copy_from_slice(std::slice::from_raw_parts(source, inside));
                } else {
                    for (pixel, numbers) in numbers.chunks_exact_mut(channels).enumerate() {
                        let source = source.offset(pixel as isize * self.strides[2]);
                        numbers.copy_from_slice(std::slice::from_raw_parts(source, channels));
                    }
                }
            }
        }
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
