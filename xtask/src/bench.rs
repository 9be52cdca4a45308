//! `cargo xtask bench`: how fast a network is here.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use cpu_time::ProcessTime;
use facenet_cli::arguments::common::set_threads;
use facenet_cli::arguments::network_choice::NetworkChoice;
use facenet_cli::output::print::print;
use facenet_network::{
    Description, FrozenNetwork, FrozenWorkspace, Initializer, Mode, Network, Normalization, NormalizationScheme,
    Optimizer, OptimizerKind, Parameters, Sgd, Workspace,
};
use facenet_triplet::{Reduction, Triplet, TripletLoss, pairwise_squared_distances_into};
use ndarray::{Array2, Array4, Axis};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

mod layers;
mod pipeline;

/// The arguments of the command.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    whole: Whole,
}

/// What else is timed than the network as a whole.
#[derive(clap::Subcommand)]
enum What {
    /// Each layer of the passes that embed
    Layers(layers::Arguments),
    /// The whole way from picture files to embeddings
    Pipeline(pipeline::Arguments),
}

/// A network, and how it is timed as a whole.
#[derive(clap::Args)]
struct Whole {
    #[command(flatten)]
    subject: Subject,
    /// What is timed: the passes that embed, or steps of training
    #[arg(long, value_enum, default_value_t = Work::Infer)]
    mode: Work,
    /// For so long, but five times at least
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
}

/// What is timed on how many threads.
#[derive(clap::Args)]
struct Subject {
    /// The network, with batch normalisation if it says nothing else
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = NetworkChoice::parser(), default_value = "nn4_small2")]
    network: NetworkChoice,
    /// Faces that the network is given at once
    #[arg(long, value_name = "B", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// Threads to work on [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Work {
    /// Faces to embeddings.
    Infer,
    /// Forward, triplet loss, backward, one step of SGD.
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

/// Times the network on faces that are in memory already.
pub fn command(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        None => whole(&arguments.whole),
        Some(What::Layers(arguments)) => layers::command(arguments),
        Some(What::Pipeline(arguments)) => pipeline::command(arguments),
    }
}

fn whole(arguments: &Whole) -> Result<()> {
    ensure!((0.0..=3600.0).contains(&arguments.seconds), "--seconds is a time of at most an hour");
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
            let mut training = Training::new(network, batch);
            time(seconds, || training.step(&x))
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

impl Subject {
    /// The network with random weights.
    fn network(&self) -> Result<Network<f32>> {
        let description = with_batch_normalization(self.network.description()?)?;
        Ok(Network::new(description, Initializer::HeNormal, 0)?)
    }

    /// The network, and faces as preprocessing might make them.
    fn prepare(&self) -> Result<(Network<f32>, Array4<f32>)> {
        set_threads(self.threads)?;
        let network = self.network()?;
        let [height, width] = network.plan().input();
        let shape = (self.batch as usize, height, width, 3);
        let x = Array4::random_using(shape, StandardNormal, &mut ChaCha8Rng::seed_from_u64(0));
        Ok((network, x))
    }
}

/// The published networks are compared with batch normalisation after every product.
fn with_batch_normalization(description: Description) -> Result<Description> {
    match description.normalization {
        Normalization::BatchNorm => Ok(description),
        _ => Ok(description.with_normalization(NormalizationScheme::Batch)?),
    }
}

/// A network with all that a step of training needs.
struct Training {
    network: Network<f32>,
    workspace: Workspace<f32>,
    gradients: Parameters<f32>,
    optimizer: Box<dyn Optimizer<f32>>,
    loss: TripletLoss<f32>,
    squared_distances: Array2<f32>,
    dembeddings: Array2<f32>,
    step: u64,
}

impl Training {
    fn new(network: Network<f32>, batch: usize) -> Self {
        let table = network.plan().parameters().clone();
        let optimizer = OptimizerKind::Sgd(Sgd { momentum: 0.0, weight_decay: 0.0 });
        Self {
            workspace: Workspace::new(network.plan()),
            gradients: Parameters::zeros(&table),
            optimizer: optimizer.optimizer(&table),
            loss: TripletLoss::new(0.2, Reduction::Mean),
            squared_distances: Array2::zeros((batch, batch)),
            dembeddings: Array2::zeros((batch, network.plan().dimension())),
            step: 0,
            network,
        }
    }

    /// Each face with the one before it and the one seven before it, as if that were another person.
    fn step(&mut self, x: &Array4<f32>) {
        let mode = Mode::Train { seed: 0, step: self.step };
        let embeddings = self.network.forward(x.view(), mode, &mut self.workspace);
        pairwise_squared_distances_into(embeddings, self.squared_distances.view_mut());
        let mut loss = self.loss.begin(self.squared_distances.view());
        let faces = embeddings.nrows();
        for anchor in 0..faces {
            let before = |count: usize| (anchor + faces - count % faces) % faces;
            let (positive, negative) = (before(1), before(7));
            if anchor != positive && anchor != negative && positive != negative {
                loss.add(Triplet { anchor, positive, negative });
            }
        }
        loss.backward(embeddings, self.dembeddings.view_mut());
        self.gradients.clear();
        self.network.backward(self.dembeddings.view(), &mut self.workspace, &mut self.gradients);
        self.optimizer.update(&mut self.network.parameters, &self.gradients, 0.01, self.step);
        self.network.update_statistics(&self.workspace);
        self.step += 1;
    }
}

/// Times of one run, in seconds.
struct Times {
    median: f64,
    best: f64,
    /// Processor time of all threads, on average.
    cpu: f64,
    runs: usize,
}

/// Runs of the work for some seconds, after two that warm up.
fn time(seconds: f64, mut work: impl FnMut()) -> Times {
    work();
    work();
    let start = Instant::now();
    let processor = ProcessTime::now();
    let mut walls = Vec::new();
    while walls.len() < 5 || start.elapsed() < Duration::from_secs_f64(seconds) {
        let run = Instant::now();
        work();
        walls.push(run.elapsed().as_secs_f64());
    }
    let cpu = processor.elapsed().as_secs_f64() / walls.len() as f64;
    Times { median: median(&mut walls), best: walls[0], cpu, runs: walls.len() }
}

/// The one in the middle; they are sorted for it.
fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The most memory that the process has taken so far; known on Linux.
fn peak_rss_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

fn text(report: &Report) -> Result<String> {
    let work = match report.mode {
        Work::Infer => "embeds",
        Work::Train => "trains on",
    };
    let mut text = format!(
        "{} {work} {:.1} images per second (best {:.1}), {} at a time on {} threads\n",
        report.network, report.images_per_second, report.best_images_per_second, report.batch, report.threads
    );
    writeln!(
        text,
        "{:.2} ms of processor time per image, {:.1} GFLOP per second of it; {}",
        1e3 * report.cpu_seconds_per_image,
        report.gflops_per_cpu_second,
        report.vectors
    )?;
    if let Some(peak) = report.peak_rss_mib {
        writeln!(text, "at most {peak:.0} MiB of memory")?;
    }
    Ok(text)
}
