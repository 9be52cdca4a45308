//! `facenet cluster`: which images show the same person?

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use facenet_data::{Error, escape_path, images_below};
use facenet_recognition::{FaceSourceCounts, Grouping, grouping_agreement};
use facenet_report::{ContactSheet, Provenance, SheetPicture, SheetRun};
use serde::Serialize;

use crate::PROGRAM;
use crate::arguments::common::squared_distance;
use crate::arguments::portraits::{PortraitArguments, Portraits, embed};
use crate::output::command_line::command_line;
use crate::output::face_counts::aligned_or_cropped;
use crate::output::file_names::file_names;
use crate::output::new_folder::NewFolder;
use crate::output::notes::{Note, count, notes_text};
use crate::output::print::print;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The folder: pictures of one face each, anywhere below it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// There are so many people: k-means
    #[arg(long, value_name = "K", conflicts_with = "cut", value_parser = clap::value_parser!(u32).range(1..))]
    people: Option<u32>,
    /// Pictures are of one person up to this squared distance, 0 to 4, on average: agglomerative clustering
    #[arg(long, value_name = "D", value_parser = squared_distance)]
    cut: Option<f64>,
    /// Decides the random draws of --people
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people", conflicts_with = "cut")]
    seed: u64,
    /// Put copies of the pictures into the people's folders, not symbolic links
    #[arg(long)]
    copies: bool,
    /// Where the people's folders and the page go, a new folder [default: runs/cluster/ and the name of DIR, with a number
    /// behind it if that is there]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    portraits: PortraitArguments,
}

/// The files that are written.
const PAGE: &str = "index.html";
const TABLE: &str = "clusters.csv";
const PEOPLE: &str = "people";
/// The folder of those who are alone in their group: none of the people's, who may be taken for a gallery.
const ALONE: &str = "alone";

/// The most names and sizes of a list that the text shows.
const LISTED: usize = 10;

#[derive(Serialize)]
struct Report {
    network: String,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    people: Option<usize>,
    pictures: usize,
    cluster_count: usize,
    /// How many of them are one picture.
    alone: usize,
    #[serde(serialize_with = "aligned_or_cropped")]
    framings: FaceSourceCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement_with_folders: Option<Agreement>,
    doubts: Vec<Note>,
    unread: Vec<Note>,
    clusters: Vec<Vec<String>>,
    page: String,
    folder: String,
    seconds: f64,
}

/// How well groups and folders are the same.
#[derive(Serialize)]
struct Agreement {
    folders: usize,
    bcubed_f: f64,
    bcubed_precision: f64,
    bcubed_recall: f64,
}

/// How a picture comes into a person's folder.
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

    fn place(self, picture: &Path, target: &Path) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::Link => std::os::unix::fs::symlink(picture, target),
            Self::Copy => fs::copy(picture, target).map(|_| ()),
        }
    }
}

