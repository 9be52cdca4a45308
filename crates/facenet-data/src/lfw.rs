//! The lists of Labeled Faces in the Wild (Huang et al., UM-CS-2014-003, section on the format of its views), and
//! lists written like them.

mod pairs;
mod people;

use std::path::{Path, PathBuf};

pub use pairs::{ListedPicture, Pair, PairList};
pub use people::{ListedPerson, PeopleList};

use crate::Error;

/// Where a picture that a list names lies: `Name/Name_0001.jpg`, or `.png` if there is no such JPEG.
fn picture_path(images: &Path, person: &str, number: usize, list: &Path, line: usize) -> Result<PathBuf, Error> {
    let jpeg = images.join(person).join(format!("{person}_{number:04}.jpg"));
    if jpeg.is_file() {
        return Ok(jpeg);
    }
    let png = jpeg.with_extension("png");
    if png.is_file() { Ok(png) } else { Err(Error::MissingPicture { list: list.to_owned(), line, path: jpeg }) }
}

fn require_directory(images: &Path) -> Result<(), Error> {
    if images.is_dir() { Ok(()) } else { Err(Error::MissingDirectory { path: images.to_owned() }) }
}
