//! Synthetic faces: portraits of people who do not exist, drawn from nothing but numbers.

mod canvas;
mod draw;
mod features;
mod hair;
mod head;
mod identity;
mod picture;
mod scene;
mod shape;

use std::ops::Range;

use ndarray::{Array3, Array4};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use canvas::Canvas;
use draw::{Draw, Purpose};
use identity::Identity;
use picture::Picture;

/// A world of people with a face each, of whom any number of portraits can be had without any data.
///
/// A person is a number, a picture of them another. The person decides the geometry and the colours: outline of the
/// head, skin, eyes, brows, nose, mouth, ears, hair, beard, moles,
/// glasses. The picture decides what a recogniser has to see through: pose, expression, light, blur, noise, things
/// before the face, background. The latter move far more pixels than the
/// former, so a distance between pixels says little about who it is.
///
/// Each portrait depends on the seed, the person, the picture and the size alone, never on the others, on threads or
/// on the machine: it is made of integer draws and of operations that IEEE 754
/// rounds exactly (`+`, `-`, `*`, `/`, square root).
///
/// ```
/// use facenet_data::SyntheticFaces;
///
/// let world = SyntheticFaces::new(1);
/// let portrait = world.portrait(7, 0, [64, 64]);
/// assert_eq!(portrait.dim(), (64, 64, 3));
///
/// let (faces, identities) = world.portraits(100..103, 4, [64, 64]);
/// assert_eq!(faces.dim(), (12, 64, 64, 3));
/// assert_eq!(identities, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SyntheticFaces {
    /// Another seed is another world with other people.
    pub seed: u64,
}

impl SyntheticFaces {
    /// The world of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// One picture of one person, 8-bit RGB.
    ///
    /// # Shapes
    /// `size` is `[height, width]`; the result is `[height, width, 3]`. The face fills the shorter side.
    ///
    /// # Panics
    /// If the height or the width is 0.
    #[track_caller]
    pub fn portrait(&self, identity: u64, picture: u64, size: [usize; 2]) -> Array3<u8> {
        let mut portrait = Array3::zeros((size[0], size[1], 3));
        assert!(!portrait.is_empty(), "a portrait needs a height and a width of at least 1, not {size:?}");
        let pixels = portrait.as_slice_mut().expect("a new array is contiguous");
        self.paint(&Identity::draw(self.seed, identity), identity, picture, size, pixels);
        portrait
    }

    /// Pictures `0..per_person` of each of `people`, painted on all threads of the current rayon pool, with the
    /// identity of each.
    ///
    /// Identities are dense: the first person is 0, the second 1. The portraits are those of
    /// [`SyntheticFaces::portrait`].
    ///
    /// # Shapes
    /// `[people * per_person, height, width, 3]`, person by person, and `people * per_person` identities.
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
            let identity = people.start + (index / per_person) as u64;
            let who = Identity::draw(self.seed, identity);
            self.paint(&who, identity, (index % per_person) as u64, size, pixels);
        });
        (portraits, (0..count * per_person).map(|index| index / per_person).collect())
    }

    /// Paints from the background to what is in front of the face, then lights, blurs and develops.
    fn paint(&self, who: &Identity, identity: u64, picture: u64, size: [usize; 2], pixels: &mut [u8]) {
        let how = &Picture::draw(self.seed, identity, picture);
        let canvas = &mut Canvas::new(size, how.camera);
        scene::paint_backdrop(canvas, how);
        canvas.clear_subject();
        hair::paint_back(canvas, who, how);
        head::paint_body(canvas, who, how);
        head::paint_ears(canvas, who, how);
        head::paint_skin(canvas, who, how);
        scene::paint_forehead_shadow(canvas, who, how);
        head::paint_beard(canvas, who, how);
        features::paint_mouth(canvas, who, how);
        features::paint_eyes(canvas, who, how);
        features::paint_brows(canvas, who, how);
        features::paint_nose(canvas, who, how);
        hair::paint_front(canvas, who, how);
        if let Some(glasses) = who.glasses.as_ref().filter(|_| how.shows_glasses(who)) {
            features::paint_glasses(canvas, who, how, glasses);
        }
        scene::paint_occlusion(canvas, who, how);
        scene::shine(canvas, who, how);
        let radius = how.blur * size[0].min(size[1]) as f32;
        if radius > 0.1 {
            canvas.blur(radius);
        }
        let mut noise = vec![0; 4 * pixels.len()];
        Draw::new(self.seed, identity, Purpose::Sensor, picture).bytes(&mut noise);
        canvas.develop(&noise, how.noise, pixels);
    }
}
