#![doc = include_str!("../README.md")]

mod align;
mod augment;
mod codec;
mod error;
mod faces;
mod files;
mod lists;
mod synthetic;

pub use align::landmarks::Landmarks;
pub use align::similarity_transform::SimilarityTransform;
pub use align::warp::{align, warp};
pub use augment::augmentation::{Augmentation, AugmentationKey};
pub use codec::bounded_decoder::BoundedDecoder;
pub use codec::decode::{
    MAX_FULL_SCALE_PIXELS, MAX_PHOTO_BYTES, MAX_PHOTO_PIXELS, MAX_PIXELS, MAX_SIDE, Photo, decode_image, decode_photo,
    read_image, read_photo,
};
pub use codec::encode::encode_jpeg;
pub use codec::image_format::{ImageFormat, SIGNATURE_LENGTH};
pub use error::Error;
pub use faces::crop::Crop;
pub use faces::extraction::{Alignment, CoordinateSystem, FaceExtraction};
pub use faces::load::{DEFAULT_MEMORY_LIMIT, LoadOptions, load_faces};
pub use files::atomic_file::{create_private_folder, write_atomically, write_private};
pub use files::bounded_file::{MAX_FILE_BYTES, read_bounded_file};
pub use files::escape_path::escape_path;
pub use files::folder_contents::{FolderContents, PassedOver, PassedOverReason, UnreadableEntry};
pub use files::folder_walk::photos_below;
pub use files::natural_order::natural_order;
pub use files::normalized_name::normalized_name;
pub use files::regular_file::open_regular_file;
pub use lists::face_set::FaceSet;
pub use lists::gallery_folder::GalleryFolder;
pub use lists::landmark_list::{LandmarkList, ListedLandmarks};
pub use lists::marked_faces::{MarkedFaces, MarkedPhoto};
pub use lists::pair_list::{ListedImage, ListedPair, PairList};
pub use lists::people_list::{ListedPerson, PeopleList};
pub use synthetic::synthetic_faces::SyntheticFaces;
