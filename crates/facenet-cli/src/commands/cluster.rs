//! `facenet cluster`: which images show the same person?

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use clap::error::ErrorKind;
use facenet_data::{Error, escape_path, images_below};
use facenet_recognition::{Cut, Dbscan, FaceSourceCounts, Grouping, Linkage, grouping_agreement};
use facenet_report::{ContactSheet, Provenance, SheetImage, SheetRun};
use serde::Serialize;

use crate::PROGRAM;
use crate::arguments::clustering_method::{ClusteringMethod, linkage_name};
use crate::arguments::portraits::{PortraitArguments, Portraits, embed};
use crate::arguments::squared_distance::{MAX_SQUARED_DISTANCE, dissimilarity};
use crate::output::command_line::command_line;
use crate::output::face_counts::aligned_or_cropped;
use crate::output::file_names::file_names;
use crate::output::new_folder::NewFolder;
use crate::output::notes::{Note, count, notes_text};
use crate::output::print::print;
use crate::output::progress_bar::Bar;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The folder of images of one face each, at any depth
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The algorithm [default: k-means with --people, else average]
    #[arg(long, value_name = "METHOD")]
    method: Option<ClusteringMethod>,
    /// Number of people
    #[arg(long, value_name = "K", conflicts_with = "cut", value_parser = clap::value_parser!(u32).range(1..))]
    people: Option<u32>,
    /// The squared distance of two groups up to which they are merged, or the squared distance of two
    /// images up to which DBSCAN takes them for neighbors, 0 to 4; more only for Ward linkage [default
    /// for average linkage: by the network's calibration]
    #[arg(long, value_name = "D", value_parser = dissimilarity)]
    cut: Option<f32>,
    /// Number of neighbors, itself included, that make an image the core of a group, for DBSCAN [default:
    /// 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    min_points: Option<u32>,
    /// Seed of k-means [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Copy the images into the folders of the people instead of linking them
    #[arg(long)]
    copies: bool,
    /// The new folder for the outputs [default: runs/cluster/NAME for a DIR called NAME, numbered
    /// if it exists]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    portraits: PortraitArguments,
}

/// The output files.
const PAGE: &str = "index.html";
const TABLE: &str = "clusters.csv";
const PEOPLE: &str = "people";
/// The folder of groups of one image. Outside [`PEOPLE`], so that the latter can serve as a
/// gallery.
const ALONE: &str = "alone";

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
    #[serde(rename = "pictures")]
    images: usize,
    cluster_count: usize,
    /// Number of clusters of one image.
    alone: usize,
    #[serde(rename = "framings", serialize_with = "aligned_or_cropped")]
    sources: FaceSourceCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement_with_folders: Option<Agreement>,
    #[serde(rename = "doubts")]
    warnings: Vec<Note>,
    unread: Vec<Note>,
    clusters: Vec<Vec<String>>,
    page: String,
    folder: String,
    seconds: f64,
}

/// The agreement of groups and folders.
#[derive(Serialize)]
struct Agreement {
    folders: usize,
    bcubed_f: f64,
    bcubed_precision: f64,
    bcubed_recall: f64,
}

/// How an image is put into the folder of a person.
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

    fn place(self, image: &Path, target: &Path) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::Link => std::os::unix::fs::symlink(image, target),
            Self::Copy => fs::copy(image, target).map(|_| ()),
        }
    }
}

