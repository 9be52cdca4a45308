//! How sums in registers become outputs in memory: bias, residual, activation, store.
#![expect(unsafe_code, reason = "sums go from registers to pixels")]

use crate::accumulation::Accumulation;
use crate::convolution::fast::raw_image::RawImage;
use crate::convolution::fused_activation::{Epilogue, FusedActivation};
use crate::elementwise::sigmoid;
use crate::simd::lanes::{LANES, Lanes};

/// Where sums are stored, and how.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub image: RawImage<*mut f32>,
    pub store: Store<'a>,
}

/// How a sum is stored.
#[derive(Clone, Copy)]
pub(super) enum Store<'a> {
    /// Overwrite.
    Set,
    /// Add to the target.
    Add,
    /// Add bias and residual, apply the activation, overwrite.
    WithEpilogue { epilogue: &'a Epilogue<f32>, residual: Option<RawImage<*const f32>> },
}

impl From<Accumulation> for Store<'_> {
    fn from(accumulation: Accumulation) -> Self {
        match accumulation {
            Accumulation::Set => Self::Set,
            Accumulation::Add => Self::Add,
        }
    }
}

/// The offsets of a pixel in the output and in the residual.
pub(super) type PixelOffsets = [isize; 2];

impl Output<'_> {
    /// The steps of the offsets to the next row and to the next column.
    #[inline(always)]
    pub fn steps(&self) -> [PixelOffsets; 2] {
        [1, 2].map(|axis| {
            let step = self.image.strides[axis];
            match self.store {
                Store::WithEpilogue { residual: Some(residual), .. } => [step, residual.strides[axis]],
                _ => [step, step],
            }
        })
    }

    /// The offsets of a pixel.
    #[inline(always)]
    pub fn offsets(&self, image: usize, row: usize, column: usize) -> PixelOffsets {
        let offset = self.image.offset(image, row, column);
        match self.store {
            Store::WithEpilogue { residual: Some(residual), .. } => [offset, residual.offset(image, row, column)],
            _ => [offset, offset],
        }
    }
}

/// Stores the sums of one panel of 16 output channels.
#[derive(Clone, Copy)]
pub(super) struct PanelStore<'a, L> {
    target: *mut f32,
    /// What is added to the sums, or null.
    added: *const f32,
    bias: L,
    slope: L,
    activation: &'a FusedActivation<f32>,
    /// How many of the 16 channels exist.
    count: usize,
}

impl<'a, L: Lanes> PanelStore<'a, L> {
    /// For the panel whose first channel is channel `first` of the output.
    ///
    /// # Safety
    /// The requirements of [`Lanes`].
    #[inline(always)]
    pub unsafe fn new(output: &Output<'a>, first: usize) -> Self {
        let count = LANES.min(output.image.shape[3] - first);
        // SAFETY: guaranteed by the caller; bias and slopes are padded to whole panels.
        unsafe {
            let target = output.image.pointer.wrapping_add(first);
            let (added, bias, slope, activation) = match output.store {
                Store::Set => (std::ptr::null(), L::zero(), L::zero(), &FusedActivation::None),
                Store::Add => (target.cast_const(), L::zero(), L::zero(), &FusedActivation::None),
                Store::WithEpilogue { epilogue: Epilogue { bias, activation }, residual } => {
                    let slope = match activation {
                        FusedActivation::PRelu(slope) => L::load(slope[first..first + LANES].as_ptr()),
                        _ => L::zero(),
                    };
                    let added = residual.map_or(std::ptr::null(), |image| image.pointer.wrapping_add(first));
                    (added, L::load(bias[first..first + LANES].as_ptr()), slope, activation)
                }
            };
            Self { target, added, bias, slope, activation, count }
        }
    }

