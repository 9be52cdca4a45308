//! Output: results, progress, folders.

pub mod annotated_photos;
pub mod command_line;
pub mod download_progress;
pub mod faces;
pub(crate) mod file_names;
pub(crate) mod new_folder;
pub mod note;
pub(crate) mod notes;
pub(crate) mod plain_text;
pub mod print;
pub mod progress_bar;
