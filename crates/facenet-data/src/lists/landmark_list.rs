//! Lists of landmarks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::align::landmarks::Landmarks;
use crate::error::Error;
use crate::files::normalized_name::normalized_name;
use crate::lists::lines::{Line, is_path_component, read_text};

/// An entry of a landmark list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListedLandmarks {
    /// The landmarks.
    pub landmarks: Landmarks,
    /// Line number in the list, from 1.
    pub line: usize,
}

/// A list of landmarks. Each line holds the path of an image and ten coordinates, x and y of each
/// of the five points, separated by tabs, or by spaces if the line has no tab.
///
/// Paths are relative, with `/` as separator: `Name/Name_0001.jpg`. They are compared
/// [after Unicode normalization](crate::normalized_name()).
#[derive(Clone, Debug, PartialEq)]
pub struct LandmarkList {
    /// Path of the list, as errors name it.
    pub path: PathBuf,
    /// Landmarks by normalized image path.
    pub images: BTreeMap<String, ListedLandmarks>,
}

impl LandmarkList {
    /// The largest absolute value of a coordinate, in pixels.
    pub const MAX_COORDINATE: f32 = 100_000.0;

    /// Reads a list.
    ///
    /// # Errors
    /// If the file can't be read, and as [`LandmarkList::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&read_text(path)?, path)
    }

    /// Parses a list; `path` names it in errors.
    ///
    /// # Errors
    /// If a line is not a path and ten coordinates of at most [`LandmarkList::MAX_COORDINATE`] in
    /// absolute value, or an image occurs twice.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut images = BTreeMap::new();
        for line in Line::split(text, path) {
            let (image, landmarks) = parse_entry(&line)
                .ok_or_else(|| line.error("an image path and ten coordinates from -100000 to 100000"))?;
            let listed = ListedLandmarks { landmarks, line: line.number };
            if images.insert(normalized_name(image).into_owned(), listed).is_some() {
                return Err(Error::DuplicateImage {
                    list: path.to_owned(),
                    line: line.number,
                    image: image.to_owned(),
                });
            }
        }
        Ok(Self { path: path.to_owned(), images })
    }

    /// The landmarks of an image, given its path relative to the folder of the list's images;
    /// `None` if it is not listed.
    #[must_use]
    pub fn get(&self, image: &Path) -> Option<Landmarks> {
        self.images.get(&Self::key(image)?).map(|listed| listed.landmarks)
    }

    /// The path by which [`LandmarkList::images`] holds an image, given its relative path; `None` if that is
    /// not UTF-8.
    #[must_use]
    pub fn key(image: &Path) -> Option<String> {
        let components: Option<Vec<&str>> = image.iter().map(|component| component.to_str()).collect();
        Some(normalized_name(&components?.join("/")).into_owned())
    }
}

fn parse_entry<'a>(line: &Line<'a>) -> Option<(&'a str, Landmarks)> {
    let fields = line.fields();
    let (&image, coordinates) = fields.split_first()?;
    let coordinates: [&str; 10] = coordinates.try_into().ok()?;
    let mut points = [[0.0; 2]; 5];
    for (coordinate, text) in points.as_flattened_mut().iter_mut().zip(coordinates) {
        *coordinate = text.parse().ok()?;
        if !(-LandmarkList::MAX_COORDINATE..=LandmarkList::MAX_COORDINATE).contains(coordinate) {
            return None;
        }
    }
    image.split('/').all(is_path_component).then_some((image, Landmarks(points)))
}
