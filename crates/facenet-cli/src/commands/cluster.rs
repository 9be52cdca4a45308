//! `facenet cluster`: who is on which photos of a folder?

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use clap::error::ErrorKind;
use facenet_data::{Error, escape_path};
use facenet_metrics::ClusteringReport;
use facenet_recognition::{
    Cut, Dbscan, EmbeddedPhotos, Face, FaceSourceCounts, Grouping, Groups, Linkage, ReadPhoto, grouping_agreement,
};
use facenet_report::{ContactSheet, Provenance, SheetFace, SheetPhoto, SheetRun};
use serde::Serialize;

use crate::PROGRAM;
use crate::arguments::clustering_method::{ClusteringMethod, linkage_name};
use crate::arguments::found_photos::FoundPhotos;
use crate::arguments::photos::PhotoArguments;
use crate::arguments::squared_distance::{MAX_SQUARED_DISTANCE, dissimilarity};
use crate::arguments::threads::set_threads;
use crate::output::command_line::command_line;
use crate::output::faces::{FaceReport, aligned_or_cropped};
use crate::output::file_names::file_names;
use crate::output::new_folder::NewFolder;
use crate::output::note::Note;
use crate::output::notes::{Notes, count, missing_face};
use crate::output::print::print;
use crate::output::progress_bar::Bar;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The folder of photos, at any depth
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The algorithm [default: k-means with --people, else average]
    #[arg(long, value_name = "METHOD")]
    method: Option<ClusteringMethod>,
    /// Number of people
    #[arg(long, value_name = "K", conflicts_with = "cut", value_parser = clap::value_parser!(u32).range(1..))]
    people: Option<u32>,
    /// The squared distance of two groups up to which they are merged, or the squared distance of two
    /// faces up to which DBSCAN takes them for neighbors, 0 to 4; more only for Ward linkage [default
    /// for average linkage: by the network's calibration]
    #[arg(long, value_name = "D", value_parser = dissimilarity)]
    cut: Option<f32>,
    /// Number of neighbors, itself included, that make a face the core of a group, for DBSCAN [default:
    /// 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    min_points: Option<u32>,
    /// Seed of k-means [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Let faces that may not be recognized start groups of their own, too
    #[arg(long)]
    all_faces: bool,
    /// Copy the photos into the folders of the people instead of linking them
    #[arg(long)]
    copies: bool,
    /// The new folder for the outputs [default: runs/cluster/NAME for a DIR called NAME, numbered
    /// if it exists]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    photos: PhotoArguments,
}

/// The output files.
const PAGE: &str = "index.html";
const TABLE: &str = "clusters.csv";
const PEOPLE: &str = "people";
/// The folders of photos of groups of one face, of faces in no group, and without faces. Outside [`PEOPLE`],
/// so that the latter can serve as a gallery.
const ALONE: &str = "alone";
const UNRELIABLE: &str = "unreliable";
const NO_FACE: &str = "no_face";

/// Limit on the sizes of groups that are printed.
const MAX_LISTED: usize = 10;

#[derive(Serialize)]
struct Report {
    network: String,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    linkage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    people: Option<usize>,
    /// Of DBSCAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_points: Option<usize>,
    /// Of k-means.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    photos: usize,
    face_count: usize,
    cluster_count: usize,
    /// Number of clusters of one face.
    alone: usize,
    /// Number of faces in no cluster.
    unreliable: usize,
    #[serde(rename = "framings", serialize_with = "aligned_or_cropped")]
    sources: FaceSourceCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement_with_folders: Option<Agreement>,
    #[serde(flatten)]
    notes: Notes,
    /// The photos of each cluster.
    clusters: Vec<Vec<String>>,
    faces: Vec<ClusteredFace>,
    without_faces: Vec<String>,
    page: String,
    folder: String,
    seconds: f64,
}

/// A face and its cluster.
#[derive(Serialize)]
struct ClusteredFace {
    #[serde(flatten)]
    face: FaceReport,
    /// From 1; `null` if it is in none.
    cluster: Option<usize>,
}

