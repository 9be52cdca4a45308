//! Tables of the cost of networks.

use anyhow::{Context, Result};
use facenet_cli::arguments::network_choice::{NetworkChanges, NetworkChoice};
use facenet_network::{Description, LayerCost, PaperNetwork, Plan, paper_network};
use indicatif::HumanCount;

use crate::table::Table;

/// A network with its plan and the paper's figures.
pub struct NetworkSummary {
    pub description: Description,
    pub plan: Plan,
    /// The paper's figures, if it is one of the paper's networks.
    pub paper: Option<PaperNetwork>,
}

impl NetworkSummary {
    pub fn new(choice: &NetworkChoice, changes: &NetworkChanges) -> Result<Self> {
        let description = changes.apply(choice.description()?)?;
        let plan = Plan::new(&description).with_context(|| format!("in {}", description.name))?;
        let paper = choice.name().and_then(paper_network);
        Ok(Self { description, plan, paper })
    }

    /// The cost of each block, beside the row that the paper prints for it.
    pub fn table(&self) -> Table {
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
            cells.extend([row.weights, row.biases, row.multiply_adds].map(count_or_blank));
            if let Some(printed) = printed.iter().find(|printed| printed.block == row.layer) {
                cells.extend(paper_columns(row, printed.parameters, printed.multiply_adds));
            }
            table.push(cells);
        }
        let all = LayerCost {
            layer: "total".to_owned(),
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
            cells.extend(paper_columns(&all, parameters.unwrap_or_default(), multiply_adds.unwrap_or_default()));
        }
        table.push(cells);
        table
    }

    /// The figures of the paper for the whole network, as a sentence.
    pub fn paper(&self) -> Option<String> {
        let PaperNetwork { source, parameters, multiply_adds, .. } = self.paper?;
        let figures = [(parameters, "parameters"), (multiply_adds, "multiply-adds")];
        let figures = figures.into_iter().filter_map(|(figure, what)| Some(format!("{} {what}", figure?)));
        let figures = figures.collect::<Vec<_>>().join(", ");
        let figures = if figures.is_empty() { "no figures".to_owned() } else { figures };
        Some(format!("The paper: {figures} ({source})"))
    }
}

/// Our counts as the paper counts, with a bias for each output channel, each followed by the paper's.
fn paper_columns(row: &LayerCost, parameters: &str, multiply_adds: &str) -> [String; 4] {
    let [ours, our_multiply_adds] = [row.weights + row.biases, row.multiply_adds + row.bias_additions].map(count);
    [ours, parameters.to_owned(), our_multiply_adds, multiply_adds.to_owned()]
}

/// A count with thousands separators.
pub fn count(number: usize) -> String {
    HumanCount(number as u64).to_string()
}

/// The same; blank for 0.
fn count_or_blank(number: usize) -> String {
    if number == 0 { String::new() } else { count(number) }
}

/// All networks, a row each.
pub fn overview(networks: &[NetworkSummary]) -> Table {
    let mut table = Table::new(&[
        "network",
        "faces",
        "embedding",
        "weights",
        "biases",
        "multiply-adds",
        "activations",
        "paper: parameters",
        "paper: multiply-adds",
    ]);
    for NetworkSummary { description, plan, paper } in networks {
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
