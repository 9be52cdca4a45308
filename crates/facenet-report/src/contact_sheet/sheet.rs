//! The contents of a contact sheet.

use std::path::PathBuf;

use facenet_metrics::ClusteringReport;
use facenet_recognition::{Portrait, PortraitReader};

use crate::provenance::Provenance;

/// Groups of images, each taken for a person, as a page.
#[derive(Clone, Copy, Debug)]
pub struct ContactSheet<'a> {
    /// The images that were grouped.
    pub images: &'a [SheetImage],
    /// The groups in the order of the page: indices of images, at least one each.
    pub clusters: &'a [Vec<usize>],
    /// The names of unreadable images, each with the reason.
    pub unread: &'a [(String, String)],
    /// Extracts the faces to show.
    pub reader: &'a PortraitReader,
    /// What was run.
    pub run: &'a SheetRun,
}

/// An image of a contact sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetImage {
    /// The file.
    pub path: PathBuf,
    /// The name to show.
    pub name: String,
    /// The path of the image relative to the page, separated by `/`.
    pub link: String,
    /// How its face was located.
    pub portrait: Portrait,
}

/// The run that grouped the images of a contact sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetRun {
    /// What was run, when, by which program and on which machine.
    pub provenance: Provenance,
    /// The folder of the images.
    pub folder: String,
    /// The embedding network.
    pub network: String,
    /// The hash of its weights.
    pub weights_sha256: String,
    /// How the images were grouped.
    pub method: String,
    /// The agreement of the groups with folders that are named after people, if there are any.
    pub agreement: Option<ClusteringReport>,
    /// The time it took, in seconds.
    pub seconds: f64,
}
