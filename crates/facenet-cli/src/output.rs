//! What the programs write: results, notes, progress, folders.

pub mod command_line;
pub mod download_progress;
pub mod face_counts;
pub mod file_names;
pub mod new_folder;
pub mod notes;
pub mod plain_text;
pub mod print;
pub mod progress_bar;