/// The agreement of groups and folders over the most central face of each photo, and over all faces.
#[derive(Clone, Copy, Serialize)]
struct Agreement {
    folders: usize,
    bcubed_f: f64,
    bcubed_precision: f64,
    bcubed_recall: f64,
    all_faces: BCubed,
}

#[derive(Clone, Copy, Serialize)]
struct BCubed {
    bcubed_f: f64,
    bcubed_precision: f64,
    bcubed_recall: f64,
}

impl Agreement {
    fn new(central: &ClusteringReport, all: &ClusteringReport) -> Self {
        Self {
            folders: central.identities,
            bcubed_f: central.bcubed_f,
            bcubed_precision: central.bcubed_precision,
            bcubed_recall: central.bcubed_recall,
            all_faces: BCubed {
                bcubed_f: all.bcubed_f,
                bcubed_precision: all.bcubed_precision,
                bcubed_recall: all.bcubed_recall,
            },
        }
    }
}

/// How a photo is put into the folder of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placing {
    #[cfg(unix)]
    Link,
    Copy,
}

impl Placing {
    fn new(copies: bool) -> Self {
        #[cfg(unix)]
        if !copies {
            return Self::Link;
        }
        let _ = copies;
        Self::Copy
    }

    fn place(self, photo: &Path, target: &Path) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::Link => std::os::unix::fs::symlink(photo, target),
            Self::Copy => fs::copy(photo, target).map(|_| ()),
        }
    }
}

