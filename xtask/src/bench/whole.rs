//! Timing of a whole network: inference or training steps.

use std::fmt::Write;

use anyhow::{Result, ensure};
use facenet_cli::output::print::print;
use facenet_network::{FrozenNetwork, FrozenWorkspace, OptimizerConfig, Sgd};
use facenet_training::{Error, Learner, StepOptions, StepOutcome};
use facenet_triplet::{Reduction, Triplet, TripletLoss};
use ndarray::{Array4, Axis};
use serde::Serialize;

use crate::bench::subject::Subject;
use crate::bench::timing::{peak_rss_mib, time};

/// The arguments of the command.
#[derive(clap::Args)]
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// Inference or training steps
    #[arg(long, value_enum, default_value_t = Work::Infer)]
    mode: Work,
    /// Time limit in seconds, after at least five runs
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Work {
    /// Forward pass of the frozen network.
    Infer,
    /// Forward pass, triplet loss, backward pass, SGD update.
    Train,
}

#[derive(Serialize)]
struct Report {
    program: &'static str,
    network: String,
    mode: Work,
    batch: usize,
    threads: usize,
    vectors: String,
    images_per_second: f64,
    best_images_per_second: f64,
    cpu_seconds_per_image: f64,
    gflops_per_cpu_second: f64,
    peak_rss_mib: Option<f64>,
    runs: usize,
}

/// Times the network on faces in memory.
pub fn command(arguments: &Arguments) -> Result<()> {
    ensure!((0.0..=3600.0).contains(&arguments.seconds), "--seconds must be between 0 and 3600");
    let (network, x) = arguments.subject.prepare()?;
    let batch = x.len_of(Axis(0));
    let (name, multiply_adds) = (network.description().name.clone(), network.plan().multiply_adds());
    let seconds = arguments.seconds;
    let times = match arguments.mode {
        Work::Infer => {
            let frozen = FrozenNetwork::new(&network);
            let mut workspace: FrozenWorkspace<f32> = frozen.workspace();
            time(seconds, || {
                frozen.forward(x.view(), &mut workspace);
            })
        }
        Work::Train => {
            let optimizer = OptimizerConfig::Sgd(Sgd { momentum: 0.0, weight_decay: 0.0 });
            let mut learner = Learner::new(network, optimizer, TripletLoss::new(0.2, Reduction::Mean));
            let mut steps = 0..;
            let mut diverged = None;
            let times = time(seconds, || {
                let step = steps.next().expect("an unbounded range");
                diverged = diverged.take().or(training_step(&mut learner, &x, step).err());
            });
            if let Some(error) = diverged {
                return Err(error.into());
            }
            times
        }
    };
    let passes = if arguments.mode == Work::Train { 3.0 } else { 1.0 };
    let images = batch as f64;
    let report = Report {
        program: "facenet",
        network: name,
        mode: arguments.mode,
        batch,
        threads: rayon::current_num_threads(),
        vectors: facenet_report::Provenance::now("", "").machine,
        images_per_second: images / times.median,
        best_images_per_second: images / times.best,
        cpu_seconds_per_image: times.cpu / images,
        gflops_per_cpu_second: 2e-9 * passes * multiply_adds as f64 * images / times.cpu,
        peak_rss_mib: peak_rss_mib(),
        runs: times.runs,
    };
    print(arguments.subject.json, &report, &text(&report)?)
}

/// An SGD step. Each face is an anchor; its positive is the face before it, its negative the
/// seventh before it.
fn training_step(learner: &mut Learner, x: &Array4<f32>, step: u64) -> Result<StepOutcome, Error> {
    let faces = x.len_of(Axis(0));
    learner.step(x.view(), StepOptions { seed: 0, step, learning_rate: 0.01, clip_norm: None }, |loss| {
        for anchor in 0..faces {
            let before = |count: usize| (anchor + faces - count % faces) % faces;
            let (positive, negative) = (before(1), before(7));
            if anchor != positive && anchor != negative && positive != negative {
                loss.add(Triplet { anchor, positive, negative });
            }
        }
    })
}

fn text(report: &Report) -> Result<String> {
    let work = match report.mode {
        Work::Infer => "embeds",
        Work::Train => "trains on",
    };
    let mut text = format!(
        "{} {work} {:.1} images per second (best {:.1}), batch of {} on {} threads\n",
        report.network, report.images_per_second, report.best_images_per_second, report.batch, report.threads
    );
    writeln!(
        text,
        "{:.2} ms of CPU time per image, {:.1} GFLOP per CPU second; {}",
        1e3 * report.cpu_seconds_per_image,
        report.gflops_per_cpu_second,
        report.vectors
    )?;
    if let Some(peak) = report.peak_rss_mib {
        writeln!(text, "peak memory {peak:.0} MiB")?;
    }
    Ok(text)
}
