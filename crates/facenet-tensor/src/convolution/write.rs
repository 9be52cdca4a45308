//! What becomes of sums: bias, activation, and where they are written.
#![expect(unsafe_code, reason = "sums go from registers to pixels")]

use super::image::Image;
use super::lanes::{LANES, Lanes};
use crate::Accumulation;
use crate::packed::{Epilogue, FusedActivation};
use crate::sigmoid::sigmoid;

/// Where sums go, and what becomes of them.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub image: Image<*mut f32>,
    pub write: Write<'a>,
}

/// What becomes of a sum.
#[derive(Clone, Copy)]
pub(super) enum Write<'a> {
    Set,
    Add,
    /// Bias, what else is to be added, and activation first.
    Finished {
        epilogue: &'a Epilogue<f32>,
        residual: Option<Image<*const f32>>,
    },
}

impl From<Accumulation> for Write<'_> {
    fn from(accumulation: Accumulation) -> Self {
        match accumulation {
            Accumulation::Set => Self::Set,
            Accumulation::Add => Self::Add,
        }
    }
}

/// The offsets of a pixel of the output and of what is added to it.
pub(super) type Place = [isize; 2];

impl Output<'_> {
    /// From one place to that of the next row, and of the next column.
    #[inline(always)]
    pub fn steps(&self) -> [Place; 2] {
        [1, 2].map(|axis| {
            let step = self.image.strides[axis];
            match self.write {
                Write::Finished { residual: Some(residual), .. } => [step, residual.strides[axis]],
                _ => [step, step],
            }
        })
    }

    #[inline(always)]
    pub fn place(&self, image: usize, row: usize, column: usize) -> Place {
        let place = self.image.offset(image, row, column);
        match self.write {
            Write::Finished { residual: Some(residual), .. } => [place, residual.offset(image, row, column)],
            _ => [place, place],
        }
    }
}

/// The same for one panel of sixteen output channels.
pub(super) struct PanelWrite<'a, L> {
    target: *mut f32,
    /// What is added, if it isn't null.
    added: *const f32,
    bias: L,
    slope: L,
    activation: &'a FusedActivation<f32>,
    /// Channels of the panel that exist.
    count: usize,
}

impl<'a, L: Lanes> PanelWrite<'a, L> {
    /// For the panel whose first channel is number `first` of the output.
    ///
    /// # Safety
    /// As [`Lanes`] asks.
    #[inline(always)]
    pub unsafe fn new(output: &Output<'a>, first: usize) -> Self {
        let count = LANES.min(output.image.shape[3] - first);
        // SAFETY: the caller's; bias and slopes have numbers for whole panels.
        unsafe {
            let target = output.image.pointer.wrapping_add(first);
            let (added, bias, slope, activation) = match output.write {
                Write::Set => (std::ptr::null(), L::zero(), L::zero(), &FusedActivation::None),
                Write::Add => (target.cast_const(), L::zero(), L::zero(), &FusedActivation::None),
                Write::Finished { epilogue: Epilogue { bias, activation }, residual } => {
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

    /// Prefetches the lines of the cache that some pixels will be read from and written to.
    ///
    /// # Safety
    /// As [`Lanes`] asks.
    #[inline(always)]
    pub unsafe fn prefetch<const PIXELS: usize>(&self, places: [Place; PIXELS]) {
        for [place, added] in places {
            // SAFETY: any address may be asked for.
            unsafe {
                L::prefetch(self.target.wrapping_offset(place));
                if !self.added.is_null() && self.added != self.target.cast_const() {
                    L::prefetch(self.added.wrapping_offset(added));
                }
            }
        }
    }

    /// Writes the sums of some pixels. (What is done is decided once for all of them, and loops over them are of fixed length:
    /// sums stay in registers.)
    ///
    /// # Safety
    /// The pixels of the output are this task's, and what is added exists there; and as [`Lanes`] asks.
    #[inline(always)]
    pub unsafe fn write<const PIXELS: usize>(&self, sums: [L; PIXELS], places: [Place; PIXELS]) {
        // SAFETY: the caller's; panels that aren't whole are read from and written to numbers in between.
        unsafe {
            let whole = self.count == LANES;
            let mut y = sums;
            for y in &mut y {
                *y = self.bias.add(*y);
            }
            if !self.added.is_null() {
                let added: [L; PIXELS] = if whole {
                    std::array::from_fn(|pixel| L::load(self.added.offset(places[pixel][1])))
                } else {
                    let mut numbers = [[0.0; LANES]; PIXELS];
                    for (numbers, [_, place]) in numbers.iter_mut().zip(places) {
                        std::ptr::copy_nonoverlapping(self.added.offset(place), numbers.as_mut_ptr(), self.count);
                    }
                    load(&numbers)
                };
                for (y, added) in y.iter_mut().zip(added) {
                    *y = y.add(added);
                }
            }
            match self.activation {
                FusedActivation::None => {}
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
                FusedActivation::Sigmoid => {
                    let mut numbers = store(y);
                    for number in numbers.as_flattened_mut() {
                        *number = sigmoid(*number);
                    }
                    y = load(&numbers);
                }
            }
            if whole {
                for (y, [place, _]) in y.into_iter().zip(places) {
                    y.store(self.target.offset(place));
                }
            } else {
                for (numbers, [place, _]) in store(y).iter().zip(places) {
                    std::ptr::copy_nonoverlapping(numbers.as_ptr(), self.target.offset(place), self.count);
                }
            }
        }
    }
}

/// # Safety
/// As [`Lanes`] asks.
#[inline(always)]
unsafe fn load<L: Lanes, const COUNT: usize>(numbers: &[[f32; LANES]; COUNT]) -> [L; COUNT] {
    // SAFETY: the caller's.
    std::array::from_fn(|at| unsafe { L::load(numbers[at].as_ptr()) })
}

/// # Safety
/// As [`Lanes`] asks.
#[inline(always)]
unsafe fn store<L: Lanes, const COUNT: usize>(vectors: [L; COUNT]) -> [[f32; LANES]; COUNT] {
    let mut numbers = [[0.0; LANES]; COUNT];
    for (numbers, vector) in numbers.iter_mut().zip(vectors) {
        // SAFETY: the caller's.
        unsafe { vector.store(numbers.as_mut_ptr()) }
    }
    numbers
}
