#![doc = include_str!("../README.md")]

mod augmentation;
mod crop;
mod decode;
mod encode;
mod error;
mod face_set;
mod jpeg_segments;
mod lfw;
mod load;
mod natural_order;
mod regular_file;
mod shown;
mod synthetic;

pub use augmentation::{Augmentation, AugmentationKey};
pub use crop::Crop;
pub use decode::{MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, decode_picture, read_picture};
pub use encode::encode_jpeg;
pub use error::Error;
pub use face_set::{FaceSet, PICTURE_EXTENSIONS};
pub use lfw::{ListedPerson, ListedPicture, Pair, PairList, PeopleList};
pub use load::{DEFAULT_MEMORY_LIMIT, LoadOptions, load_faces};
pub use natural_order::natural_order;
pub use regular_file::open_regular_file;
pub use shown::shown;
pub use synthetic::SyntheticFaces;
