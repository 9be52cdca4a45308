//! Images with guard channels.

use ndarray::{Array4, ArrayD, ArrayView4, ArrayViewMut4, Ix4, s};

use crate::branches::concatenate::{channels, channels_mut};

/// Guard channels before and after the image.
const MARGIN: [usize; 2] = [2, 3];

/// An image as a channel slice of a wider one that is NaN outside the slice: reading there spoils
/// the result, writing there is detected.
pub(super) struct GuardedImage {
    wide: Array4<f64>,
    channels: usize,
}

impl GuardedImage {
    pub(super) fn new(image: &ArrayD<f64>) -> Self {
        let image = image.view().into_dimensionality::<Ix4>().expect("an image has four axes");
        let mut guarded = Self::empty(image.shape());
        guarded.view_mut().assign(&image);
        guarded
    }

    /// An image whose own elements are NaN as well.
    #[track_caller]
    pub(super) fn empty(shape: &[usize]) -> Self {
        let [n, height, width, channels] = *shape else { panic!("an image {shape:?}") };
        Self { wide: Array4::from_elem((n, height, width, MARGIN[0] + channels + MARGIN[1]), f64::NAN), channels }
    }

    pub(super) fn view(&self) -> ArrayView4<'_, f64> {
        channels(self.wide.view(), MARGIN[0]..MARGIN[0] + self.channels)
    }

    pub(super) fn view_mut(&mut self) -> ArrayViewMut4<'_, f64> {
        channels_mut(self.wide.view_mut(), MARGIN[0]..MARGIN[0] + self.channels)
    }

    /// A copy of the image; all NaN if anything was written outside it.
    pub(super) fn image(&self) -> ArrayD<f64> {
        let mut image = self.view().to_owned().into_dyn();
        let end = MARGIN[0] + self.channels;
        let outside = [s![.., .., .., ..MARGIN[0]], s![.., .., .., end..]];
        if outside.iter().any(|outside| self.wide.slice(outside).iter().any(|value| !value.is_nan())) {
            image.fill(f64::NAN);
        }
        image
    }
}
