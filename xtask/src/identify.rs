//! `cargo xtask identify`: who of some known people is on a picture, or nobody of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use facenet::{Gallery, Identification, Likely, PortraitFraming};
use facenet_data::{FaceSet, pictures_below, shown};
use serde::Serialize;

use crate::arguments::print;
use crate::portraits::{
    Note, PortraitArguments, count, embed, how, is_calibrated, notes, notes_text, squared_distance,
};
use crate::verify::percent;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// The people who are known: a folder with a folder of pictures for each
    #[arg(value_name = "GALLERY_DIR")]
    gallery: PathBuf,
    /// Pictures of one face each, or folders with such
    #[arg(value_name = "PROBE", required = true)]
    probes: Vec<PathBuf>,
    /// The squared distance to a person's nearest picture up to which it is that person, 0 to 4 [default: the most likely
    /// person if that is likelier than nobody of them, by the network's calibration]
    #[arg(long, value_name = "D", value_parser = squared_distance)]
    threshold: Option<f64>,
    #[command(flatten)]
    portraits: PortraitArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    people: usize,
    gallery_pictures: usize,
    probes: Vec<Answer>,
    doubts: Vec<Note>,
    unread: Vec<Note>,
    /// Where probes lie in folders that are called as people of the gallery: how often that is the answer.
    agreement_with_folders: Option<Agreement>,
    seconds: f64,
}

#[derive(Serialize)]
struct Answer {
    picture: String,
    /// Who it is; none of them if null.
    person: Option<String>,
    /// How likely the answer is right; none if the threshold is one's own, or the face is not aligned though the network asks
    /// for it.
    confidence: Option<f64>,
    framing: PortraitFraming,
    nearest: Nearest,
}

#[derive(Serialize)]
struct Nearest {
    person: String,
    picture: String,
    squared_distance: f64,
}

#[derive(Serialize)]
struct Agreement {
    probes: usize,
    /// The share whose nearest person is that of their folder.
    rank1: f64,
    /// The share of which that is the answer.
    named_rightly: f64,
    /// The share of which the answer is somebody else.
    named_wrongly: f64,
}

/// Enrolls the people and names the probes.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = std::time::Instant::now();
    let enrolled = FaceSet::from_gallery(&arguments.gallery)?;
    let probes = probes(&arguments.probes)?;
    let folders = arguments.probes.iter().chain([&arguments.gallery]).map(PathBuf::as_path);
    let mut portraits = arguments.portraits.read(&folders.collect::<Vec<_>>())?;
    let calibration = match arguments.threshold {
        Some(_) => None,
        None => Some(portraits.calibration.context(
            "nothing tells what distances of this network mean: say by --threshold up to which it is one person",
        )?),
    };
    let known = embed(&mut portraits.embedder, &enrolled.pictures)?;
    let identity: BTreeMap<&PathBuf, usize> =
        enrolled.pictures.iter().zip(enrolled.identities.iter().copied()).collect();
    let identities: Vec<usize> = known.pictures.iter().map(|picture| identity[picture]).collect();
    ensure!(!identities.is_empty(), "no picture of {} could be read", shown(&arguments.gallery));
    let people: BTreeSet<usize> = identities.iter().copied().collect();
    let (known_doubts, known_unread) = notes(&known, Path::new(""));
    let gallery = Gallery::new(known.embeddings, &identities);
    let unknown = embed(&mut portraits.embedder, &probes)?;
    let (mut doubts, mut unread) = notes(&unknown, Path::new(""));
    doubts.splice(..0, known_doubts);
    unread.splice(..0, known_unread);
    let found = gallery.identify(unknown.embeddings.view(), calibration.as_ref());
    let answers: Vec<Answer> = unknown
        .pictures
        .iter()
        .zip(&unknown.portraits)
        .zip(found)
        .map(|((picture, portrait), found)| {
            let (person, confidence) = judge(&found, arguments.threshold);
            Answer {
                picture: shown(picture),
                person: person.map(|person| enrolled.people[person].clone()),
                confidence: confidence.filter(|_| is_calibrated(&portraits.embedder, portrait)),
                framing: portrait.framing,
                nearest: Nearest {
                    person: enrolled.people[found.nearest].clone(),
                    picture: shown(&known.pictures[found.picture]),
                    squared_distance: found.squared_distance.into(),
                },
            }
        })
        .collect();
    let names: BTreeSet<&str> = people.iter().map(|&person| &*enrolled.people[person]).collect();
    let report = Report {
        network: portraits.embedder.description().name.clone(),
        people: people.len(),
        gallery_pictures: known.pictures.len(),
        agreement_with_folders: agreement(&answers, &unknown.pictures, &names),
        probes: answers,
        doubts,
        unread,
        seconds: start.elapsed().as_secs_f64(),
    };
    print(arguments.portraits.json, &report, &text(&report))?;
    match report.unread.len() {
        0 => Ok(()),
        unread => bail!("{unread} of {} pictures could not be read", enrolled.pictures.len() + probes.len()),
    }
}

