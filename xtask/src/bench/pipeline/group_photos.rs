//! Photos like those of a phone, made of portraits at hand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use facenet_data::{Crop, encode_jpeg, escape_path, photos_below, read_image};
use ndarray::{Array3, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::Normal;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Height and width: 12 megapixels.
const SIZE: [usize; 2] = [3000, 4000];
/// Number of portraits on a photo, the side of each in pixels, and where they are: rows and columns.
const PORTRAITS: usize = 5;
const PORTRAIT_SIDE: usize = 450;
const PLACES: [[usize; 2]; PORTRAITS] = [[300, 150], [1700, 900], [500, 1600], [1900, 2300], [400, 3100]];
/// Standard deviation of the sensor noise, in levels. Enlarged portraits have little detail of their own.
const NOISE: f32 = 5.0;
const QUALITY: u8 = 90;

/// Writes group photos of 12 megapixels to a folder: five portraits of different people, enlarged, before a wall of
/// colored stripes.
pub(super) fn write_group_photos(count: usize, data: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let folder = data.join("photos/krasserm_lfw10");
    let portraits = photos_below(&folder).map(|contents| contents.photos).unwrap_or_default();
    ensure!(portraits.len() >= PORTRAITS, "{} is missing; pass photos of your own", escape_path(&folder));
    let write = |number: usize| -> Result<PathBuf> {
        let mut photo = Array3::from_shape_fn((SIZE[0], SIZE[1], 3), |(row, column, channel)| {
            (90 + 20 * channel + (column / 37 + number) % 5 * 9 + row / 60) as u8
        });
        for (place, [top, left]) in PLACES.into_iter().enumerate() {
            // Portraits of a person follow each other.
            let index = (number + place * portraits.len() / PORTRAITS) % portraits.len();
            // Without most of the other people around.
            let center = Crop::Center { fraction: 0.6 };
            let portrait = center.apply(read_image(&portraits[index])?.view(), [PORTRAIT_SIDE; 2]);
            photo.slice_mut(s![top..top + PORTRAIT_SIDE, left..left + PORTRAIT_SIDE, ..]).assign(&portrait);
        }
        let mut generator = ChaCha8Rng::seed_from_u64(number as u64);
        let noise = Normal::new(0.0, NOISE).context("a standard deviation")?;
        let noise = Array3::random_using(photo.raw_dim(), noise, &mut generator);
        photo.zip_mut_with(&noise, |level, noise| *level = (f32::from(*level) + noise) as u8);
        let path = out.join(format!("{number:03}.jpg"));
        fs::write(&path, encode_jpeg(photo.view(), QUALITY))?;
        Ok(path)
    };
    (0..count).into_par_iter().map(write).collect()
}