/// Groups the faces, writes the folders and the page, prints the groups.
///
/// # Errors
///
/// If a photo or a network can't be read, an output can't be written, or there is neither a
/// calibration nor a cut nor a number of people.
pub fn command(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    let requested = arguments.grouping()?;
    set_threads(arguments.photos.threads)?;
    let provenance = Provenance::now(command_line("facenet"), PROGRAM);
    let folder = &arguments.folder;
    let root = fs::canonicalize(folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    let out = NewFolder::of_command(arguments.out.as_deref(), "cluster", &root)?;
    let found = FoundPhotos::below(folder, folder)?;
    let mut networks = arguments.photos.read(&[folder])?;
    let hidden = out.begin()?;
    let grouping = match requested {
        Some(grouping) => grouping,
        None => Grouping::calibrated(
            &networks.calibration.context("this network has no calibration; pass --people K or --cut D")?,
        ),
    };
    let embedded = networks.embed(&found.photos)?;
    let reliable: Vec<bool> = embedded.faces.iter().map(|face| arguments.all_faces || face.is_reliable()).collect();
    let bar = Bar::new();
    bar.spin("grouping");
    let calibration = networks.calibration.as_ref();
    let groups = grouping.groups_of_reliable(embedded.embeddings.view(), &reliable, calibration);
    bar.clear();
    let groups = groups?;

    let placed = PlacedPhotos::new(&embedded, &groups, folder);
    let agreement = placed.agreement(&embedded, &groups)?;
    let notes = Notes::new(found, &embedded, folder);
    let pairs = |notes: &[Note]| -> Vec<(String, String)> {
        notes.iter().map(|Note { photo, reason }| (photo.clone(), reason.clone())).collect()
    };
    let (unread, passed_over) = (pairs(&notes.unread), pairs(&notes.passed_over));
    let run = SheetRun {
        provenance,
        folder: escape_path(folder),
        photos: embedded.photos.len(),
        other_files: notes.other_files,
        network: networks.embedder.description().name.clone(),
        weights_sha256: networks.embedder.weights_sha256().to_owned(),
        method: grouping.to_string(),
        agreement: agreement.clone().map(|(central, _)| central),
        seconds: started.elapsed().as_secs_f64(),
    };
    let sheet = ContactSheet {
        faces: &placed.faces,
        clusters: &groups.groups,
        apart: &groups.apart,
        without_faces: &placed.without_faces,
        unread: &unread,
        passed_over: &passed_over,
        run: &run,
    };
    let placing = Placing::new(arguments.copies);
    for (link, path) in &placed.links {
        let target = hidden.path().join(link);
        let result = match target.parent() {
            Some(parent) => {
                fs::create_dir_all(parent).and_then(|()| placing.place(&root.join(below(path, folder)), &target))
            }
            None => Ok(()),
        };
        result.map_err(|source| Error::Write { path: PathBuf::from(link), source })?;
    }
    for (file, content) in [(TABLE, table(&sheet, &notes)?), (PAGE, sheet.html().into_bytes())] {
        fs::write(hidden.path().join(file), content).map_err(|source| Error::Write { path: file.into(), source })?;
    }
    let out = out.finish(hidden)?;

    let agreement = agreement.as_ref().map(|(central, all)| Agreement::new(central, all));
    let report = report(&sheet, notes, agreement, grouping, &out, started);
    print(arguments.photos.json, &report, &text(&report, placing)?)?;
    let failed = report.notes.unread.len();
    ensure!(
        failed == 0,
        "{failed} of {} photos or folders could not be read; the others are grouped",
        report.photos + failed
    );
    Ok(())
}

/// Where photos go: with each of their people.
struct PlacedPhotos {
    faces: Vec<SheetFace>,
    without_faces: Vec<(SheetPhoto, String)>,
    /// Path below the output folder, and the photo.
    links: BTreeMap<String, PathBuf>,
    /// The path of each photo relative to the folder.
    paths: Vec<PathBuf>,
}

impl PlacedPhotos {
    fn new(embedded: &EmbeddedPhotos, groups: &Groups, folder: &Path) -> Self {
        let paths: Vec<PathBuf> = embedded.photos.iter().map(|photo| below(&photo.path, folder).to_owned()).collect();
        let names = file_names(paths.iter().map(PathBuf::as_path));
        let folders = people_folders(groups, embedded.faces.len());
        let mut links = BTreeMap::new();
        let mut place = |folder: &str, photo: usize| {
            let link = format!("{folder}/{}", names[photo]);
            // A person who is on a photo twice has one link to it.
            links.insert(link.clone(), embedded.photos[photo].path.clone());
            SheetPhoto { name: name(&paths[photo]), link }
        };
        let face = |(face, folder): (&Face, &String)| SheetFace {
            path: embedded.photos[face.photo].path.clone(),
            photo: place(folder, face.photo),
            face: *face,
        };
        let faces = embedded.faces.iter().zip(&folders).map(face).collect();
        let empty = |(_, photo): &(usize, &ReadPhoto)| photo.faces.is_empty();
        let without_faces = embedded.photos.iter().enumerate().filter(empty);
        let without_faces = without_faces.map(|(index, photo)| (place(NO_FACE, index), missing_face(photo))).collect();
        Self { faces, without_faces, links, paths }
    }

    /// The agreement with folders over the most central face of each photo, and over all faces.
    fn agreement(
        &self,
        embedded: &EmbeddedPhotos,
        groups: &Groups,
    ) -> Result<Option<(ClusteringReport, ClusteringReport)>> {
        let central: Vec<_> = embedded.central_faces().into_iter().zip(self.paths.iter().cloned()).collect();
        let all = embedded.faces.iter().enumerate().map(|(row, face)| (Some(row), self.paths[face.photo].clone()));
        let central = grouping_agreement(&groups.groups, &central)?;
        Ok(central.zip(grouping_agreement(&groups.groups, &all.collect::<Vec<_>>())?))
    }
}

/// The path relative to the folder.
fn below<'a>(path: &'a Path, folder: &Path) -> &'a Path {
    path.strip_prefix(folder).unwrap_or(path)
}

