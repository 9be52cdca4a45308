//! Five points of a face, and lists of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::lines::{Line, is_name, read_text};
use crate::similarity::mean;

/// Five points of a face as `[x, y]` in pixels, x to the right and y down; the centre of the upper left pixel is
/// `[0, 0]`.
///
/// In order: the eye on the left side of the picture, the eye on its right side, the tip of the nose, the left and the
/// right corner of the mouth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Landmarks(pub [[f32; 2]; 5]);

impl Landmarks {
    /// The points moved by `[x, y]` pixels.
    #[must_use]
    pub fn shifted(&self, [x, y]: [f32; 2]) -> Self {
        Self(self.0.map(|point| [point[0] + x, point[1] + y]))
    }

    /// Whether their middle lies in a picture of `[height, width]`.
    #[must_use]
    pub fn lie_in(&self, [height, width]: [usize; 2]) -> bool {
        let [x, y] = mean(&self.points());
        (-0.5..=width as f64 - 0.5).contains(&x) && (-0.5..=height as f64 - 0.5).contains(&y)
    }

    pub(crate) fn points(&self) -> [[f64; 2]; 5] {
        self.0.map(|point| point.map(f64::from))
    }
}

/// Landmarks that a list gives for one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListedLandmarks {
    /// The points.
    pub landmarks: Landmarks,
    /// Line of the list, from 1.
    pub line: usize,
}

/// A list of landmarks: on each line the path of a picture and ten numbers, x and y of each of the five points, with tabs
/// between them, or with spaces where there is no tab.
///
/// Paths are relative, with `/` between folders: `Name/Name_0001.jpg`.
#[derive(Clone, Debug, PartialEq)]
pub struct LandmarkList {
    /// The list itself, as errors name it.
    pub path: PathBuf,
    /// Landmarks by the path of their picture.
    pub pictures: BTreeMap<String, ListedLandmarks>,
}

impl LandmarkList {
    /// The farthest that a coordinate may be from 0, in pixels.
    pub const FARTHEST: f32 = 100_000.0;

    /// Reads a list.
    ///
    /// # Errors
    /// If the file can't be read, and as [`LandmarkList::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&read_text(path)?, path)
    }

    /// Parses the text of a list; `path` names it in errors.
    ///
    /// # Errors
    /// If a line is not a path and ten numbers from minus to plus [`LandmarkList::FARTHEST`], or a picture occurs twice.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut pictures = BTreeMap::new();
        for line in Line::split(text, path) {
            let (picture, landmarks) = row(&line)
                .ok_or_else(|| line.error("the path of a picture and ten numbers, each from -100000 to 100000"))?;
            let listed = ListedLandmarks { landmarks, line: line.number };
            if pictures.insert(picture.to_owned(), listed).is_some() {
                return Err(Error::RepeatedPicture {
                    list: path.to_owned(),
                    line: line.number,
                    picture: picture.to_owned(),
                });
            }
        }
        Ok(Self { path: path.to_owned(), pictures })
    }

    /// The landmarks of a picture, by its path within the folder that the list speaks of; `None` if it has no line.
    #[must_use]
    pub fn get(&self, picture: &Path) -> Option<Landmarks> {
        let parts: Option<Vec<&str>> = picture.iter().map(|part| part.to_str()).collect();
        self.pictures.get(&parts?.join("/")).map(|listed| listed.landmarks)
    }
}

fn row<'a>(line: &Line<'a>) -> Option<(&'a str, Landmarks)> {
    let fields = line.fields();
    let (&picture, numbers) = fields.split_first()?;
    let numbers: [&str; 10] = numbers.try_into().ok()?;
    let mut points = [[0.0; 2]; 5];
    for (coordinate, number) in points.as_flattened_mut().iter_mut().zip(numbers) {
        *coordinate = number.parse().ok()?;
        if !(-LandmarkList::FARTHEST..=LandmarkList::FARTHEST).contains(coordinate) {
            return None;
        }
    }
    picture.split('/').all(is_name).then_some((picture, Landmarks(points)))
}
