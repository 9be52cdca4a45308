//! Loading a data set.

use std::path::Path;

use facenet_data::{Crop, Landmarks};
use facenet_network::Description;

use crate::dataset::image_folder::Request;
use crate::dataset::labeled_faces::Dataset;
use crate::dataset::source::DatasetSource;
use crate::dataset::{folder, lfw, synthetic};
use crate::error::Error;

/// Loads a data set for a network.
///
/// Images with known landmarks are aligned to the template of the network's
/// [`Preprocessing`](facenet_network::Preprocessing). The crop applies to all others, and to all
/// images if the network has no template.
#[derive(Clone, Copy)]
pub struct DatasetLoader<'a> {
    source: &'a DatasetSource,
    data: &'a Path,
    crop: Crop,
    template: Option<Landmarks>,
    size: [usize; 2],
    seed: u64,
    progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

impl<'a> DatasetLoader<'a> {
    /// Faces of `[height, width]` from `source`: whole images, data sets below `data/`, seed 0.
    #[must_use]
    pub fn new(source: &'a DatasetSource, size: [usize; 2]) -> Self {
        let data = Path::new("data");
        Self { source, data, crop: Crop::Whole, template: None, size, seed: 0, progress: None }
    }

    /// Faces as a network expects them: of its input size, aligned to its template if it has one.
    #[must_use]
    pub fn for_network(source: &'a DatasetSource, network: &Description) -> Self {
        Self::new(source, network.input).template(network.preprocessing.template)
    }

    /// The folder that holds the folders `orl`, `olivetti`, `lfw` and `lfw-funneled`.
    #[must_use]
    pub fn data(self, data: &'a Path) -> Self {
        Self { data, ..self }
    }

    /// The region of an image that is the face, if it is not aligned by landmarks.
    #[must_use]
    pub fn crop(self, crop: Crop) -> Self {
        Self { crop, ..self }
    }

    /// The five landmarks of an aligned face, `[x, y]` in pixels of the face. Without a template no
    /// image is aligned.
    #[must_use]
    pub fn template(self, template: Option<[[f32; 2]; 5]>) -> Self {
        Self { template: template.map(Landmarks), ..self }
    }

    /// Seed of the synthetic people and of the sampled pairs.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Called with the number of faces loaded and their total, from any thread.
    #[must_use]
    pub fn progress(self, progress: &'a (dyn Fn(usize, usize) + Sync)) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Loads all groups on all threads; the result does not depend on the number of threads.
    ///
    /// Pairs are all genuine pairs and as many impostor pairs (see
    /// [`balanced_pairs`](facenet_metrics::balanced_pairs)), except for LFW's unseen people, whose
    /// pairs are listed. In data sets of image files the last tenth of the people not unseen, at
    /// least 4 and at most 400 (of fewer than twelve a third, at least 2), are the validation people, with
    /// at most 10 images each.
    ///
    /// # Errors
    ///
    /// If a folder, a list or an image is missing or unreadable ([`Error::Data`]), or the people
    /// are too few or not those expected: each group needs two people, one of them with two images.
    ///
    /// # Panics
    ///
    /// If the size holds a 0.
    pub fn load(&self) -> Result<Dataset, Error> {
        let Self { data, size, seed, progress, .. } = *self;
        let name = self.source.name();
        let request = Request { crop: &self.crop, template: self.template, size, progress };
        match self.source {
            DatasetSource::Synthetic(counts) => synthetic::load(counts, size, seed, progress),
            DatasetSource::Orl => folder::load_cambridge(&name, &data.join("orl").join("data_faces"), request, seed),
            DatasetSource::Olivetti => folder::load_cambridge(&name, &data.join("olivetti"), request, seed),
            DatasetSource::Lfw => lfw::load(&data.join(&name), request, seed),
            DatasetSource::LfwFunneled => lfw::load_funneled(&data.join(&name), request, seed),
            DatasetSource::Folder(folder) => folder::load(&name, folder, request, seed),
        }
    }
}
