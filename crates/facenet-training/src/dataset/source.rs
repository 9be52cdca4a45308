//! Where a data set comes from.

use std::path::PathBuf;

use facenet_data::escape_path;

use crate::dataset::synthetic::SyntheticSize;

/// Where a data set comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatasetSource {
    /// People who do not exist, painted; no data needed. The first numbers of the world of that seed are the training
    /// people, the next the validation people, the last the unseen ones.
    Synthetic(SyntheticSize),
    /// The faces of AT&T (ORL), in `orl/data_faces`: people `s1` to `s30` to train and validate on, `s31` to
    /// `s40` unseen.
    Orl,
    /// The same forty people as published from Olivetti, 64 x 64 pixels each, in `olivetti`: divided as [`Orl`](Self::Orl) is.
    Olivetti,
    /// View 1 of Labeled Faces in the Wild, in `lfw/images` and `lfw/protocol`: the people of `peopleDevTrain.txt`
    /// to train and validate on, those of `peopleDevTest.txt` unseen, with the pairs of `pairsDevTest.txt`.
    ///
    /// Pictures are the originals of 250 x 250 or their middle 160 x 160. They are aligned if the list of landmarks
    /// `lfw/lfw_landmark_5pt_mtcnn_raw250.txt` is there, which is in pixels of the originals.
    Lfw,
    /// The same with the funneled pictures, in `lfw-funneled/images` and `lfw-funneled/protocol`. They were warped, so that
    /// landmarks of the originals do not fit, and are cropped.
    LfwFunneled,
    /// A folder of its own, wherever it is, with a folder of pictures for each person. The last quarter of the people in
    /// [natural order](facenet_data::natural_order), rounded and at least 2, stays unseen. It may hold a list of landmarks,
    /// `landmarks.txt`, in pixels of its pictures.
    Folder(PathBuf),
}

impl DatasetSource {
    /// What the data set is called: `orl`, or the name of the folder.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Synthetic(_) => "synthetic".to_owned(),
            Self::Orl => "orl".to_owned(),
            Self::Olivetti => "olivetti".to_owned(),
            Self::Lfw => "lfw".to_owned(),
            Self::LfwFunneled => "lfw-funneled".to_owned(),
            // `..` and `/` have no name of their own.
            Self::Folder(folder) => folder.file_name().map_or_else(|| "folder".to_owned(), escape_path),
        }
    }
}