    /// Prefetches the cache lines that some pixels will be read from and written to.
    ///
    /// # Safety
    /// The requirements of [`Lanes`].
    #[inline(always)]
    pub unsafe fn prefetch<const PIXELS: usize>(&self, offsets: [PixelOffsets; PIXELS]) {
        for [target, added] in offsets {
            // SAFETY: any address may be prefetched.
            unsafe {
                L::prefetch(self.target.wrapping_offset(target));
                if !self.added.is_null() && self.added != self.target.cast_const() {
                    L::prefetch(self.added.wrapping_offset(added));
                }
            }
        }
    }

    /// Stores the sums of some pixels. (All branches are taken once for all pixels, and loops over
    /// them have a fixed length, so that the sums stay in registers.)
    ///
    /// # Safety
    /// This task owns these pixels of the output, the residual exists there, and the requirements
    /// of [`Lanes`] hold.
    #[inline(always)]
    pub unsafe fn store<const PIXELS: usize>(&self, sums: [L; PIXELS], offsets: [PixelOffsets; PIXELS]) {
        // SAFETY: guaranteed by the caller; partial panels are read and written through arrays on
        // the stack.
        unsafe {
            let whole = self.count == LANES;
            let mut y = sums;
            for y in &mut y {
                *y = self.bias.add(*y);
            }
            if !self.added.is_null() {
                let added: [L; PIXELS] = if whole {
                    std::array::from_fn(|pixel| L::load(self.added.offset(offsets[pixel][1])))
                } else {
                    let mut arrays = [[0.0; LANES]; PIXELS];
                    for (array, [_, offset]) in arrays.iter_mut().zip(offsets) {
                        std::ptr::copy_nonoverlapping(self.added.offset(offset), array.as_mut_ptr(), self.count);
                    }
                    load_all(&arrays)
                };
                for (y, added) in y.iter_mut().zip(added) {
                    *y = y.add(added);
                }
            }
            match self.activation {
                // Below: a function call here would keep the sums in memory for all activations.
                FusedActivation::None | FusedActivation::Sigmoid => {}
                FusedActivation::Relu => {
                    for y in &mut y {
                        *y = y.relu();
                    }
                }
                FusedActivation::PRelu(_) => {
                    for y in &mut y {
                        *y = y.prelu(self.slope);
                    }
                }
            }
            if whole {
                for (y, [offset, _]) in y.into_iter().zip(offsets) {
                    y.store(self.target.offset(offset));
                }
            } else {
                for (array, [offset, _]) in store_all(y).iter().zip(offsets) {
                    std::ptr::copy_nonoverlapping(array.as_ptr(), self.target.offset(offset), self.count);
                }
            }
            if matches!(self.activation, FusedActivation::Sigmoid) {
                offsets.iter().for_each(|[offset, _]| sigmoid_in_place(self.target.offset(*offset), self.count));
            }
        }
    }
}

/// Not inlined into each kernel: it calls functions anyway.
///
/// # Safety
/// `y` is valid for `count` elements.
#[inline(never)]
unsafe fn sigmoid_in_place(y: *mut f32, count: usize) {
    // SAFETY: guaranteed by the caller.
    let y = unsafe { std::slice::from_raw_parts_mut(y, count) };
    y.iter_mut().for_each(|y| *y = sigmoid(*y));
}

/// # Safety
/// The requirements of [`Lanes`].
#[inline(always)]
unsafe fn load_all<L: Lanes, const COUNT: usize>(arrays: &[[f32; LANES]; COUNT]) -> [L; COUNT] {
    // SAFETY: guaranteed by the caller.
    std::array::from_fn(|at| unsafe { L::load(arrays[at].as_ptr()) })
}

/// # Safety
/// The requirements of [`Lanes`].
#[inline(always)]
unsafe fn store_all<L: Lanes, const COUNT: usize>(vectors: [L; COUNT]) -> [[f32; LANES]; COUNT] {
    let mut arrays = [[0.0; LANES]; COUNT];
    for (array, vector) in arrays.iter_mut().zip(vectors) {
        // SAFETY: guaranteed by the caller.
        unsafe { vector.store(array.as_mut_ptr()) }
    }
    arrays
}
