//! The source of a data set.

use std::path::PathBuf;

use facenet_data::escape_path;

use crate::dataset::synthetic::SyntheticSize;

/// The source of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatasetSource {
    /// Synthetic people; no files needed. In the order of the world of that seed: training,
    /// validation, unseen people.
    Synthetic(SyntheticSize),
    /// The AT&T (ORL) faces, in `orl/data_faces`: people `s1` to `s30` for training and validation,
    /// `s31` to `s40` unseen.
    Orl,
    /// The same forty people as published by Olivetti, 64 x 64 pixels each, in `olivetti`; split as
    /// [`Orl`](Self::Orl).
    Olivetti,
    /// View 1 of Labeled Faces in the Wild, in `lfw/images` and `lfw/protocol`: the people of
    /// `peopleDevTrain.txt` for training and validation, those of `peopleDevTest.txt` unseen, with
    /// the pairs of `pairsDevTest.txt`.
    ///
    /// Images are the originals of 250 x 250 pixels or their central 160 x 160. They are aligned if
    /// the list of landmarks `lfw/lfw_landmark_5pt_mtcnn_raw250.txt` is present, in pixels of the
    /// originals.
    Lfw,
    /// The same with the funneled images, in `lfw-funneled/images` and `lfw-funneled/protocol`.
    /// They are warped, so landmarks of the originals do not fit: they are cropped.
    LfwFunneled,
    /// A folder anywhere, with a folder of images per person. The last quarter of the people in
    /// [natural order](facenet_data::natural_order), rounded, at least 2, is unseen. It may hold a
    /// list of landmarks, `landmarks.txt`, in pixels of its images.
    Folder(PathBuf),
}

impl DatasetSource {
    /// Name of the data set: `orl`, or the name of the folder.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Synthetic(_) => "synthetic".to_owned(),
            Self::Orl => "orl".to_owned(),
            Self::Olivetti => "olivetti".to_owned(),
            Self::Lfw => "lfw".to_owned(),
            Self::LfwFunneled => "lfw-funneled".to_owned(),
            // `..` and `/` have no file name.
            Self::Folder(folder) => folder.file_name().map_or_else(|| "folder".to_owned(), escape_path),
        }
    }
}
