//! `cargo xtask identify`: who of some known people is on a picture, or nobody of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use facenet::{Candidate, Gallery};
use facenet_data::{pictures_below, shown};
use indicatif::HumanCount;
use serde::Serialize;

use crate::arguments::print;
use crate::portraits::{Note, PortraitArguments, Portraits, embed, notes, notes_text, squared_distance};
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
    /// The squared distance to a person's nearest picture up to which it is that person, 0 to 4 [default: as far as it is
    /// more likely than not, by the network's calibration and the number of people]
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
    /// How likely the answer is right; none if the threshold is one's own.
    confidence: Option<f64>,
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
    let enrolled = enrolled(&arguments.gallery)?;
    let probes = probes(&arguments.probes)?;
    let mut portraits = arguments.portraits.read()?;
    ensure!(
        arguments.threshold.is_some() || portraits.calibration.is_some(),
        "nothing tells what distances of this network mean: say by --threshold up to which it is one person"
    );
    let pictures: Vec<PathBuf> = enrolled.keys().cloned().collect();
    let known = embed(&mut portraits.embedder, &pictures)?;
    let (known_doubts, known_unread) = notes(&known, &arguments.gallery);
    let names: Vec<&String> = known.pictures.iter().map(|picture| &enrolled[picture]).collect();
    let mut people = names.clone();
    people.dedup();
    ensure!(!people.is_empty(), "no picture of {} could be read", shown(&arguments.gallery));
    let number: BTreeMap<&String, usize> = people.iter().enumerate().map(|(number, name)| (*name, number)).collect();
    let gallery = Gallery::new(known.embeddings, names.iter().map(|name| number[name]).collect());
    let unknown = embed(&mut portraits.embedder, &probes)?;
    let (mut doubts, mut unread) = notes(&unknown, Path::new(""));
    doubts.splice(..0, known_doubts);
    unread.splice(..0, known_unread);
    let candidates = gallery.candidates(unknown.embeddings.view());
    let answer = |(picture, candidates): (&PathBuf, &Vec<Candidate>)| {
        let nearest = candidates[0];
        let name = people[nearest.person].clone();
        let (is_known, confidence) = judge(candidates, arguments.threshold, &portraits);
        let nearest = Nearest {
            person: name.clone(),
            picture: shown(&known.pictures[nearest.picture]),
            squared_distance: nearest.squared_distance.into(),
        };
        Answer { picture: shown(picture), person: is_known.then_some(name), confidence, nearest }
    };
    let answers: Vec<Answer> = unknown.pictures.iter().zip(&candidates).map(answer).collect();
    let report = Report {
        network: portraits.embedder.description().name.clone(),
        people: people.len(),
        gallery_pictures: known.pictures.len(),
        agreement_with_folders: agreement(&answers, &unknown.pictures, &people),
        probes: answers,
        doubts,
        unread,
        seconds: start.elapsed().as_secs_f64(),
    };
    print(arguments.portraits.json, &report, &text(&report))?;
    match report.unread.len() {
        0 => Ok(()),
        unread => bail!("{unread} of {} pictures could not be read", pictures.len() + probes.len()),
    }
}

/// Whether a probe is the nearest person, and how sure that is.
fn judge(candidates: &[Candidate], threshold: Option<f64>, portraits: &Portraits) -> (bool, Option<f64>) {
    let distances: Vec<f64> = candidates.iter().map(|candidate| candidate.squared_distance.into()).collect();
    match (threshold, portraits.calibration) {
        (None, Some(calibration)) => {
            let posteriors = calibration.posteriors(&distances);
            let nobody = 1.0 - posteriors.iter().sum::<f64>();
            let is_known = posteriors[0] >= nobody;
            (is_known, Some(if is_known { posteriors[0] } else { nobody }))
        }
        (threshold, _) => (threshold.is_some_and(|threshold| distances[0] <= threshold), None),
    }
}

/// The pictures of each person's folder, and what they are called.
fn enrolled(gallery: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut enrolled = BTreeMap::new();
    for picture in pictures_below(gallery)? {
        let person = picture.strip_prefix(gallery).ok().and_then(|within| {
            let mut parts = within.components();
            let person = parts.next()?;
            parts.next().map(|_| shown(person.as_os_str()))
        });
        if let Some(person) = person {
            enrolled.insert(picture, person);
        }
    }
    ensure!(!enrolled.is_empty(), "{} holds no folders with pictures, one for each person", shown(gallery));
    Ok(enrolled)
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

fn agreement(answers: &[Answer], pictures: &[PathBuf], people: &[&String]) -> Option<Agreement> {
    let folder = |picture: &PathBuf| picture.parent().and_then(Path::file_name).map(shown);
    let known = answers.iter().zip(pictures).filter_map(|(answer, picture)| {
        let person = folder(picture)?;
        people.contains(&&person).then_some((answer, person))
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
    for Answer { picture, person, confidence, nearest } in &report.probes {
        let sure = confidence.map_or_else(String::new, |confidence| format!(", {}", percent(confidence)));
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
        "among {} people, {} pictures, by {}; {:.1} s\n",
        HumanCount(report.people as u64),
        HumanCount(report.gallery_pictures as u64),
        report.network,
        report.seconds
    );
    if let Some(Agreement { probes, rank1, named_rightly, named_wrongly }) = report.agreement_with_folders {
        text += &format!(
            "{probes} probes lie in folders called as enrolled people: {:.1} % are nearest to that person, {:.1} % are named so, {:.1} % are named as another\n",
            100.0 * rank1,
            100.0 * named_rightly,
            100.0 * named_wrongly
        );
    }
    text
}
