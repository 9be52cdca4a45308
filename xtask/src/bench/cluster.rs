//! Timing of a clustering algorithm.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use facenet_cli::arguments::clustering_method::ClusteringMethod;
use facenet_cli::arguments::threads::set_threads;
use facenet_cli::output::print::print;
use facenet_cluster::{Agglomerative, Cluster, Cut, Dbscan, KMeans};
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::ArrayView2;
use serde::Serialize;

use crate::bench::embeddings::{read, synthetic};
use crate::bench::timing::peak_rss_mib;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// A safetensors file with a tensor `embeddings`, as `facenet embed` writes it
    #[arg(value_name = "FILE", conflicts_with_all = ["rows", "dimension"])]
    file: Option<PathBuf>,
    /// Number of embeddings, made around identities with the sizes of LFW's
    #[arg(long, value_name = "N", default_value_t = 13_233, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rows: u32,
    /// Their dimension
    #[arg(long, value_name = "D", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    dimension: u32,
    /// The algorithm
    #[arg(long, value_enum, default_value_t = ClusteringMethod::KMeans)]
    method: ClusteringMethod,
    /// Number of clusters
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    clusters: Option<u32>,
    /// The squared distance up to which clusters are merged; of DBSCAN the squared tolerance
    #[arg(long, value_name = "D", conflicts_with = "clusters")]
    cut: Option<f32>,
    /// Maximum number of iterations of k-means
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    max_iterations: u32,
    /// Seed of k-means
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Number of threads [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    method: ClusteringMethod,
    rows: usize,
    dimension: usize,
    threads: usize,
    seconds: f64,
    /// Of k-means.
    #[serde(skip_serializing_if = "Option::is_none")]
    inertia: Option<f64>,
    clusters: usize,
    peak_rss_mib: Option<f64>,
}

/// Times one clustering.
pub fn command(arguments: &Arguments) -> Result<()> {
    set_threads(arguments.threads)?;
    let embeddings = match &arguments.file {
        Some(path) => read(path)?,
        None => synthetic(arguments.rows as usize, arguments.dimension as usize),
    };
    let start = Instant::now();
    let (labels, inertia) = arguments.cluster(embeddings.view())?;
    let seconds = start.elapsed().as_secs_f64();
    let report = Report {
        method: arguments.method,
        rows: embeddings.nrows(),
        dimension: embeddings.ncols(),
        threads: rayon::current_num_threads(),
        seconds,
        inertia,
        clusters: labels.iter().max().map_or(0, |last| last + 1),
        peak_rss_mib: peak_rss_mib(),
    };
    let mut text = format!(
        "{} x {} into {} clusters on {} threads: {seconds:.3} s\n",
        report.rows, report.dimension, report.clusters, report.threads
    );
    if let Some(inertia) = inertia {
        text += &format!("inertia {inertia:.2}\n");
    }
    print(arguments.json, &report, &text)
}

impl Arguments {
    /// The labels, and the inertia of k-means.
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<(Vec<usize>, Option<f64>)> {
        let Some(linkage) = self.method.linkage() else {
            if self.method == ClusteringMethod::Dbscan {
                ensure!(self.clusters.is_none(), "DBSCAN takes --cut D, not --clusters K");
                let dbscan = Dbscan { squared_tolerance: self.cut.context("pass --cut D")?, min_points: 2 };
                return Ok((dbscan.cluster(embeddings)?, None));
            }
            let clusters = self.clusters.context("k-means needs --clusters K")? as usize;
            let k_means = KMeans::new(clusters).max_iterations(self.max_iterations as usize).seed(self.seed);
            let model = k_means.fit(&DatasetBase::from(embeddings))?;
            return Ok((model.labels().to_vec(), Some(model.inertia())));
        };
        let cut = match self.clusters {
            Some(clusters) => Cut::Clusters(clusters as usize),
            None => Cut::SquaredDistance(self.cut.context("pass --cut D or --clusters K")?),
        };
        Ok((Agglomerative::new(linkage, cut).cluster(embeddings)?, None))
    }
}
