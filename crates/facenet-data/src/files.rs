//! The file system: atomic writes, bounded reads of regular files, listing folders, ordering and
//! printing names.

pub(crate) mod atomic_file;
pub(crate) mod bounded_file;
pub(crate) mod escape_path;
pub(crate) mod folder;
pub(crate) mod image_files;
pub(crate) mod natural_order;
pub(crate) mod regular_file;
