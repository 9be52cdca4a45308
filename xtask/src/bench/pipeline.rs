//! `cargo xtask bench pipeline`: throughput from image files to embeddings, and the network's share
//! of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use cpu_time::ProcessTime;
use facenet_cli::arguments::threads::set_threads;
use facenet_cli::output::face_counts::aligned_or_cropped;
use facenet_cli::output::print::print;
use facenet_data::{Crop, escape_path, images_below, read_image};
use facenet_network::{FrozenNetwork, Network, Preprocessing};
use facenet_recognition::{
    EmbeddedPortraits, FaceSourceCounts, ForeignNetwork, PortraitEmbedder, PortraitLandmarks, PortraitOptions,
    PortraitReader, read_weights,
};
use ndarray::{Array3, Array4, Axis, s, stack};
use rayon::prelude::*;
use serde::Serialize;

use crate::bench::subject::Subject;
use crate::bench::timing::median;
use crate::table::Table;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// Images of one face each, or folders of them
    #[arg(value_name = "DIR|FILE", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    subject: Subject,
    /// Weights of the network: a checkpoint or a foreign file [default: random weights for
    /// --network]
    #[arg(long, value_name = "FILE", conflicts_with = "network")]
    weights: Option<PathBuf>,
    /// List of five landmarks per face, for alignment if the network has a template; paths are
    /// relative to the folder of the images or of the list [default: center crop]
    #[arg(long, value_name = "FILE")]
    landmarks: Option<PathBuf>,
    /// Number of images, the first ones
    #[arg(long = "pictures", value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    images: u32,
    /// Time limit in seconds, after at least three rounds
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
}

/// Minimum number of rounds.
const ROUNDS: usize = 3;

#[derive(Serialize)]
struct Report {
    network: String,
    #[serde(rename = "pictures")]
    images: usize,
    #[serde(rename = "framings", serialize_with = "aligned_or_cropped")]
    sources: FaceSourceCounts,
    batch: usize,
    threads: usize,
    /// Throughput from files to embeddings: the median round, as for all values below.
    #[serde(rename = "pictures_per_second")]
    images_per_second: f64,
    /// Throughput of the network alone, on the same faces in memory.
    #[serde(rename = "network_pictures_per_second")]
    network_images_per_second: f64,
    /// The first over the second, per round.
    ratio: f64,
    worst_ratio: f64,
    best_ratio: f64,
    /// CPU time per image of the whole pipeline.
    cpu_milliseconds: f64,
    /// CPU time per image by stage.
    stage_cpu_milliseconds: Stages<f64>,
    /// Share of each stage in their sum.
    shares: Stages<f64>,
    rounds: usize,
}

/// The stages from a file to an embedding.
#[derive(Clone, Copy, Default, Serialize)]
struct Stages<T> {
    /// File to pixels.
    decoding: T,
    /// Pixels to network input: alignment or crop, then preprocessing.
    alignment: T,
    /// Network input to embedding.
    network: T,
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

/// Times the pipeline as the commands that embed images run it, then each stage by itself.
pub fn command(arguments: &Arguments) -> Result<()> {
    ensure!((0.0..=3600.0).contains(&arguments.seconds), "--seconds must be between 0 and 3600");
    set_threads(arguments.subject.threads)?;
    let network = match &arguments.weights {
        Some(path) => Network::from_checkpoint(read_weights(path, &ForeignNetwork::default())?)?,
        None => arguments.subject.network()?,
    };
    let images = arguments.images()?;
    let batch = arguments.subject.batch as usize;
    let mut embedder = arguments.embedder(&network)?.with_batch(batch);
    let frozen = FrozenNetwork::new(&network);
    let mut workspace = frozen.workspace();
    let preprocessing = &network.description().preprocessing;

    let warm = &images[..batch.min(images.len())];
    embed(&mut embedder, warm)?;
    for x in faces(warm, batch, embedder.reader(), preprocessing, &mut Stages::default())? {
        frozen.forward(x.view(), &mut workspace);
    }

    let start = Instant::now();
    let (mut whole, mut stages) = (Vec::new(), Vec::new());
    let mut sources = FaceSourceCounts::default();
    while whole.len() < ROUNDS || start.elapsed() < Duration::from_secs_f64(arguments.seconds) {
        let mut round = Spent::default();
        let embedded = round.on(|| embed(&mut embedder, &images))?;
        sources = embedded.portraits.iter().map(|portrait| portrait.source).collect();
        whole.push(round);
        let mut round = Stages::<Spent>::default();
        let batches = faces(&images, batch, embedder.reader(), preprocessing, &mut round)?;
        round.network.on(|| {
            for x in &batches {
                frozen.forward(x.view(), &mut workspace);
            }
        });
        stages.push(round);
    }

    let count = images.len() as f64;
    let of_whole = |spent: fn(&Spent) -> f64| median(&mut whole.iter().map(spent).collect::<Vec<_>>());
    let of_stages = |spent: fn(&Stages<Spent>) -> f64| median(&mut stages.iter().map(spent).collect::<Vec<_>>());
    let mut ratios: Vec<f64> =
        whole.iter().zip(&stages).map(|(whole, stages)| stages.network.wall / whole.wall).collect();
    let cpu = Stages {
        decoding: 1e3 * of_stages(|stages| stages.decoding.cpu) / count,
        alignment: 1e3 * of_stages(|stages| stages.alignment.cpu) / count,
        network: 1e3 * of_stages(|stages| stages.network.cpu) / count,
    };
    let sum = cpu.decoding + cpu.alignment + cpu.network;
    let report = Report {
        network: network.description().name.clone(),
        images: images.len(),
        sources,
        batch,
        threads: rayon::current_num_threads(),
        images_per_second: count / of_whole(|whole| whole.wall),
        network_images_per_second: count / of_stages(|stages| stages.network.wall),
        ratio: median(&mut ratios),
        worst_ratio: ratios[0],
        best_ratio: ratios[ratios.len() - 1],
        cpu_milliseconds: 1e3 * of_whole(|whole| whole.cpu) / count,
        stage_cpu_milliseconds: cpu,
        shares: Stages { decoding: cpu.decoding / sum, alignment: cpu.alignment / sum, network: cpu.network / sum },
        rounds: whole.len(),
    };
    print(arguments.subject.json, &report, &text(&report))
}

impl Arguments {
    /// The first images of the paths given.
    fn images(&self) -> Result<Vec<PathBuf>> {
        let mut images = Vec::new();
        for path in &self.paths {
            match path.is_dir() {
                true => images.extend(images_below(path)?),
                false => images.push(path.clone()),
            }
        }
        images.truncate(self.images as usize);
        ensure!(!images.is_empty(), "{} contains no images", escape_path(&self.paths[0]));
        Ok(images)
    }