/// Groups the images, writes the folders and the page, prints the groups.
///
/// # Errors
///
/// If images, networks or outputs can't be read or written, or nothing says where to cut.
pub fn command(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    let provenance = Provenance::now(command_line("facenet"), PROGRAM);
    let folder = &arguments.folder;
    let root = fs::canonicalize(folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    let out = NewFolder::of_command(arguments.out.as_deref(), "cluster", &root)?;
    let pictures = images_below(folder)?;
    ensure!(!pictures.is_empty(), "there are no images below {}", escape_path(folder));
    let Portraits { mut embedder, calibration } = arguments.portraits.read(&[folder])?;
    let made = out.begin()?;
    let grouping = match (arguments.people, arguments.cut) {
        (Some(people), _) => Grouping::People { people: people as usize, seed: arguments.seed },
        (None, Some(cut)) => Grouping::Cut(cut as f32),
        (None, None) => {
            Grouping::calibrated(&calibration.context("this network has no calibration; pass --people K or --cut D")?)
        }
    };
    grouping.check(pictures.len())?;
    let embedded = embed(&mut embedder, &pictures)?;
    if !embedded.images.is_empty() {
        grouping.check(embedded.images.len())?;
    }
    let groups = grouping.groups(embedded.embeddings.view())?;

    let below = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_owned();
    let paths: Vec<PathBuf> = embedded.images.iter().map(|path| below(path)).collect();
    let agreement = grouping_agreement(&groups, &paths)?;
    let folders = people_folders(&groups, paths.len());
    let names = file_names(paths.iter().map(PathBuf::as_path));
    let sheet_pictures: Vec<SheetPicture> = (0..paths.len())
        .map(|index| SheetPicture {
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
        pictures: &sheet_pictures,
        clusters: &groups,
        unread: &unread,
        reader: embedder.reader(),
        run: &run,
    };
    let placing = Placing::new(arguments.copies);
    for (picture, path) in sheet_pictures.iter().zip(&paths) {
        let target = made.path().join(&picture.link);
        let placed = match target.parent() {
            Some(parent) => fs::create_dir_all(parent).and_then(|()| placing.place(&root.join(path), &target)),
            None => Ok(()),
        };
        placed.map_err(|source| Error::Write { path: PathBuf::from(&picture.link), source })?;
    }
    for (file, content) in [(TABLE, table(&sheet)?), (PAGE, sheet.html().into_bytes())] {
        fs::write(made.path().join(file), content).map_err(|source| Error::Write { path: file.into(), source })?;
    }
    let out = out.finish(made)?;

    let report = report(&sheet, grouping, &out, started);
    print(arguments.portraits.json, &report, &text(&report, placing)?)?;
    let failed = report.unread.len();
    ensure!(failed == 0, "{failed} of {} images could not be read; the others are grouped", pictures.len());
    Ok(())
}

/// A path below the folder as text; what is no text in it is escaped.
fn name(path: &Path) -> String {
    path.to_str().map_or_else(|| escape_path(path), str::to_owned)
}

/// The folder of each picture: a number among the people's for those who are in several pictures.
fn people_folders(groups: &[Vec<usize>], pictures: usize) -> Vec<String> {
    let digits = groups.len().to_string().len().max(3);
    let mut folders = vec![String::new(); pictures];
    for (index, group) in groups.iter().enumerate() {
        let folder = match group.len() {
            1 => ALONE.to_owned(),
            _ => format!("{PEOPLE}/{:0digits$}", index + 1),
        };
        group.iter().for_each(|&picture| folders[picture].clone_from(&folder));
    }
    folders
}

/// A row for each picture; those that could not be read are in no cluster.
fn table(sheet: &ContactSheet<'_>) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["picture", "cluster", "framing", "faces", "doubt"])?;
    for (index, group) in sheet.clusters.iter().enumerate() {
        for picture in group.iter().map(|&picture| &sheet.pictures[picture]) {
            let cells = [picture.name.clone(), (index + 1).to_string()];
            table.write_record(cells.into_iter().chain(picture.portrait.cells()))?;
        }
    }
    for (name, reason) in sheet.unread {
        table.write_record([name, "", "", "", reason])?;
    }
    Ok(table.into_inner()?)
}

fn report(sheet: &ContactSheet<'_>, grouping: Grouping, out: &Path, started: Instant) -> Report {
    let doubt = |picture: &SheetPicture| {
        picture.portrait.warning().map(|doubt| Note { picture: picture.name.clone(), reason: doubt.to_string() })
    };
    let agreement = sheet.run.agreement.as_ref().map(|report| Agreement {
        folders: report.identities,
        bcubed_f: report.bcubed_f,
        bcubed_precision: report.bcubed_precision,
        bcubed_recall: report.bcubed_recall,
    });
    let unread = sheet.unread.iter().cloned().map(|(picture, reason)| Note { picture, reason });
    let names = |group: &Vec<usize>| group.iter().map(|&picture| sheet.pictures[picture].name.clone()).collect();
    let (people, cut) = match grouping {
        Grouping::People { people, .. } => (Some(people), None),
        Grouping::Cut(cut) => (None, Some(cut)),
    };
    Report {
        network: sheet.run.network.clone(),
        method: grouping.method(),
        cut,
        people,
        pictures: sheet.pictures.len(),
        cluster_count: sheet.clusters.len(),
        alone: sheet.clusters.iter().filter(|group| group.len() == 1).count(),
        framings: sheet.pictures.iter().map(|picture| picture.portrait.source).collect(),
        agreement_with_folders: agreement,
        doubts: sheet.pictures.iter().filter_map(doubt).collect(),
        unread: unread.collect(),
        clusters: sheet.clusters.iter().map(names).collect(),
        page: escape_path(&out.join(PAGE)),
        folder: escape_path(out),
        seconds: started.elapsed().as_secs_f64(),
    }
}

fn text(report: &Report, placing: Placing) -> Result<String> {
    let pictures = |number| count(number, "picture", "pictures");
    let people = count(report.cluster_count, "person", "people");
    let mut text = format!("{} of {people}, as far as {} can tell", pictures(report.pictures), report.network);
    writeln!(text, ", {:.1} s", report.seconds)?;
    let several = report.clusters.iter().map(Vec::len).filter(|&size| size > 1);
    let sizes: Vec<String> = several.clone().take(LISTED).map(|size| size.to_string()).collect();
    if !sizes.is_empty() {
        let more = several.count() - sizes.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(text, "in several pictures: {}{more}", sizes.join(", "))?;
    }
    if report.alone > 0 {
        writeln!(text, "in one picture only: {}", count(report.alone, "person", "people"))?;
    }
    writeln!(text, "{}", report.framings)?;
    if let Some(Agreement { folders, bcubed_f, bcubed_precision, bcubed_recall }) = report.agreement_with_folders {
        writeln!(
            text,
            "if the {folders} folders are people: B-cubed F {bcubed_f:.3}, precision {bcubed_precision:.3}, recall {bcubed_recall:.3}"
        )?;
    }
    text += &notes_text(&report.doubts, &report.unread);
    let things = match placing {
        #[cfg(unix)]
        Placing::Link => "links to",
        Placing::Copy => "copies of",
    };
    writeln!(text, "\n{} shows them in a browser", report.page)?;
    writeln!(
        text,
        "{} has a folder of {things} pictures for each person",
        escape_path(&Path::new(&report.folder).join(PEOPLE))
    )?;
    Ok(text)
}
