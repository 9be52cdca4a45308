//! `cargo xtask evaluate`: verification scores of a network on published pair lists, detection scores on
//! marked photos.

mod detection;

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use facenet_cli::arguments::detection::DetectionArguments;
use facenet_cli::arguments::threads::set_threads;
use facenet_cli::arguments::weights::ForeignArguments;
use facenet_cli::folders;
use facenet_cli::output::print::print;
use facenet_cli::output::progress_bar::Bar;
use facenet_data::{LandmarkList, PairList, escape_path};
use facenet_network::Network;
use facenet_recognition::{Calibration, Detect, Embedder, check_embedder, weights_sha256};
use facenet_training::{LfwView, PairListEvaluation, evaluate_lfw, evaluate_pair_list};
use serde::Serialize;

use crate::progress;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

/// What is evaluated on which data.
#[derive(Subcommand)]
enum Subject {
    /// A face detector on photos with marked faces
    Detection(detection::Arguments),
    #[command(flatten)]
    Pairs(Pairs),
}

/// Which pair list.
#[derive(Subcommand)]
enum Pairs {
    /// Labeled Faces in the Wild
    Lfw {
        /// 1 for model selection (pairsDevTrain.txt, pairsDevTest.txt), 2 for reporting (the ten
        /// folds of pairs.txt)
        #[arg(long, value_name = "1|2", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
        view: u8,
        /// Align by the faces that the detector finds instead of LFW's list of landmarks
        #[arg(long)]
        detect: bool,
        /// Folder of data sets [default: $FACENET_DATA, else data/]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// A pair list in the format of LFW's pairs.txt, with several folds
    Pairs {
        /// Pair list
        #[arg(value_name = "FILE")]
        list: PathBuf,
        /// Folder with a folder of images for each person of the list
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
        /// List of five landmarks per face in pixels of the images, for alignment [default: by the
        /// detector, if the network takes aligned faces; else the whole image is the face]
        #[arg(long, value_name = "FILE")]
        landmarks: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(clap::Args)]
struct Common {
    /// Network: a checkpoint, or foreign weights (safetensors, OpenVINO .xml, PyTorch state dict)
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[command(flatten)]
    foreign: ForeignArguments,
    #[command(flatten)]
    detection: DetectionArguments,
    /// Number of threads [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    network: String,
    weights_sha256: String,
    /// `lfw view 2`, or the path of the pair list.
    pairs_of: String,
    #[serde(flatten)]
    evaluation: PairListEvaluation,
}

/// Computes and prints the scores.
pub fn command(Arguments { subject }: &Arguments) -> Result<()> {
    match subject {
        Subject::Detection(arguments) => detection::command(arguments),
        Subject::Pairs(pairs) => evaluate_pairs(pairs),
    }
}

/// Embeds the images of the list, scores its pairs and prints the scores.
fn evaluate_pairs(pairs: &Pairs) -> Result<()> {
    let (Pairs::Lfw { common, .. } | Pairs::Pairs { common, .. }) = pairs;
    set_threads(common.threads)?;
    let network = Network::from_checkpoint(common.foreign.read(&common.weights)?)?;
    let embedder = Embedder::new(&network)?;
    check_embedder(&embedder).with_context(|| format!("in {}", escape_path(&common.weights)))?;
    let aligns = network.description().preprocessing.template.is_some();
    let bar = Bar::new();
    let observer = |step: facenet_training::Progress<'_>| progress::show(&bar, step);
    let (pairs_of, evaluation) = match pairs {
        Pairs::Lfw { view, detect, data, .. } => {
            let data = folders::development_data(data.as_deref());
            let which = if *view == 1 { LfwView::One } else { LfwView::Two };
            ensure!(aligns || !detect, "{} does not take aligned faces: omit --detect", network.description().name);
            let detector = detect.then(|| common.detection.read(Some(&data))).transpose()?;
            let detector = detector.as_ref().map(|detector| detector as &dyn Detect);
            (format!("lfw view {view}"), evaluate_lfw(&embedder, &data.join("lfw"), which, detector, &observer))
        }
        Pairs::Pairs { list, images, landmarks, .. } => {
            let pairs = PairList::read(list)?;
            let landmarks = landmarks.as_ref().map(|path| LandmarkList::read(path)).transpose()?;
            let detector = match (aligns, &landmarks) {
                (false, _) => None,
                (true, None) => Some(common.detection.read(None)?),
                (true, Some(_)) => common.detection.find(None)?,
            };
            let detector = detector.as_ref().map(|detector| detector as &dyn Detect);
            let evaluation = evaluate_pair_list(&embedder, &pairs, images, landmarks, detector, &observer);
            (escape_path(list), evaluation)
        }
    };
    bar.clear();
    let report = Report {
        network: network.description().name.clone(),
        weights_sha256: weights_sha256(&network),
        pairs_of,
        evaluation: evaluation?,
    };
    let cropped = report.evaluation.faces.center_crop;
    if aligns && cropped > 0 {
        eprintln!(
            "warning: {} takes aligned faces, but {cropped} images are cropped: their landmarks are not known",
            report.network
        );
    }
    let doubtful = report.evaluation.doubtful;
    if doubtful > 0 {
        eprintln!(
            "warning: in {doubtful} images no face is found where the landmark list says; is the list for these images?"
        );
    }
    print(common.json, &report, &text(&report)?)
}

fn text(Report { network, evaluation, .. }: &Report) -> Result<String> {
    let PairListEvaluation { accuracy, standard_error, thresholds, pairs, faces, seconds, .. } = evaluation;
    let mut text = format!("{network}: {pairs} pairs, {faces}, {seconds:.0} s\n\n");
    writeln!(text, "accuracy                        {accuracy:.4} ± {standard_error:.4}")?;
    writeln!(text, "area under the ROC curve        {:.5}", evaluation.auc)?;
    writeln!(text, "equal error rate                {:.4}", evaluation.eer)?;
    for rate in &evaluation.val_at_far {
        let far = rate.far;
        match (rate.val, rate.achieved_far) {
            (Some(val), Some(achieved)) => {
                writeln!(text, "validation rate at FAR {far:<8} {val:.4} (achieved FAR {achieved:.4})")?;
            }
            _ => writeln!(text, "validation rate at FAR {far:<8} not resolved: too few impostor pairs")?,
        }
    }
    let least = thresholds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = thresholds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match thresholds.len() {
        1 => writeln!(text, "threshold (squared distance)    {least:.4}, chosen on View 1's training pairs")?,
        folds => writeln!(
            text,
            "thresholds (squared distance)   {least:.4} to {most:.4}, over {folds} folds, each chosen on the other folds"
        )?,
    }
    if let Some(Calibration { threshold, slope }) = evaluation.calibration {
        writeln!(
            text,
            "calibration (squared distance)  threshold {threshold:.4}, slope {slope:.3}, fitted on View 1's training pairs"
        )?;
    }
    if evaluation.standard_deviation.is_some() {
        writeln!(text, "\n± is the standard error of the mean over folds")?;
    }
    Ok(text)
}
