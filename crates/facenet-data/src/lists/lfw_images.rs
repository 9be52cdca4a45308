//! Where the images named by an LFW list are (Huang et al., UM-CS-2014-003, section on the format
//! of the views).

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::name_index::NameIndex;

/// The path of an image: `Name/Name_0001.jpg`, or `.png` if there is no such JPEG. Names on disk may be in any
/// Unicode normalization form.
pub(crate) fn image_path(
    images: &Path,
    person: &str,
    number: usize,
    list: &Path,
    line: usize,
    index: &mut NameIndex,
) -> Result<PathBuf, Error> {
    let names = ["jpg", "png"].map(|extension| format!("{person}_{number:04}.{extension}"));
    let paths = names.each_ref().map(|name| images.join(person).join(name));
    if let Some(path) = paths.iter().find(|path| path.is_file()) {
        return Ok(path.clone());
    }
    let [jpeg, _] = paths;
    names.iter().find_map(|name| index.find_file(images, &[person, name])).ok_or_else(|| Error::MissingImage {
        list: list.to_owned(),
        line,
        path: jpeg,
    })
}

pub(crate) fn require_folder(images: &Path) -> Result<(), Error> {
    if images.is_dir() { Ok(()) } else { Err(Error::MissingFolder { path: images.to_owned() }) }
}
