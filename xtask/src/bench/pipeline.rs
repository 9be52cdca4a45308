//! `cargo xtask bench pipeline`: how fast picture files become embeddings, and what of that is the network.

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
    /// Pictures of one face each, or folders with such pictures
    #[arg(value_name = "DIR|FILE", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    subject: Subject,
    /// The network with its weights: a checkpoint, or another program's [default: --network with random ones]
    #[arg(long, value_name = "FILE", conflicts_with = "network")]
    weights: Option<PathBuf>,
    /// Five points of each face, by which it is aligned if the network asks for that; paths begin in the folder of the
    /// pictures or the list's own [default: the middle of a picture is its face]
    #[arg(long, value_name = "FILE")]
    landmarks: Option<PathBuf>,
    /// So many pictures, the first ones
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pictures: u32,
    /// For so long, but three rounds at least
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
}

/// The least number of rounds.
const ROUNDS: usize = 3;

#[derive(Serialize)]
struct Report {
    network: String,
    pictures: usize,
    #[serde(serialize_with = "aligned_or_cropped")]
    framings: FaceSourceCounts,
    batch: usize,
    threads: usize,
    /// From files to embeddings; the median round, as all that follows.
    pictures_per_second: f64,
    /// The network alone, on the same faces in memory.
    network_pictures_per_second: f64,
    /// The first of these over the second, of each round.
    ratio: f64,
    worst_ratio: f64,
    best_ratio: f64,
    /// Processor time per picture of the whole way.
    cpu_milliseconds: f64,
    /// Processor time per picture, stage by stage.
    stage_cpu_milliseconds: Stages<f64>,
    /// Their shares of their sum.
    shares: Stages<f64>,
    rounds: usize,
}

/// The way from a file to an embedding.
#[derive(Clone, Copy, Default, Serialize)]
struct Stages<T> {
    /// From a file to pixels.
    decoding: T,
    /// From pixels to what the network sees: the face is cut out and turned upright, its levels become numbers.
    alignment: T,
    /// From there to the embedding.
    network: T,
}

/// Time that work took.
#[derive(Clone, Copy, Default)]
struct Spent {
    wall: f64,
    /// Processor time of all threads.
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

/// Times the way of the pictures as the commands that embed pictures go it, then each of its stages by itself.
pub fn command(arguments: &Arguments) -> Result<()> {
    ensure!((0.0..=3600.0).contains(&arguments.seconds), "--seconds is a time of at most an hour");
    set_threads(arguments.subject.threads)?;
    let network = match &arguments.weights {
        Some(path) => Network::from_checkpoint(read_weights(path, &ForeignNetwork::default())?)?,
        None => arguments.subject.network()?,
    };
    let pictures = arguments.pictures()?;
    let batch = arguments.subject.batch as usize;
    let mut embedder = arguments.embedder(&network)?.with_batch(batch);
    let frozen = FrozenNetwork::new(&network);
    let mut workspace = frozen.workspace();
    let preprocessing = &network.description().preprocessing;

    let warm = &pictures[..batch.min(pictures.len())];
    embed(&mut embedder, warm)?;
    for x in faces(warm, batch, embedder.reader(), preprocessing, &mut Stages::default())? {
        frozen.forward(x.view(), &mut workspace);
    }

    let start = Instant::now();
    let (mut whole, mut stages) = (Vec::new(), Vec::new());
    let mut framings = FaceSourceCounts::default();
    while whole.len() < ROUNDS || start.elapsed() < Duration::from_secs_f64(arguments.seconds) {
        let mut round = Spent::default();
        let embedded = round.on(|| embed(&mut embedder, &pictures))?;
        framings = embedded.portraits.iter().map(|portrait| portrait.source).collect();
        whole.push(round);
        let mut round = Stages::<Spent>::default();
        let batches = faces(&pictures, batch, embedder.reader(), preprocessing, &mut round)?;
        round.network.on(|| {
            for x in &batches {
                frozen.forward(x.view(), &mut workspace);
            }
        });
        stages.push(round);
    }

    let count = pictures.len() as f64;
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
        pictures: pictures.len(),
        framings,
        batch,
        threads: rayon::current_num_threads(),
        pictures_per_second: count / of_whole(|whole| whole.wall),
        network_pictures_per_second: count / of_stages(|stages| stages.network.wall),
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
    /// The first pictures of all that are named.
    fn pictures(&self) -> Result<Vec<PathBuf>> {
        let mut pictures = Vec::new();
        for path in &self.paths {
            match path.is_dir() {
                true => pictures.extend(images_below(path)?),
                false => pictures.push(path.clone()),
            }
        }
        pictures.truncate(self.pictures as usize);
        ensure!(!pictures.is_empty(), "{} holds no pictures", escape_path(&self.paths[0]));
        Ok(pictures)
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

/// From files to embeddings; a picture that can't be read is an error.
fn embed(embedder: &mut PortraitEmbedder, pictures: &[PathBuf]) -> Result<EmbeddedPortraits> {
    let mut embedded = embedder.embed(pictures, &|_, _| ())?;
    match embedded.unread.pop() {
        Some(unread) => Err(unread.error.into()),
        None => Ok(embedded),
    }
}

/// What the network sees of the pictures, batch by batch.
fn faces(
    pictures: &[PathBuf],
    batch: usize,
    reader: &PortraitReader,
    preprocessing: &Preprocessing,
    spent: &mut Stages<Spent>,
) -> Result<Vec<Array4<f32>>> {
    let [height, width] = reader.size;
    let mut x = Array4::zeros((batch.min(pictures.len()), height, width, 3));
    let batches = pictures.chunks(batch).map(|paths| {
        let decode = || paths.par_iter().map(|path| read_image(path)).collect::<Result<Vec<_>, _>>();
        let decoded = spent.decoding.on(decode)?;
        let mut x = x.slice_mut(s![..paths.len(), .., .., ..]);
        spent.alignment.on(|| -> Result<()> {
            let cut = decoded.par_iter().zip(paths).map(|(picture, path)| Ok(reader.read(picture.view(), path)?.0));
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
    let mut table = Table::new(&["stage", "ms per picture", "of the sum"]);
    let (cpu, shares) = (&report.stage_cpu_milliseconds, &report.shares);
    for (stage, milliseconds, share) in [
        ("decoding", cpu.decoding, shares.decoding),
        ("alignment", cpu.alignment, shares.alignment),
        ("network", cpu.network, shares.network),
    ] {
        table.push(vec![stage.to_owned(), format!("{milliseconds:.3}"), format!("{:.1} %", 100.0 * share)]);
    }
    format!(
        "{}: {:.1} pictures per second from file to embedding, {:.1} faces per second by the network alone: {:.1} % of it ({:.1} to {:.1} %)\n\
         {} pictures, {} at a time on {} threads; {}; {} rounds\n\n\
         processor time of each stage; {:.3} ms of all as one\n\n{}",
        report.network,
        report.pictures_per_second,
        report.network_pictures_per_second,
        100.0 * report.ratio,
        100.0 * report.worst_ratio,
        100.0 * report.best_ratio,
        report.pictures,
        report.batch,
        report.threads,
        report.framings,
        report.rounds,
        report.cpu_milliseconds,
        table.text()
    )
}
