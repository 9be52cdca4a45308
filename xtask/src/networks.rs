//! `cargo xtask networks`: what the built-in networks, or one of your own, are made of and cost.

mod page;

use std::fmt::Write;

use anyhow::{Context, Result};
use facenet_cli::arguments::network_choice::{NetworkChanges, NetworkChoice};
use facenet_cli::output::print::print;
use facenet_network::{Description, LayerCost, NETWORKS, PaperNetwork, Plan, paper_network};
use indicatif::HumanCount;
use serde::Serialize;

use crate::table::Table;

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

/// A network with what it costs.
struct Described {
    description: Description,
    plan: Plan,
    /// What the paper says about it, if it is the paper's.
    paper: Option<PaperNetwork>,
}

impl Described {
    fn new(choice: &NetworkChoice, changes: &NetworkChanges) -> Result<Self> {
        let description = changes.apply(choice.description()?)?;
        let plan = Plan::new(&description).with_context(|| format!("in {}", description.name))?;
        let paper = match choice {
            NetworkChoice::BuiltIn(name) => paper_network(name),
            NetworkChoice::File(_) => None,
        };
        Ok(Self { description, plan, paper })
    }

    /// What its layers cost; where the paper prints a row, what it prints beside our count of the same.
    fn table(&self) -> Table {
        let printed = self.paper.map_or(&[][..], |paper| paper.rows);
        let mut head = vec!["layer", "output", "weights", "biases", "multiply-adds"];
        if !printed.is_empty() {
            head.extend(["weights + biases", "paper", "multiply-adds + biases", "paper"]);
        }
        let mut table = Table::new(&head);
        let rows = self.plan.block_costs();
        for row in &rows {
            let [height, width, channels] = row.output;
            let mut cells = vec![row.layer.clone(), format!("{height}x{width}x{channels}")];
            cells.extend([row.weights, row.biases, row.multiply_adds].map(some));
            if let Some(printed) = printed.iter().find(|printed| printed.block == row.layer) {
                cells.extend(beside(row, printed.parameters, printed.multiply_adds));
            }
            table.push(cells);
        }
        let all = LayerCost {
            layer: "in all".to_owned(),
            output: [1, 1, self.plan.dimension()],
            weights: self.plan.weight_count(),
            biases: self.plan.bias_count(),
            parameters: self.plan.parameters().len(),
            multiply_adds: self.plan.multiply_adds(),
            bias_additions: rows.iter().map(|row| row.bias_additions).sum(),
        };
        let mut cells = vec![all.layer.clone(), String::new()];
        cells.extend([all.weights, all.biases, all.multiply_adds].map(count));
        if let Some(PaperNetwork { parameters, multiply_adds, rows: [_, ..], .. }) = self.paper {
            cells.extend(beside(&all, parameters.unwrap_or_default(), multiply_adds.unwrap_or_default()));
        }
        table.push(cells);
        table
    }

    /// What the paper says about all of it, in words.
    fn paper(&self) -> Option<String> {
        let PaperNetwork { source, parameters, multiply_adds, .. } = self.paper?;
        let figures = [(parameters, "parameters"), (multiply_adds, "multiply-adds")];
        let figures = figures.into_iter().filter_map(|(figure, what)| Some(format!("{} {what}", figure?)));
        let figures = figures.collect::<Vec<_>>().join(", ");
        let figures = if figures.is_empty() { "no figures".to_owned() } else { figures };
        Some(format!("The paper: {figures} ({source})"))
    }
}

/// Our counts as the paper counts, with a bias for each output channel, each followed by the paper's.
fn beside(row: &LayerCost, parameters: &str, multiply_adds: &str) -> [String; 4] {
    let [ours, our_multiply_adds] = [row.weights + row.biases, row.multiply_adds + row.bias_additions].map(count);
    [ours, parameters.to_owned(), our_multiply_adds, multiply_adds.to_owned()]
}

/// A number with its digits in groups.
fn count(number: usize) -> String {
    HumanCount(number as u64).to_string()
}

/// The same, or nothing for 0.
fn some(number: usize) -> String {
    if number == 0 { String::new() } else { count(number) }
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
    /// All learned numbers.
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
    fn new(Described { description, plan, paper }: &Described, with_rows: bool) -> Self {
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
    let described: Vec<Described> = match network {
        Some(choice) => vec![Described::new(choice, changes)?],
        None => {
            NETWORKS.iter().map(|name| Described::new(&NetworkChoice::BuiltIn(name), changes)).collect::<Result<_>>()?
        }
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
fn rows(network: &Described) -> Result<String> {
    let Described { description, plan, .. } = network;
    let [height, width] = plan.input_size();
    let what = if description.embedding.is_some() { "numbers per embedding" } else { "numbers for each, no embedding" };
    let mut text = format!("{}: faces of {height}x{width}, {} {what}\n\n", description.name, plan.dimension());
    text += &network.table().text();
    let (parameters, activations) = (count(plan.parameters().len()), count(plan.activation_count()));
    writeln!(text, "\n{parameters} learned numbers in all, {activations} numbers between the layers per face")?;
    if let Some(paper) = network.paper() {
        writeln!(text, "{paper}")?;
    }
    Ok(text)
}

/// All networks, a row each.
fn overview(networks: &[Described]) -> Table {
    let mut table = Table::new(&[
        "network",
        "faces",
        "embedding",
        "weights",
        "biases",
        "multiply-adds",
        "between layers",
        "paper: parameters",
        "paper: multiply-adds",
    ]);
    for Described { description, plan, paper } in networks {
        let [height, width] = plan.input_size();
        let mut cells = vec![description.name.clone(), format!("{height}x{width}")];
        cells.extend(
            [plan.dimension(), plan.weight_count(), plan.bias_count(), plan.multiply_adds(), plan.activation_count()]
                .map(count),
        );
        if let Some(paper) = paper {
            cells.extend([paper.parameters, paper.multiply_adds].map(|figure| figure.unwrap_or_default().to_owned()));
        }
        table.push(cells);
    }
    table
}
