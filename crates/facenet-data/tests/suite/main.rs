//! The tests of the crate, as one program: it is linked once.

mod align;
mod atomic_file;
mod augmentation;
mod damaged_jpeg;
mod decode;
mod face_set;
mod file_system;
mod folder_walk;
mod formats;
mod gallery_folder;
mod landmarks;
mod lfw;
mod load;
mod photos;
mod real_data;
mod synthetic;
#[cfg(unix)]
mod unprivileged;
