//! Where the images named by an LFW list are (Huang et al., UM-CS-2014-003, section on the format
//! of the views).

use std::path::{Path, PathBuf};

use crate::error::Error;

/// The path of an image: `Name/Name_0001.jpg`, or `.png` if there is no such JPEG.
pub(crate) fn image_path(
    images: &Path,
    person: &str,
    number: usize,
    list: &Path,
    line: usize,
) -> Result<PathBuf, Error> {
    let jpeg = images.join(person).join(format!("{person}_{number:04}.jpg"));
    if jpeg.is_file() {
        return Ok(jpeg);
    }
    let png = jpeg.with_extension("png");
    if png.is_file() { Ok(png) } else { Err(Error::MissingImage { list: list.to_owned(), line, path: jpeg }) }
}

pub(crate) fn require_folder(images: &Path) -> Result<(), Error> {
    if images.is_dir() { Ok(()) } else { Err(Error::MissingFolder { path: images.to_owned() }) }
}