/// Who it is, or nobody, and how likely that is.
fn judge(found: &Identification, threshold: Option<f64>) -> (Option<usize>, Option<f64>) {
    match (threshold, found.likely) {
        (None, Some(Likely { person, probability, nobody })) if probability >= nobody => {
            (Some(person), Some(probability))
        }
        (None, Some(Likely { nobody, .. })) => (None, Some(nobody)),
        (threshold, _) => {
            let is_near = threshold.is_some_and(|threshold| f64::from(found.squared_distance) <= threshold);
            (is_near.then_some(found.nearest), None)
        }
    }
}

/// The pictures that are asked about.
fn probes(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut probes = Vec::new();
    for path in given {
        if path.is_dir() {
            let pictures = pictures_below(path)?;
            ensure!(!pictures.is_empty(), "{} holds no pictures", shown(path));
            probes.extend(pictures);
        } else {
            probes.push(path.clone());
        }
    }
    Ok(probes)
}

fn agreement(answers: &[Answer], pictures: &[PathBuf], people: &BTreeSet<&str>) -> Option<Agreement> {
    let folder = |picture: &PathBuf| picture.parent().and_then(Path::file_name).map(shown);
    let known = answers.iter().zip(pictures).filter_map(|(answer, picture)| {
        let person = folder(picture)?;
        people.contains(&*person).then_some((answer, person))
    });
    let known: Vec<(&Answer, String)> = known.collect();
    let share = |matches: &dyn Fn(&Answer, &String) -> bool| {
        known.iter().filter(|(answer, person)| matches(answer, person)).count() as f64 / known.len() as f64
    };
    (!known.is_empty()).then(|| Agreement {
        probes: known.len(),
        rank1: share(&|answer, person| answer.nearest.person == *person),
        named_rightly: share(&|answer, person| answer.person.as_ref() == Some(person)),
        named_wrongly: share(&|answer, person| answer.person.as_ref().is_some_and(|name| name != person)),
    })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for Answer { picture, person, confidence, framing, nearest } in &report.probes {
        let sure = confidence.map_or_else(String::new, |confidence| format!(", {}", percent(confidence)));
        let sure = if *framing == PortraitFraming::CenterCrop { format!("{sure}, {}", how(*framing)) } else { sure };
        let Nearest { person: name, picture: near, squared_distance } = nearest;
        text += &match person {
            Some(person) => format!("{picture}: {person}{sure} (squared distance {squared_distance:.3} to {near})\n"),
            None => {
                format!("{picture}: unknown{sure} (the nearest is {name}, squared distance {squared_distance:.3})\n")
            }
        };
    }
    text += &notes_text(&report.doubts, &report.unread);
    text += &format!(
        "\namong {} with {}, by {}; {:.1} s\n",
        count(report.people, "person", "people"),
        count(report.gallery_pictures, "picture", "pictures"),
        report.network,
        report.seconds
    );
    if let Some(Agreement { probes, rank1, named_rightly, named_wrongly }) = report.agreement_with_folders {
        text += &format!(
            "of {} in folders called as enrolled people {:.1} % are nearest to that person, {:.1} % are named so, {:.1} % are named as another\n",
            count(probes, "probe", "probes"),
            100.0 * rank1,
            100.0 * named_rightly,
            100.0 * named_wrongly
        );
    }
    text
}
