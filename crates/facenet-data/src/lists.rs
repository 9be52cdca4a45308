//! Which images show whom: folders of people, the lists of Labeled Faces in the Wild, landmark
//! lists.

pub(crate) mod face_set;
pub(crate) mod gallery_folder;
pub(crate) mod landmark_list;
mod lfw_images;
mod lines;
pub(crate) mod marked_faces;
pub(crate) mod pair_list;
pub(crate) mod people_list;
