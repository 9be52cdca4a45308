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
    /// Whether inputs and outputs are likely to lie outside of the cache: outside of inference they are those of a whole batch.
    pub fn outgrows_cache(&self) -> bool {
        matches!(self.write, Write::Set | Write::Add)
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
        // SAFETY: the caller's; bias and slopes have numbers for whole panels, pixels the first channel.
        unsafe {
            let target = output.image.pointer.add(first);
            let (added, bias, slope, activation) = match output.write {
                Write::Set => (std::ptr::null(), L::zero(), L::zero(), &FusedActivation::None),
                Write::Add => (target.cast_const(), L::zero(), L::zero(), &FusedActivation::None),
                Write::Finished { epilogue: Epilogue { bias, activation }, residual } => {
                    let slope = match activation {
                        FusedActivation::PRelu(slope) => L::load(slope[first..first + LANES].as_ptr()),
                        _ => L::zero(),
                    };
                    let added = residual.map_or(std::ptr::null(), |image| image.pointer.add(first));
                    (added, L::load(bias[first..first + LANES].as_ptr()), slope, activation)
                }
            };
            Self { target, added, bias, slope, activation, count }
        }
    }

    /// Writes the sums of one pixel.
    ///
    /// # Safety
    /// The pixel of the output is this task's, and what is added exists there; and as [`Lanes`] asks.
    #[inline(always)]
    pub unsafe fn write(&self, sums: L, [place, added]: Place) {
        // SAFETY: the caller's.
        unsafe {
            let target = self.target.offset(place);
            let mut y = self.bias.add(sums);
            if !self.added.is_null() {
                y = y.add(L::load_first(self.added.offset(added), self.count));
            }
            let y = match self.activation {
                FusedActivation::None => y,
                FusedActivation::Relu => y.relu(),
                FusedActivation::Sigmoid => y.map(sigmoid),
                FusedActivation::PRelu(_) => y.prelu(self.slope),
            };
            y.store_first(target, self.count);
        }
    }
}
