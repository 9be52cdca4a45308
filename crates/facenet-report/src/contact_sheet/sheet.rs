//! The contents of a contact sheet.

use std::path::PathBuf;

use facenet_metrics::ClusteringReport;
use facenet_recognition::Face;

use crate::provenance::Provenance;

/// Groups of faces, each taken for a person, as a page.
#[derive(Clone, Copy, Debug)]
pub struct ContactSheet<'a> {
    /// The faces that were found.
    pub faces: &'a [SheetFace],
    /// The groups in the order of the page: indices of faces, at least one each.
    pub clusters: &'a [Vec<usize>],
    /// The faces that are in no group, since they are not reliable and resemble nobody.
    pub apart: &'a [usize],
    /// The photos without a face, each with the reason.
    pub without_faces: &'a [(SheetPhoto, String)],
    /// What could not be read: names, each with the reason.
    pub unread: &'a [(String, String)],
    /// What was passed over: names, each with the reason.
    pub passed_over: &'a [(String, String)],
    /// What was run.
    pub run: &'a SheetRun,
}

/// A photo of a contact sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetPhoto {
    /// The name to show.
    pub name: String,
    /// The path of the photo relative to the page, separated by `/`.
    pub link: String,
}

/// A face of a contact sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetFace {
    /// The file of its photo.
    pub path: PathBuf,
    /// Its photo, for this face: a photo with several people has a link for each.
    pub photo: SheetPhoto,
    /// Where the face is.
    pub face: Face,
}

/// The run that grouped the faces of a contact sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetRun {
    /// What was run, when, by which program and on which machine.
    pub provenance: Provenance,
    /// The folder of the photos.
    pub folder: String,
    /// Number of photos that were read.
    pub photos: usize,
    /// Number of files in the folder that are not images.
    pub other_files: usize,
    /// The embedding network.
    pub network: String,
    /// The hash of its weights.
    pub weights_sha256: String,
    /// How the faces were grouped.
    pub method: String,
    /// The agreement of the groups with folders that are named after people, if there are any, over the most
    /// central face of each photo.
    pub agreement: Option<ClusteringReport>,
    /// The time it took, in seconds.
    pub seconds: f64,
}
