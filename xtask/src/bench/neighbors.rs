//! Timing of a nearest-neighbor search.

use std::time::Instant;

use anyhow::Result;
use facenet_cli::arguments::threads::set_threads;
use facenet_cli::output::print::print;
use facenet_neighbors::{Neighbors, PreparedRows};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, s};
use serde::Serialize;

use crate::bench::embeddings::synthetic;
use crate::bench::timing::{median, peak_rss_mib};

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// Number of embeddings
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    rows: u32,
    /// Their dimension
    #[arg(long, value_name = "D", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    dimension: u32,
    /// Neighbors of each embedding among the others
    #[arg(long, value_name = "K", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    neighbors: u32,
    /// Number of threads [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    rows: usize,
    dimension: usize,
    neighbors: usize,
    threads: usize,
    /// Median of three searches.
    seconds: f64,
    rows_per_second: f64,
    /// The same by ndarray's `dot` in blocks of 1,024 rows and the same selection.
    dot_seconds: f64,
    peak_rss_mib: Option<f64>,
}

/// Times a search for the neighbors of every embedding.
pub fn command(arguments: &Arguments) -> Result<()> {
    set_threads(arguments.threads)?;
    let embeddings = synthetic(arguments.rows as usize, arguments.dimension as usize);
    let k = arguments.neighbors as usize;
    let (mut ours, mut dot) = (Array2::zeros((0, 0)), Array2::zeros((0, 0)));
    let seconds = three_times(|| {
        ours = PreparedRows::new(embeddings.view()).expect("finite embeddings").k_nearest_others(k).indices;
    });
    let peak = peak_rss_mib();
    let dot_seconds = three_times(|| dot = by_dot(embeddings.view(), k).indices);
    let equal = ours.iter().zip(&dot).filter(|(ours, dot)| ours == dot).count();
    // Rounding exchanges neighbors at nearly equal distances.
    anyhow::ensure!(equal as f64 >= 0.99 * ours.len() as f64, "only {equal} of {} neighbors agree", ours.len());
    let report = Report {
        rows: embeddings.nrows(),
        dimension: embeddings.ncols(),
        neighbors: k,
        threads: rayon::current_num_threads(),
        seconds,
        rows_per_second: embeddings.nrows() as f64 / seconds,
        dot_seconds,
        peak_rss_mib: peak,
    };
    let text = format!(
        "{k} nearest of {} x {} on {} threads: {seconds:.3} s, {:.0} rows/s; by `dot` {dot_seconds:.3} s, {:.2} times as long\n",
        report.rows,
        report.dimension,
        report.threads,
        report.rows_per_second,
        dot_seconds / seconds
    );
    print(arguments.json, &report, &text)
}

/// The median time of three runs, in seconds.
fn three_times(mut work: impl FnMut()) -> f64 {
    let mut times = [0.0; 3].map(|_: f64| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    median(&mut times)
}

/// Blocks of products by ndarray, into one buffer, with the selection of [`Neighbors`].
fn by_dot(embeddings: ArrayView2<'_, f32>, k: usize) -> Neighbors {
    const ROWS: usize = 1024;
    let n = embeddings.nrows();
    let k = k.min(n - 1);
    let norms: Vec<f32> = embeddings.outer_iter().map(|row| row.dot(&row)).collect();
    let mut buffer = Array2::zeros((ROWS.min(n), n));
    let mut found = Neighbors { indices: Array2::zeros((0, k)), squared_distances: Array2::zeros((0, k)) };
    for (block, rows) in embeddings.axis_chunks_iter(Axis(0), ROWS).enumerate() {
        let mut distances = buffer.slice_mut(s![..rows.nrows(), ..]);
        general_mat_mul(-2.0, &rows, &embeddings.t(), 0.0, &mut distances);
        for (index, mut row) in distances.outer_iter_mut().enumerate() {
            let norm = norms[block * ROWS + index];
            row.iter_mut().zip(&norms).for_each(|(distance, other)| *distance = (*distance + (norm + other)).max(0.0));
            row[block * ROWS + index] = f32::INFINITY;
        }
        let part = Neighbors::of_squared_distances(distances.view(), k);
        found.indices.append(Axis(0), part.indices.view()).expect("k columns");
        found.squared_distances.append(Axis(0), part.squared_distances.view()).expect("k columns");
    }
    found
}