impl Arguments {
    /// The grouping asked for; `None` for average linkage with the network's calibration.
    ///
    /// # Errors
    ///
    /// A usage error for options that don't go together.
    fn grouping(&self) -> Result<Option<Grouping>> {
        let default = if self.people.is_some() { ClusteringMethod::KMeans } else { ClusteringMethod::Average };
        let method = self.method.unwrap_or(default);
        let name = method.to_possible_value().expect("no value is hidden");
        let name = name.get_name();
        let usage_error = |kind, reason: String| Err(clap::Error::raw(kind, reason + "\n").into());
        let conflict = |reason| usage_error(ErrorKind::ArgumentConflict, reason);
        let missing = |reason: &str| usage_error(ErrorKind::MissingRequiredArgument, format!("{name} {reason}"));
        let (people, cut) = (self.people.map(|people| people as usize), self.cut);
        if self.seed.is_some() && method != ClusteringMethod::KMeans {
            return conflict(format!("--seed is for k-means; {name} draws nothing at random"));
        }
        if self.min_points.is_some() && method != ClusteringMethod::Dbscan {
            return conflict("--min-points is for --method dbscan".to_owned());
        }
        if method != ClusteringMethod::Ward && cut.is_some_and(|cut| cut > MAX_SQUARED_DISTANCE) {
            return conflict(format!(
                "{name} takes a --cut from 0 to 4: squared distances of embeddings are not larger"
            ));
        }
        let Some(linkage) = method.linkage() else {
            return match (method, people, cut) {
                (ClusteringMethod::KMeans, Some(people), _) => {
                    Ok(Some(Grouping::KMeans { people, seed: self.seed.unwrap_or(0) }))
                }
                (ClusteringMethod::KMeans, None, Some(_)) => {
                    conflict("k-means takes --people K, not --cut D".to_owned())
                }
                (ClusteringMethod::KMeans, None, None) => missing("needs --people K"),
                (_, Some(_), _) => conflict("dbscan takes --cut D, not --people K".to_owned()),
                (_, None, Some(squared_tolerance)) if squared_tolerance > 0.0 => {
                    let min_points = self.min_points.unwrap_or(2) as usize;
                    Ok(Some(Grouping::Dbscan(Dbscan { squared_tolerance, min_points })))
                }
                (_, None, _) => missing("needs --cut D, above 0"),
            };
        };
        let cut = match (people, cut) {
            (Some(people), _) => Cut::Clusters(people),
            (None, Some(cut)) => Cut::SquaredDistance(cut),
            (None, None) if linkage == Linkage::Average => return Ok(None),
            (None, None) => return missing("needs --cut D or --people K: the calibration is for average linkage"),
        };
        Ok(Some(Grouping::Agglomerative { linkage, cut }))
    }
}

/// A path as text, escaped unless it is UTF-8.
fn name(path: &Path) -> String {
    path.to_str().map_or_else(|| escape_path(path), str::to_owned)
}

/// The folder of the photo of each face: numbered for groups of several faces.
fn people_folders(groups: &Groups, faces: usize) -> Vec<String> {
    let digits = groups.groups.len().to_string().len().max(3);
    let mut folders = vec![UNRELIABLE.to_owned(); faces];
    for (index, group) in groups.groups.iter().enumerate() {
        let folder = match group.len() {
            1 => ALONE.to_owned(),
            _ => format!("{PEOPLE}/{:0digits$}", index + 1),
        };
        group.iter().for_each(|&face| folders[face].clone_from(&folder));
    }
    folders
}

/// The CSV table with a row per face; photos without faces and what was not read have no cluster.
fn table(sheet: &ContactSheet<'_>, notes: &Notes) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["photo", "cluster"].into_iter().chain(Face::COLUMNS))?;
    let mut write = |index: usize, cluster: String| {
        let SheetFace { photo, face, .. } = &sheet.faces[index];
        table.write_record([photo.name.clone(), cluster].into_iter().chain(face.cells()))
    };
    for (cluster, group) in sheet.clusters.iter().enumerate() {
        for &index in group {
            write(index, (cluster + 1).to_string())?;
        }
    }
    for &index in sheet.apart {
        write(index, String::new())?;
    }
    let mut without_face = |photo: &str, reason: &str| {
        let empty = std::iter::repeat_n("", Face::COLUMNS.len() - 1);
        table.write_record([photo, ""].into_iter().chain(empty).chain([reason]))
    };
    for (photo, reason) in sheet.without_faces {
        without_face(&photo.name, reason)?;
    }
    for Note { photo, reason } in notes.unread.iter().chain(&notes.passed_over) {
        without_face(photo, reason)?;
    }
    Ok(table.into_inner()?)
}

