//! The generator of synthetic faces.

use std::ops::Range;

use ndarray::{Array3, Array4};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::synthetic::canvas::Canvas;
use crate::synthetic::capture::Capture;
use crate::synthetic::identity::Identity;
use crate::synthetic::random_stream::{Purpose, RandomStream};
use crate::synthetic::{features, hair, head, scene};

/// A population of synthetic people, of whom any number of portraits can be rendered without any
/// data.
///
/// The person determines geometry and colors: outline of the head, skin, eyes, brows, nose, mouth,
/// ears, hair, beard, moles, glasses. The image number determines the capture conditions: pose,
/// expression, light, blur, noise, occlusion, background. The latter change far more pixels than
/// the former, so pixel distances say little about identity.
///
/// Each portrait depends only on the seed, the person, the image number and the size, never on
/// other portraits, threads or the machine: it uses integer draws and operations that IEEE 754
/// rounds exactly (`+`, `-`, `*`, `/`, square root).
///
/// ```
/// use facenet_data::SyntheticFaces;
///
/// let population = SyntheticFaces::new(1);
/// let portrait = population.portrait(7, 0, [64, 64]);
/// assert_eq!(portrait.dim(), (64, 64, 3));
///
/// let (faces, identities) = population.portraits(100..103, 4, [64, 64]);
/// assert_eq!(faces.dim(), (12, 64, 64, 3));
/// assert_eq!(identities, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SyntheticFaces {
    /// Each seed gives a different population.
    pub seed: u64,
}

impl SyntheticFaces {
    /// The population of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Renders image number `image` of a person as 8-bit RGB.
    ///
    /// # Shapes
    /// `size` is `[height, width]`; the result is `[height, width, 3]`. The face fills the shorter
    /// side.
    ///
    /// # Panics
    /// If the height or the width is 0.
    #[track_caller]
    pub fn portrait(&self, person: u64, image: u64, size: [usize; 2]) -> Array3<u8> {
        let mut portrait = Array3::zeros((size[0], size[1], 3));
        assert!(!portrait.is_empty(), "a portrait needs a height and a width of at least 1, not {size:?}");
        let pixels = portrait.as_slice_mut().expect("a new array is contiguous");
        self.render(person, image, size, pixels);
        portrait
    }

    /// Renders images `0..per_person` of each of `people` on all threads of the current rayon pool,
    /// and returns them with the identity of each.
    ///
    /// Identities are dense: 0 for the first person, 1 for the second. The images are those of
    /// [`SyntheticFaces::portrait`].
    ///
    /// # Shapes
    /// `[people * per_person, height, width, 3]`, person by person, and `people * per_person`
    /// identities.
    ///
    /// # Panics
    /// If the height or the width is 0.
    #[track_caller]
    pub fn portraits(&self, people: Range<u64>, per_person: usize, size: [usize; 2]) -> (Array4<u8>, Vec<usize>) {
        let [height, width] = size;
        assert!(height * width > 0, "a portrait needs a height and a width of at least 1, not {size:?}");
        let count = people.end.saturating_sub(people.start) as usize;
        let mut portraits = Array4::zeros((count * per_person, height, width, 3));
        let pixels = portraits.as_slice_mut().expect("a new array is contiguous");
        pixels.par_chunks_exact_mut(height * width * 3).enumerate().for_each(|(index, pixels)| {
            let person = people.start + (index / per_person) as u64;
            self.render(person, (index % per_person) as u64, size, pixels);
        });
        (portraits, (0..count * per_person).map(|index| index / per_person).collect())
    }

    /// Draws from back to front, then applies light, blur and noise.
    fn render(&self, person: u64, image: u64, size: [usize; 2], pixels: &mut [u8]) {
        let identity = &Identity::sample(self.seed, person);
        let capture = &Capture::sample(self.seed, person, image);
        let canvas = &mut Canvas::new(size, capture.camera);
        scene::draw_background(canvas, capture);
        canvas.mark_background();
        hair::draw_back_hair(canvas, identity, capture);
        head::draw_body(canvas, identity, capture);
        head::draw_ears(canvas, identity, capture);
        head::draw_skin(canvas, identity, capture);
        scene::draw_forehead_shadow(canvas, identity, capture);
        head::draw_beard(canvas, identity, capture);
        features::draw_mouth(canvas, identity, capture);
        features::draw_eyes(canvas, identity, capture);
        features::draw_brows(canvas, identity, capture);
        features::draw_nose(canvas, identity, capture);
        hair::draw_front_hair(canvas, identity, capture);
        if let Some(glasses) = identity.glasses.as_ref().filter(|_| capture.shows_glasses(identity)) {
            features::draw_glasses(canvas, identity, capture, glasses);
        }
        scene::draw_occlusion(canvas, identity, capture);
        scene::apply_light(canvas, identity, capture);
        let radius = capture.blur * size[0].min(size[1]) as f32;
        if radius > 0.1 {
            canvas.blur(radius);
        }
        let mut noise = vec![0; 4 * pixels.len()];
        RandomStream::new(self.seed, person, Purpose::SensorNoise, image).bytes(&mut noise);
        canvas.add_noise_and_quantize(&noise, capture.noise, pixels);
    }
}
