#![doc = include_str!("../README.md")]

mod augmentation;
mod crop;
mod decode;
mod encode;
mod error;
mod face_set;
mod lfw;
mod load;
mod natural_order;
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
pub use synthetic::SyntheticFaces;
