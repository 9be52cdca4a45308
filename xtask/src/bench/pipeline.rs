//! `cargo xtask bench pipeline`: throughput from photos to the embeddings of their faces, and each stage's share
//! of it.

mod group_photos;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cpu_time::ProcessTime;
use facenet_cli::arguments::detection::DetectionArguments;
use facenet_cli::arguments::found_photos::FoundPhotos;
use facenet_cli::arguments::network_choice::NetworkChoice;
use facenet_cli::arguments::threads::set_threads;
use facenet_cli::folders;
use facenet_cli::output::faces::aligned_or_cropped;
use facenet_cli::output::print::print;
use facenet_data::{Crop, Photo, read_photo};
use facenet_network::{Description, Initializer, Network};
use facenet_recognition::{
    DEFAULT_EMBEDDER, Embed, EmbeddedPhotos, Embedder, FaceDetector, FaceSourceCounts, ForeignNetwork, FoundFaces,
    PhotoEmbedder, PhotoOptions, PhotoReader, find_faces, read_weights,
};
use ndarray::{Array3, Axis, stack};
use rayon::prelude::*;
use serde::Serialize;

use crate::bench::pipeline::group_photos::write_group_photos;
use crate::bench::timing::{median, peak_rss_mib};
use crate::table::Table;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// Photos, or folders of them [default: group photos of 12 megapixels with five faces each, made of the
    /// portraits in photos/krasserm_lfw10 of the data folder]
    #[arg(value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
    /// Weights of the embedding network: a checkpoint, or weights of another program [default:
    /// face-reidentification-retail-0095]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The embedding network, with random weights
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = NetworkChoice::parser(), conflicts_with = "weights")]
    network: Option<NetworkChoice>,
    #[command(flatten)]
    detection: DetectionArguments,
    /// Folder of data sets and networks [default: $FACENET_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Number of photos, the first ones
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    photos: u32,
    /// Time limit in seconds, after at least three rounds
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
    /// Number of threads [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Minimum number of rounds.
const ROUNDS: usize = 3;
/// Photos that are decoded at a time to time the stages, per thread.
const DECODED_PER_THREAD: usize = 2;

#[derive(Serialize)]
struct Report {
    network: String,
    photos: usize,
    faces: usize,
    #[serde(rename = "framings", serialize_with = "aligned_or_cropped")]
    sources: FaceSourceCounts,
    threads: usize,
    /// Throughput from files to embeddings: the median round, as for all values below.
    photos_per_second: f64,
    /// Throughput of decoding alone, including reading.
    decoded_photos_per_second: f64,
    /// The first over the second, per round.
    ratio: f64,
    worst_ratio: f64,
    best_ratio: f64,
    /// CPU time per photo of the whole pipeline.
    cpu_milliseconds: f64,
    /// CPU time per photo by stage.
    stage_cpu_milliseconds: Stages<f64>,
    /// Share of each stage in their sum.
    shares: Stages<f64>,
    /// Peak memory of the process until the end of the whole pipeline, without that of single stages.
    peak_mib: Option<f64>,
    rounds: usize,
}

/// The stages from a file to embeddings.
#[derive(Clone, Copy, Default, Serialize)]
struct Stages<T> {
    /// File to pixels.
    decoding: T,
    /// Pixels to faces and their quality.
    detection: T,
    /// Faces to the input of the embedding network: alignment.
    alignment: T,
    /// Aligned faces to embeddings.
    embedding: T,
}

/// Time spent on work, in seconds.
#[derive(Clone, Copy, Default)]
struct Spent {
    wall: f64,
    /// CPU time of all threads.
    cpu: f64,
}

impl Spent {
    fn on<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        let result = work();
        self.wall += wall.elapsed().as_secs_f64();
        self.cpu += cpu.elapsed().as_secs_f64();
        result
    }
}