    fn embedder(&self, network: &Network<f32>) -> Result<PortraitEmbedder> {
        let folders: Vec<&Path> = self.paths.iter().map(PathBuf::as_path).collect();
        let list = self.landmarks.as_ref().map(|path| PortraitLandmarks::read(path, &folders)).transpose()?;
        Ok(PortraitEmbedder::new(
            network,
            PortraitOptions { landmark_list: list, crop: Crop::Center { fraction: 1.0 }, ..PortraitOptions::default() },
        )?)
    }
}

/// Embeds image files; an unreadable image is an error.
fn embed(embedder: &mut PortraitEmbedder, images: &[PathBuf]) -> Result<EmbeddedPortraits> {
    let mut embedded = embedder.embed(images, &|_, _| ())?;
    match embedded.unread.pop() {
        Some(unread) => Err(unread.error.into()),
        None => Ok(embedded),
    }
}

/// Network inputs of the images, batch by batch.
fn faces(
    images: &[PathBuf],
    batch: usize,
    reader: &PortraitReader,
    preprocessing: &Preprocessing,
    spent: &mut Stages<Spent>,
) -> Result<Vec<Array4<f32>>> {
    let [height, width] = reader.size;
    let mut x = Array4::zeros((batch.min(images.len()), height, width, 3));
    let batches = images.chunks(batch).map(|paths| {
        let decode = || paths.par_iter().map(|path| read_image(path)).collect::<Result<Vec<_>, _>>();
        let decoded = spent.decoding.on(decode)?;
        let mut x = x.slice_mut(s![..paths.len(), .., .., ..]);
        spent.alignment.on(|| -> Result<()> {
            let cut = decoded.par_iter().zip(paths).map(|(image, path)| Ok(reader.read(image.view(), path)?.0));
            let faces = cut.collect::<Result<Vec<Array3<u8>>>>()?;
            let faces = stack(Axis(0), &faces.iter().map(Array3::view).collect::<Vec<_>>())?;
            preprocessing.apply(faces.view(), x.view_mut());
            Ok(())
        })?;
        Ok(x.to_owned())
    });
    batches.collect()
}

fn text(report: &Report) -> String {
    let mut table = Table::new(&["stage", "ms per image", "of the sum"]);
    let (cpu, shares) = (&report.stage_cpu_milliseconds, &report.shares);
    for (stage, milliseconds, share) in [
        ("decoding", cpu.decoding, shares.decoding),
        ("alignment", cpu.alignment, shares.alignment),
        ("network", cpu.network, shares.network),
    ] {
        table.push(vec![stage.to_owned(), format!("{milliseconds:.3}"), format!("{:.1} %", 100.0 * share)]);
    }
    format!(
        "{}: {:.1} images per second from file to embedding, {:.1} faces per second through the network alone: ratio {:.1} % ({:.1} to {:.1} %)\n\
         {} images, batch of {} on {} threads; {}; {} rounds\n\n\
         CPU time by stage; {:.3} ms for the whole pipeline\n\n{}",
        report.network,
        report.images_per_second,
        report.network_images_per_second,
        100.0 * report.ratio,
        100.0 * report.worst_ratio,
        100.0 * report.best_ratio,
        report.images,
        report.batch,
        report.threads,
        report.sources,
        report.rounds,
        report.cpu_milliseconds,
        table.text()
    )
}
