//! Images inside wider ones.

use ndarray::{Array4, ArrayD, ArrayView4, ArrayViewMut4, Ix4, s};

use crate::{channels, channels_mut};

/// Channels before and after the image.
const MARGIN: [usize; 2] = [2, 3];

/// An image as a channel slice of a wider one that holds nothing but NaN outside: what an operation reads there spoils
/// its result, what it writes there is noticed.
pub(super) struct Frame {
    wide: Array4<f64>,
    channels: usize,
}

impl Frame {
    pub(super) fn new(image: &ArrayD<f64>) -> Self {
        let image = image.view().into_dimensionality::<Ix4>().expect("an image has four axes");
        let mut frame = Self::empty(image.shape());
        frame.view_mut().assign(&image);
        frame
    }

    /// An image that holds NaN as well.
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

    /// The image alone; all NaN if something was written outside.
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