fn report(
    sheet: &ContactSheet<'_>,
    notes: Notes,
    agreement: Option<Agreement>,
    grouping: Grouping,
    out: &Path,
    started: Instant,
) -> Report {
    // A person who is on a photo twice has it once.
    let photos = |group: &Vec<usize>| {
        let mut names: Vec<String> = group.iter().map(|&index| sheet.faces[index].photo.name.clone()).collect();
        names.dedup();
        names
    };
    let mut clusters: Vec<Option<usize>> = vec![None; sheet.faces.len()];
    for (cluster, group) in sheet.clusters.iter().enumerate() {
        group.iter().for_each(|&index| clusters[index] = Some(cluster + 1));
    }
    let faces = sheet.faces.iter().zip(clusters).map(|(SheetFace { photo, face, .. }, cluster)| ClusteredFace {
        face: FaceReport::new(photo.name.clone(), face),
        cluster,
    });
    let (linkage, min_points, seed) = match grouping {
        Grouping::Agglomerative { linkage, .. } => (Some(linkage_name(linkage)), None, None),
        Grouping::Dbscan(Dbscan { min_points, .. }) => (None, Some(min_points), None),
        Grouping::KMeans { seed, .. } => (None, None, Some(seed)),
    };
    Report {
        network: sheet.run.network.clone(),
        method: grouping.method(),
        linkage,
        cut: grouping.cut(),
        people: grouping.people(),
        min_points,
        seed,
        photos: sheet.run.photos,
        face_count: sheet.faces.len(),
        cluster_count: sheet.clusters.len(),
        alone: sheet.clusters.iter().filter(|group| group.len() == 1).count(),
        unreliable: sheet.apart.len(),
        sources: sheet.faces.iter().map(|face| face.face.source).collect(),
        agreement_with_folders: agreement,
        notes,
        clusters: sheet.clusters.iter().map(photos).collect(),
        faces: faces.collect(),
        without_faces: sheet.without_faces.iter().map(|(photo, _)| photo.name.clone()).collect(),
        page: escape_path(&out.join(PAGE)),
        folder: escape_path(out),
        seconds: started.elapsed().as_secs_f64(),
    }
}

fn text(report: &Report, placing: Placing) -> Result<String> {
    let mut text = format!(
        "{} on {}, {} by {}; {:.1} s\n",
        count(report.face_count, "face", "faces"),
        count(report.photos, "photo", "photos"),
        count(report.cluster_count, "person", "people"),
        report.network,
        report.seconds
    );
    let several = report.clusters.iter().map(Vec::len).filter(|&size| size > 1);
    let sizes: Vec<String> = several.clone().take(MAX_LISTED).map(|size| size.to_string()).collect();
    if !sizes.is_empty() {
        let more = several.count() - sizes.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(text, "photos per person: {}{more}", sizes.join(", "))?;
    }
    if let Some(people) = report.people.filter(|&people| people > report.cluster_count) {
        writeln!(
            text,
            "fewer than the {people} people asked for: the reliable faces have too few different embeddings"
        )?;
    }
    if report.alone > 0 {
        writeln!(text, "on one photo only: {}", count(report.alone, "person", "people"))?;
    }
    if report.unreliable > 0 {
        writeln!(
            text,
            "in no group, since small, blurred or turned away: {}",
            count(report.unreliable, "face", "faces")
        )?;
    }
    if !report.without_faces.is_empty() {
        writeln!(text, "without a face: {}", count(report.without_faces.len(), "photo", "photos"))?;
    }
    writeln!(text, "{}", report.sources)?;
    if let Some(Agreement { folders, bcubed_f, bcubed_precision, bcubed_recall, all_faces }) =
        report.agreement_with_folders
    {
        writeln!(
            text,
            "agreement with the {folders} folders: B-cubed F {bcubed_f:.3}, precision {bcubed_precision:.3}, recall {bcubed_recall:.3} over the most central face of each photo; F {:.3} over all faces",
            all_faces.bcubed_f
        )?;
    }
    text += &report.notes.text();
    let what = match placing {
        #[cfg(unix)]
        Placing::Link => "links to",
        Placing::Copy => "copies of",
    };
    writeln!(text, "\nopen {} in a browser", report.page)?;
    writeln!(text, "{what} the photos of each person are in {}", escape_path(&Path::new(&report.folder).join(PEOPLE)))?;
    Ok(text)
}