/// Groups the images, writes the folders and the page, prints the groups.
///
/// # Errors
///
/// If an image or a network can't be read, an output can't be written, or there is neither a
/// calibration nor a cut nor a number of people.
pub fn command(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    let requested = arguments.grouping()?;
    let provenance = Provenance::now(command_line("facenet"), PROGRAM);
    let folder = &arguments.folder;
    let root = fs::canonicalize(folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    let out = NewFolder::of_command(arguments.out.as_deref(), "cluster", &root)?;
    let images = images_below(folder)?;
    ensure!(!images.is_empty(), "there are no images below {}", escape_path(folder));
    let Portraits { mut embedder, calibration } = arguments.portraits.read(&[folder])?;
    let hidden = out.begin()?;
    let grouping = match requested {
        Some(grouping) => grouping,
        None => {
            Grouping::calibrated(&calibration.context("this network has no calibration; pass --people K or --cut D")?)
        }
    };
    grouping.check(images.len())?;
    let embedded = embed(&mut embedder, &images)?;
    if !embedded.images.is_empty() {
        grouping.check(embedded.images.len())?;
    }
    let bar = Bar::new();
    bar.spin("grouping");
    let groups = grouping.groups(embedded.embeddings.view());
    bar.clear();
    let groups = groups?;

    let below = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_owned();
    let paths: Vec<PathBuf> = embedded.images.iter().map(|path| below(path)).collect();
    let agreement = grouping_agreement(&groups, &paths)?;
    let folders = people_folders(&groups, paths.len());
    let names = file_names(paths.iter().map(PathBuf::as_path));
    let sheet_images: Vec<SheetImage> = (0..paths.len())
        .map(|index| SheetImage {
            path: embedded.images[index].clone(),
            name: name(&paths[index]),
            link: format!("{}/{}", folders[index], names[index]),
            portrait: embedded.portraits[index],
        })
        .collect();
    let unread: Vec<(String, String)> =
        embedded.unread.iter().map(|unread| (name(&below(&unread.path)), unread.error.to_string())).collect();
    let run = SheetRun {
        provenance,
        folder: escape_path(folder),
        network: embedder.description().name.clone(),
        weights_sha256: embedder.weights_sha256().to_owned(),
        method: grouping.to_string(),
        agreement,
        seconds: started.elapsed().as_secs_f64(),
    };
    let sheet = ContactSheet {
        images: &sheet_images,
        clusters: &groups,
        unread: &unread,
        reader: embedder.reader(),
        run: &run,
    };
    let placing = Placing::new(arguments.copies);
    for (image, path) in sheet_images.iter().zip(&paths) {
        let target = hidden.path().join(&image.link);
        let placed = match target.parent() {
            Some(parent) => fs::create_dir_all(parent).and_then(|()| placing.place(&root.join(path), &target)),
            None => Ok(()),
        };
        placed.map_err(|source| Error::Write { path: PathBuf::from(&image.link), source })?;
    }
    for (file, content) in [(TABLE, table(&sheet)?), (PAGE, sheet.html().into_bytes())] {
        fs::write(hidden.path().join(file), content).map_err(|source| Error::Write { path: file.into(), source })?;
    }
    let out = out.finish(hidden)?;

    let report = report(&sheet, grouping, &out, started);
    print(arguments.portraits.json, &report, &text(&report, placing)?)?;
    let failed = report.unread.len();
    ensure!(failed == 0, "{failed} of {} images could not be read; the others are grouped", images.len());
    Ok(())
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

/// The folder of each image: numbered for groups of several images.
fn people_folders(groups: &[Vec<usize>], images: usize) -> Vec<String> {
    let digits = groups.len().to_string().len().max(3);
    let mut folders = vec![String::new(); images];
    for (index, group) in groups.iter().enumerate() {
        let folder = match group.len() {
            1 => ALONE.to_owned(),
            _ => format!("{PEOPLE}/{:0digits$}", index + 1),
        };
        group.iter().for_each(|&image| folders[image].clone_from(&folder));
    }
    folders
}

/// The CSV table with a row per image; unreadable images have no cluster.
fn table(sheet: &ContactSheet<'_>) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["picture", "cluster", "framing", "faces", "doubt"])?;
    for (index, group) in sheet.clusters.iter().enumerate() {
        for image in group.iter().map(|&image| &sheet.images[image]) {
            let cells = [image.name.clone(), (index + 1).to_string()];
            table.write_record(cells.into_iter().chain(image.portrait.cells()))?;
        }
    }
    for (name, reason) in sheet.unread {
        table.write_record([name, "", "", "", reason])?;
    }
    Ok(table.into_inner()?)
}

fn report(sheet: &ContactSheet<'_>, grouping: Grouping, out: &Path, started: Instant) -> Report {
    let warning = |image: &SheetImage| {
        image.portrait.warning().map(|warning| Note { image: image.name.clone(), reason: warning.to_string() })
    };
    let agreement = sheet.run.agreement.as_ref().map(|report| Agreement {
        folders: report.identities,
        bcubed_f: report.bcubed_f,
        bcubed_precision: report.bcubed_precision,
        bcubed_recall: report.bcubed_recall,
    });
    let unread = sheet.unread.iter().cloned().map(|(image, reason)| Note { image, reason });
    let names = |group: &Vec<usize>| group.iter().map(|&image| sheet.images[image].name.clone()).collect();
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
        images: sheet.images.len(),
        cluster_count: sheet.clusters.len(),
        alone: sheet.clusters.iter().filter(|group| group.len() == 1).count(),
        sources: sheet.images.iter().map(|image| image.portrait.source).collect(),
        agreement_with_folders: agreement,
        warnings: sheet.images.iter().filter_map(warning).collect(),
        unread: unread.collect(),
        clusters: sheet.clusters.iter().map(names).collect(),
        page: escape_path(&out.join(PAGE)),
        folder: escape_path(out),
        seconds: started.elapsed().as_secs_f64(),
    }
}

fn text(report: &Report, placing: Placing) -> Result<String> {
    let mut text = format!(
        "{}, {} by {}; {:.1} s\n",
        count(report.images, "image", "images"),
        count(report.cluster_count, "person", "people"),
        report.network,
        report.seconds
    );
    let several = report.clusters.iter().map(Vec::len).filter(|&size| size > 1);
    let sizes: Vec<String> = several.clone().take(MAX_LISTED).map(|size| size.to_string()).collect();
    if !sizes.is_empty() {
        let more = several.count() - sizes.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(text, "images per person: {}{more}", sizes.join(", "))?;
    }
    if let Some(people) = report.people.filter(|&people| people > report.cluster_count) {
        writeln!(text, "fewer than the {people} people asked for: some images have equal embeddings")?;
    }
    if report.alone > 0 {
        writeln!(text, "in one image only: {}", count(report.alone, "person", "people"))?;
    }
    writeln!(text, "{}", report.sources)?;
    if let Some(Agreement { folders, bcubed_f, bcubed_precision, bcubed_recall }) = report.agreement_with_folders {
        writeln!(
            text,
            "agreement with the {folders} folders: B-cubed F {bcubed_f:.3}, precision {bcubed_precision:.3}, recall {bcubed_recall:.3}"
        )?;
    }
    text += &notes_text(&report.warnings, &report.unread);
    let what = match placing {
        #[cfg(unix)]
        Placing::Link => "links to",
        Placing::Copy => "copies of",
    };
    writeln!(text, "\nopen {} in a browser", report.page)?;
    writeln!(text, "{what} the images of each person are in {}", escape_path(&Path::new(&report.folder).join(PEOPLE)))?;
    Ok(text)
}
