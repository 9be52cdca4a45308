#![doc = include_str!("../README.md")]

mod align;
mod augmentation;
mod crop;
mod decode;
mod encode;
mod error;
mod face_set;
mod jpeg_segments;
mod landmarks;
mod lfw;
mod lines;
mod load;
mod natural_order;
mod picture_reader;
mod pictures;
mod regular_file;
mod shown;
mod similarity;
mod synthetic;

pub use align::{align, warp};
pub use augmentation::{Augmentation, AugmentationKey};
pub use crop::Crop;
pub use decode::{MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, decode_picture, read_picture, read_picture_file};
pub use encode::encode_jpeg;
pub use error::Error;
pub use face_set::FaceSet;
pub use landmarks::{LandmarkList, Landmarks, ListedLandmarks};
pub use lfw::{ListedPerson, ListedPicture, Pair, PairList, PeopleList};
pub use load::{Alignment, Coordinates, DEFAULT_MEMORY_LIMIT, Framing, LoadOptions, load_faces};
pub use natural_order::natural_order;
pub use picture_reader::PictureReader;
pub use pictures::{PICTURE_EXTENSIONS, pictures_below};
pub use regular_file::open_regular_file;
pub use shown::shown;
pub use similarity::Similarity;
pub use synthetic::SyntheticFaces;
