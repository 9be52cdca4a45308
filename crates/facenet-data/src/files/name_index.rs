//! Finding files whose names are written in another Unicode normalization form than on disk.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::files::normalized_name::normalized_name;

/// The names in folders by their normalized form. Each folder is listed at most once.
#[derive(Default)]
pub(crate) struct NameIndex {
    folders: BTreeMap<PathBuf, BTreeMap<String, Vec<OsString>>>,
}

impl NameIndex {
    /// The first file below a folder whose path has components that are equal to these after normalization.
    pub(crate) fn find_file(&mut self, folder: &Path, components: &[&str]) -> Option<PathBuf> {
        let Some((first, rest)) = components.split_first() else {
            return folder.is_file().then(|| folder.to_owned());
        };
        let names = self.names(folder).get(&*normalized_name(first)).cloned().unwrap_or_default();
        names.iter().find_map(|name| self.find_file(&folder.join(name), rest))
    }

    /// What can't be listed contains no names.
    fn names(&mut self, folder: &Path) -> &BTreeMap<String, Vec<OsString>> {
        self.folders.entry(folder.to_owned()).or_insert_with(|| {
            let mut names: BTreeMap<String, Vec<OsString>> = BTreeMap::new();
            for entry in fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
                let name = entry.file_name();
                if let Some(text) = name.to_str() {
                    names.entry(normalized_name(text).into_owned()).or_default().push(name);
                }
            }
            // The order of the operating system is arbitrary.
            names.values_mut().for_each(|names| names.sort_unstable());
            names
        })
    }
}
