//! What a contact sheet shows.

use std::path::PathBuf;

use facenet_metrics::ClusteringReport;
use facenet_recognition::{Portrait, PortraitReader};

use crate::provenance::Provenance;

/// All that the page shows.
#[derive(Clone, Copy, Debug)]
pub struct ContactSheet<'a> {
    /// The pictures that were grouped.
    pub pictures: &'a [SheetPicture],
    /// The groups, in the order in which they are shown: numbers of pictures, at least one.
    pub clusters: &'a [Vec<usize>],
    /// The pictures that could not be read: names and why.
    pub unread: &'a [(String, String)],
    /// Cuts the faces out again.
    pub reader: &'a PortraitReader,
    /// What was run.
    pub run: &'a SheetRun,
}

/// A picture of a contact sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetPicture {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called.
    pub name: String,
    /// Where the page finds it: a path that begins beside the page, its parts separated by `/`.
    pub link: String,
    /// How its face is cut out.
    pub portrait: Portrait,
}

/// What made the groups of a contact sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetRun {
    /// The command, when and where.
    pub provenance: Provenance,
    /// The folder whose pictures they are.
    pub folder: String,
    /// The network that embedded them.
    pub network: String,
    /// The hash of its numbers.
    pub weights_sha256: String,
    /// How they were grouped.
    pub method: String,
    /// How well the groups are what people had sorted before, if they had.
    pub agreement: Option<ClusteringReport>,
    /// How long it took.
    pub seconds: f64,
}
