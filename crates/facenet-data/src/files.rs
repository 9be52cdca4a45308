//! The file system: atomic writes, bounded reads of regular files, walking folders, ordering, comparing
//! and printing names.

pub(crate) mod atomic_file;
pub(crate) mod bounded_file;
pub(crate) mod entry;
pub(crate) mod escape_path;
pub(crate) mod folder_contents;
pub(crate) mod folder_identity;
pub(crate) mod folder_walk;
pub(crate) mod name_index;
pub(crate) mod natural_order;
pub(crate) mod normalized_name;
pub(crate) mod regular_file;