/// Times the pipeline as the commands that embed photos run it, then each stage by itself.
pub fn command(arguments: &Arguments) -> Result<()> {
    ensure!((0.0..=3600.0).contains(&arguments.seconds), "--seconds must be between 0 and 3600");
    set_threads(arguments.threads)?;
    let made = tempfile::tempdir()?;
    let photos = arguments.photos(made.path())?;
    let network = arguments.network()?;
    let detector = || match network.description().preprocessing.template {
        Some(_) => Ok(Some(arguments.detection.read(arguments.data.as_deref())?)),
        None => anyhow::Ok(None),
    };
    let crop = Crop::Center { fraction: 1.0 };
    let options = PhotoOptions { detector: detector()?, crop, ..PhotoOptions::default() };
    let mut embedder = PhotoEmbedder::new(&network, options)?;
    let stages_alone = StagesAlone { detector: detector()?, embedder: Embedder::new(&network)?, crop };

    let mut whole = Vec::new();
    let start = Instant::now();
    // Half of the time for the whole, half for the stages. A first round warms up.
    let mut embedded = embed(&mut embedder, &photos)?;
    while whole.len() < ROUNDS || start.elapsed() < Duration::from_secs_f64(arguments.seconds / 2.0) {
        let mut round = Spent::default();
        embedded = round.on(|| embed(&mut embedder, &photos))?;
        whole.push(round);
    }
    let peak_mib = peak_rss_mib();
    let mut stages = Vec::new();
    while stages.len() < whole.len() {
        stages.push(stages_alone.round(&photos, embedder.reader())?);
    }

    let count = photos.len() as f64;
    let of_whole = |spent: fn(&Spent) -> f64| median(&mut whole.iter().map(spent).collect::<Vec<_>>());
    let of_stages = |spent: fn(&Stages<Spent>) -> f64| median(&mut stages.iter().map(spent).collect::<Vec<_>>());
    let mut ratios: Vec<f64> =
        whole.iter().zip(&stages).map(|(whole, stages)| stages.decoding.wall / whole.wall).collect();
    let cpu = Stages {
        decoding: 1e3 * of_stages(|stages| stages.decoding.cpu) / count,
        detection: 1e3 * of_stages(|stages| stages.detection.cpu) / count,
        alignment: 1e3 * of_stages(|stages| stages.alignment.cpu) / count,
        embedding: 1e3 * of_stages(|stages| stages.embedding.cpu) / count,
    };
    let sum = cpu.decoding + cpu.detection + cpu.alignment + cpu.embedding;
    let report = Report {
        network: network.description().name.clone(),
        photos: photos.len(),
        faces: embedded.faces.len(),
        sources: embedded.faces.iter().map(|face| face.source).collect(),
        threads: rayon::current_num_threads(),
        photos_per_second: count / of_whole(|whole| whole.wall),
        decoded_photos_per_second: count / of_stages(|stages| stages.decoding.wall),
        ratio: median(&mut ratios),
        worst_ratio: ratios[0],
        best_ratio: ratios[ratios.len() - 1],
        cpu_milliseconds: 1e3 * of_whole(|whole| whole.cpu) / count,
        stage_cpu_milliseconds: cpu,
        shares: Stages {
            decoding: cpu.decoding / sum,
            detection: cpu.detection / sum,
            alignment: cpu.alignment / sum,
            embedding: cpu.embedding / sum,
        },
        peak_mib,
        rounds: whole.len(),
    };
    print(arguments.json, &report, &text(&report))
}

impl Arguments {
    /// The first photos of the paths given, else photos made in `folder`.
    fn photos(&self, folder: &std::path::Path) -> Result<Vec<PathBuf>> {
        let count = self.photos as usize;
        if self.paths.is_empty() {
            return write_group_photos(count, &folders::development_data(self.data.as_deref()), folder);
        }
        let mut photos = FoundPhotos::find(&self.paths)?.photos;
        photos.truncate(count);
        Ok(photos)
    }

