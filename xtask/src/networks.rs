//! `cargo xtask networks`: what the built-in networks, or one of your own, are made of and cost.

mod page;
mod summary;

use std::fmt::Write;

use anyhow::Result;
use facenet_cli::arguments::network_choice::{NetworkChanges, NetworkChoice};
use facenet_cli::output::print::print;
use facenet_network::{LayerCost, NETWORKS, PaperNetwork};
use serde::Serialize;

use crate::networks::summary::{NetworkSummary, count, overview};

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// One network row by row: a built-in one, or a description as docs/recipes.md describes it [default: a table of all]
    #[arg(value_name = "NAME|FILE.toml", value_parser = NetworkChoice::parser())]
    network: Option<NetworkChoice>,
    #[command(flatten)]
    changes: NetworkChanges,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    /// Print docs/networks.md
    #[arg(long, hide = true, conflicts_with_all = ["network", "normalization", "dimension", "json"])]
    markdown: bool,
}

#[derive(Serialize)]
struct Report {
    networks: Vec<NetworkReport>,
}

#[derive(Serialize)]
struct NetworkReport {
    name: String,
    input: [usize; 2],
    dimension: usize,
    weights: usize,
    biases: usize,
    /// All parameters.
    parameters: usize,
    multiply_adds: usize,
    activations: usize,
    paper: PaperReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<RowReport>>,
}

/// What the paper says; nothing of networks that are not its.
#[derive(Serialize)]
struct PaperReport {
    #[serde(flatten)]
    network: Option<PaperNetwork>,
}

#[derive(Serialize)]
struct RowReport {
    layer: String,
    output: [usize; 3],
    weights: usize,
    biases: usize,
    multiply_adds: usize,
}

impl NetworkReport {
    fn new(NetworkSummary { description, plan, paper }: &NetworkSummary, with_rows: bool) -> Self {
        let row = |LayerCost { layer, output, weights, biases, multiply_adds, .. }| RowReport {
            layer,
            output,
            weights,
            biases,
            multiply_adds,
        };
        Self {
            name: description.name.clone(),
            input: plan.input_size(),
            dimension: plan.dimension(),
            weights: plan.weight_count(),
            biases: plan.bias_count(),
            parameters: plan.parameters().len(),
            multiply_adds: plan.multiply_adds(),
            activations: plan.activation_count(),
            paper: PaperReport { network: *paper },
            rows: with_rows.then(|| plan.block_costs().into_iter().map(row).collect()),
        }
    }
}

/// Prints the networks.
pub fn command(Arguments { network, changes, json, markdown }: &Arguments) -> Result<()> {
    let described: Vec<NetworkSummary> = match network {
        Some(choice) => vec![NetworkSummary::new(choice, changes)?],
        None => NETWORKS
            .iter()
            .map(|name| NetworkSummary::new(&NetworkChoice::built_in(name), changes))
            .collect::<Result<_>>()?,
    };
    let text = match &described[..] {
        _ if *markdown => page::page(&described)?,
        [one] => rows(one)?,
        all => overview(all).text() + "\nper face; `cargo xtask networks NAME` shows one row by row\n",
    };
    let networks = described.iter().map(|one| NetworkReport::new(one, network.is_some())).collect();
    print(*json, &Report { networks }, &text)
}

/// One network to read.
fn rows(network: &NetworkSummary) -> Result<String> {
    let NetworkSummary { description, plan, .. } = network;
    let [height, width] = plan.input_size();
    let what = if description.embedding.is_some() { "elements per embedding" } else { "outputs, no embedding" };
    let mut text = format!("{}: faces of {height}x{width}, {} {what}\n\n", description.name, plan.dimension());
    text += &network.table().text();
    let (parameters, activations) = (count(plan.parameters().len()), count(plan.activation_count()));
    writeln!(text, "\n{parameters} parameters in all, {activations} activations per face")?;
    if let Some(paper) = network.paper() {
        writeln!(text, "{paper}")?;
    }
    Ok(text)
}
