//! docs/networks.md.

use std::fmt::Write;

use anyhow::Result;
use facenet_network::{ColorOrder, Normalization, NormalizationScheme, Scaling, built_in_toml};

use crate::networks::summary::{NetworkSummary, count, overview};

/// The whole page.
pub fn page(networks: &[NetworkSummary]) -> Result<String> {
    let mut page = include_str!("introduction.md").to_owned();
    writeln!(page, "\n## All of them\n\n{}", overview(networks).markdown())?;
    for network in networks {
        writeln!(page, "{}", section(network)?)?;
    }
    Ok(page)
}

/// What one network is, what goes in, and what its rows cost.
fn section(network: &NetworkSummary) -> Result<String> {
    let NetworkSummary { description, plan, .. } = network;
    let name = &description.name;
    let [height, width] = plan.input_size();
    let mut text = format!("## {name}\n\n{}\n\n", prose(name));
    writeln!(text, "- Faces of {height}x{width}, {}-dimensional embeddings.", plan.dimension())?;
    writeln!(text, "- {}", normalization(network))?;
    writeln!(text, "- {}", preprocessing(network))?;
    let counts = [plan.weight_count(), plan.bias_count(), plan.multiply_adds(), plan.activation_count()].map(count);
    let [weights, biases, multiply_adds, activations] = counts;
    writeln!(
        text,
        "- {weights} weights, {biases} biases; per face {multiply_adds} multiply-adds, {activations} activations."
    )?;
    if let Some(paper) = network.paper() {
        writeln!(text, "- {paper}.")?;
    }
    let file = if built_in_toml(name).is_some() { name } else { "nn2" };
    writeln!(text, "- Described in [{file}.toml](../crates/facenet-network/src/networks/{file}.toml).")?;
    writeln!(text, "\n{}", network.table().markdown())?;
    Ok(text.trim_end().to_owned() + "\n")
}

/// The comment at the head of the description.
fn prose(name: &str) -> String {
    let Some(text) = built_in_toml(name) else {
        return "NN3 of the paper (section 4.1): nn2 for faces of 160 x 160, and nothing else.".to_owned();
    };
    let comment = text.lines().map_while(|line| line.strip_prefix('#'));
    let lines: Vec<&str> = comment.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n").trim().to_owned()
}

/// How activations are normalized.
fn normalization(NetworkSummary { description, .. }: &NetworkSummary) -> String {
    let name = |normalization| match normalization {
        Normalization::BatchNorm => "batch normalization",
        Normalization::Bias => "a bias",
        Normalization::None => "nothing",
    };
    let products = name(description.normalization);
    let embedding = match description.embedding_normalization {
        same if same == description.normalization => "the embedding included".to_owned(),
        other => format!("the embedding by {}", name(other)),
    };
    let local_response = match description.clone().with_normalization(NormalizationScheme::LocalResponse) {
        Ok(_) => "; local response normalization between layers",
        Err(_) => "",
    };
    format!(
        "Normalization: convolutions and fully connected layers are followed by {products}, {embedding}{local_response}."
    )
}

/// What happens to pixels.
fn preprocessing(NetworkSummary { description, .. }: &NetworkSummary) -> String {
    let preprocessing = &description.preprocessing;
    let colors = match preprocessing.color_order {
        ColorOrder::Rgb => "RGB",
        ColorOrder::Bgr => "BGR",
    };
    let number = |[first, second, third]: [f32; 3]| match first == second && second == third {
        true => first.to_string(),
        false => format!("[{first}, {second}, {third}]"),
    };
    let scaling = match preprocessing.scaling {
        Scaling::PerImage => "each face with mean 0 and standard deviation 1".to_owned(),
        Scaling::Fixed { subtract: [0.0, 0.0, 0.0], divide } => format!("level / {}", number(divide)),
        Scaling::Fixed { subtract, divide } => format!("(level - {}) / {}", number(subtract), number(divide)),
    };
    let template = match preprocessing.template {
        Some(_) => "faces with landmarks are aligned to five points",
        None => "no template to align faces to",
    };
    format!("Pixels: {colors}, {scaling}; {template}.")
}