    fn network(&self) -> Result<Network<f32>> {
        if let Some(network) = &self.network {
            let description: Description = network.description()?;
            return Ok(Network::new(description, Initializer::HeNormal, 0)?);
        }
        let weights = match &self.weights {
            Some(path) => path.clone(),
            None => folders::find_network(self.data.as_deref(), DEFAULT_EMBEDDER)
                .with_context(|| format!("network {DEFAULT_EMBEDDER} not found; pass --weights FILE"))?,
        };
        Ok(Network::from_checkpoint(read_weights(&weights, &ForeignNetwork::default())?)?)
    }
}

/// Embeds photos; an unreadable photo is an error.
fn embed(embedder: &mut PhotoEmbedder, photos: &[PathBuf]) -> Result<EmbeddedPhotos> {
    let mut embedded = embedder.embed(photos, &|_, _| ())?;
    match embedded.unread.pop() {
        Some(unread) => Err(unread.error.into()),
        None => Ok(embedded),
    }
}

/// What the stages run by themselves.
struct StagesAlone {
    /// `None` for a network that takes a part of each photo.
    detector: Option<FaceDetector>,
    embedder: Embedder,
    crop: Crop,
}

impl StagesAlone {
    fn round(&self, photos: &[PathBuf], reader: &PhotoReader) -> Result<Stages<Spent>> {
        let mut spent = Stages::<Spent>::default();
        for paths in photos.chunks(DECODED_PER_THREAD * rayon::current_num_threads()) {
            let decode = || paths.par_iter().map(|path| read_photo(path)).collect::<Result<Vec<Photo>, _>>();
            let decoded = spent.decoding.on(decode)?;
            let faces: Vec<Array3<u8>> = match &self.detector {
                Some(detector) => {
                    let detect = || decoded.par_iter().map(|photo| find_faces(detector, photo));
                    let found = spent.detection.on(|| detect().collect::<Result<Vec<FoundFaces>, _>>())?;
                    let photos = decoded.par_iter().zip(&found);
                    let extract = || {
                        photos.flat_map_iter(|(photo, found)| {
                            found.faces.iter().filter_map(|face| reader.extract(photo, face))
                        })
                    };
                    spent.alignment.on(|| extract().collect())
                }
                None => spent.alignment.on(|| {
                    decoded.par_iter().map(|photo| self.crop.apply(photo.pixels.view(), reader.size())).collect()
                }),
            };
            if !faces.is_empty() {
                let faces = stack(Axis(0), &faces.iter().map(Array3::view).collect::<Vec<_>>())?;
                spent.embedding.on(|| self.embedder.embed(faces.view()))?;
            }
        }
        Ok(spent)
    }
}

fn text(report: &Report) -> String {
    let mut table = Table::new(&["stage", "ms per photo", "of the sum"]);
    let (cpu, shares) = (&report.stage_cpu_milliseconds, &report.shares);
    for (stage, milliseconds, share) in [
        ("decoding", cpu.decoding, shares.decoding),
        ("detection", cpu.detection, shares.detection),
        ("alignment", cpu.alignment, shares.alignment),
        ("embedding", cpu.embedding, shares.embedding),
    ] {
        table.push(vec![stage.to_owned(), format!("{milliseconds:.3}"), format!("{:.1} %", 100.0 * share)]);
    }
    let memory = report.peak_mib.map_or_else(String::new, |mib| format!("; at most {mib:.0} MiB"));
    format!(
        "{}: {:.1} photos per second from file to embeddings, {:.1} by decoding alone: ratio {:.1} % ({:.1} to {:.1} %)\n\
         {} photos, {} faces, {} threads; {}; {} rounds{memory}\n\n\
         CPU time by stage; {:.3} ms for the whole pipeline\n\n{}",
        report.network,
        report.photos_per_second,
        report.decoded_photos_per_second,
        100.0 * report.ratio,
        100.0 * report.worst_ratio,
        100.0 * report.best_ratio,
        report.photos,
        report.faces,
        report.threads,
        report.sources,
        report.rounds,
        report.cpu_milliseconds,
        table.text()
    )
}
