//! Photos with marked faces.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::normalized_name::normalized_name;
use crate::lists::lines::{Line, is_path_component, parse_positive, read_text};

/// A photo with the boxes of its faces.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkedPhoto {
    /// The file name.
    pub name: String,
    /// Height and width of the original, whose proportions the file need not have.
    pub size: [usize; 2],
    /// Left, top, right and bottom of each face, in pixels of the original.
    pub faces: Vec<[f64; 4]>,
}

/// A list of marked faces. For each photo a line `# NAME WIDTH HEIGHT`, with the size of the original, and
/// below it a line `LEFT TOP RIGHT BOTTOM` for each face, in pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkedFaces {
    /// Path of the list, as errors name it.
    pub path: PathBuf,
    /// The photos, in the order of the list.
    pub photos: Vec<MarkedPhoto>,
}

impl MarkedFaces {
    /// Reads a list.
    ///
    /// # Errors
    /// If the file can't be read, and as [`MarkedFaces::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&read_text(path)?, path)
    }

    /// Parses a list; `path` names it in errors.
    ///
    /// # Errors
    /// If a line is malformed, or a photo occurs twice ([after Unicode normalization](crate::normalized_name())).
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut photos: Vec<MarkedPhoto> = Vec::new();
        let mut names = BTreeSet::new();
        for line in Line::split(text, path) {
            match (&*line.fields(), photos.last_mut()) {
                (&["#", name, width, height], _) => {
                    let size = [height, width].map(parse_positive);
                    let ([Some(height), Some(width)], true) = (size, is_path_component(name)) else {
                        return Err(line.error("`#`, the name of a photo, its width and its height"));
                    };
                    if !names.insert(normalized_name(name)) {
                        return Err(Error::DuplicateImage {
                            list: path.to_owned(),
                            line: line.number,
                            image: name.to_owned(),
                        });
                    }
                    photos.push(MarkedPhoto { name: name.to_owned(), size: [height, width], faces: Vec::new() });
                }
                (fields, Some(photo)) => {
                    let numbers: Option<Vec<f64>> = fields
                        .iter()
                        .map(|field| field.parse().ok().filter(|number: &f64| number.is_finite()))
                        .collect();
                    let face = numbers.and_then(|numbers| <[f64; 4]>::try_from(numbers).ok());
                    photo.faces.push(face.ok_or_else(|| line.error("left, top, right and bottom of a face"))?);
                }
                (_, None) => return Err(line.error("`#`, the name of a photo, its width and its height")),
            }
        }
        Ok(Self { path: path.to_owned(), photos })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<MarkedFaces, Error> {
        MarkedFaces::parse(text, Path::new("faces.txt"))
    }

    #[test]
    fn photos_are_followed_by_their_faces() {
        let list = parse("# a.jpg 1024 768\n1 2 30.5 40\n\n5 6 7 8\n# none.jpg 10 20\n").unwrap();
        assert_eq!(list.photos.len(), 2);
        assert_eq!(list.photos[0].size, [768, 1024]);
        assert_eq!(list.photos[0].faces, [[1.0, 2.0, 30.5, 40.0], [5.0, 6.0, 7.0, 8.0]]);
        assert!(list.photos[1].faces.is_empty());
    }

    #[test]
    fn malformed_lines_are_named() {
        for text in [
            "1 2 3 4",
            "# a.jpg 10",
            "# a.jpg 0 10",
            "# ../a.jpg 10 10",
            "# a.jpg 10 10\n1 2 3",
            "# a.jpg 10 10\n1 2 3 NaN",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("faces.txt"), "{text}: {error}");
        }
        for text in ["# a 1 1\n# a 1 1", "# \u{eb} 1 1\n# e\u{308} 1 1"] {
            assert!(matches!(parse(text), Err(Error::DuplicateImage { line: 2, .. })));
        }
    }
}
