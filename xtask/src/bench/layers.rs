//! `cargo xtask bench layers`: forward time by layer.

use std::time::Instant;

use anyhow::Result;
use facenet_cli::output::print::print;
use facenet_network::FrozenNetwork;
use facenet_tensor::peak_multiply_adds_per_second;
use ndarray::Axis;
use serde::Serialize;

use crate::bench::subject::Subject;
use crate::bench::timing::median;
use crate::table::Table;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// Number of passes; the median of each layer is reported
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    passes: u32,
}

#[derive(Serialize)]
struct Report {
    network: String,
    batch: usize,
    threads: usize,
    /// Peak of all threads, measured on register operands.
    peak_gflops: f64,
    milliseconds: f64,
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Layer {
    layer: String,
    output: [usize; 3],
    milliseconds: f64,
    share_of_time: f64,
    gflops: f64,
    share_of_peak: f64,
}

/// Times each layer and prints a table.
pub fn command(arguments: &Arguments) -> Result<()> {
    let (network, x) = arguments.subject.prepare()?;
    let batch = x.len_of(Axis(0));
    let frozen = FrozenNetwork::new(&network);
    let mut workspace = frozen.workspace();
    frozen.forward(x.view(), &mut workspace);
    let rows = network.plan().layer_costs();
    // Seconds per layer and pass.
    let mut times = vec![Vec::new(); rows.len()];
    for _ in 0..arguments.passes {
        let mut pass = vec![0.0; rows.len()];
        let mut last = Instant::now();
        frozen.forward_observed(x.view(), &mut workspace, &mut |layers| {
            let now = Instant::now();
            let seconds = (now - last).as_secs_f64();
            // Fused layers share their time by multiply-adds.
            let cost = |&row: &usize| rows[row].multiply_adds.max(1) as f64;
            let all: f64 = layers.iter().map(cost).sum();
            layers.iter().for_each(|row| pass[*row] += seconds * cost(row) / all);
            last = now;
        });
        times.iter_mut().zip(pass).for_each(|(times, seconds)| times.push(seconds));
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    let all: f64 = medians.iter().sum();
    let threads = rayon::current_num_threads();
    let peak = 2e-9 * threads as f64 * peak_multiply_adds_per_second();
    let layers = rows.iter().zip(&medians).map(|(row, &seconds)| {
        let gflops = 2e-9 * (row.multiply_adds * batch) as f64 / seconds.max(1e-9);
        Layer {
            layer: row.layer.clone(),
            output: row.output,
            milliseconds: 1e3 * seconds,
            share_of_time: seconds / all,
            gflops,
            share_of_peak: gflops / peak,
        }
    });
    let report = Report {
        network: network.description().name.clone(),
        batch,
        threads,
        peak_gflops: peak,
        milliseconds: 1e3 * all,
        layers: layers.collect(),
    };
    print(arguments.subject.json, &report, &text(&report))
}

fn text(report: &Report) -> String {
    let mut table = Table::new(&["layer", "output", "ms", "of the time", "GFLOP/s", "of the peak"]);
    for layer in &report.layers {
        let [height, width, channels] = layer.output;
        let product = layer.gflops > 0.0;
        table.push(vec![
            layer.layer.clone(),
            format!("{height}x{width}x{channels}"),
            format!("{:.3}", layer.milliseconds),
            format!("{:.1} %", 100.0 * layer.share_of_time),
            if product { format!("{:.0}", layer.gflops) } else { String::new() },
            if product { format!("{:.0} %", 100.0 * layer.share_of_peak) } else { String::new() },
        ]);
    }
    format!(
        "{}, batch of {} on {} threads: {:.1} ms; peak {:.0} GFLOP/s\n\n{}",
        report.network,
        report.batch,
        report.threads,
        report.milliseconds,
        report.peak_gflops,
        table.text()
    )
}
