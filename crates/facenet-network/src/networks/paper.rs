//! Parameter counts and FLOPS that the paper states for its networks.

use serde::Serialize;

/// Figures of the paper for one of its networks, as printed: `"140M"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PaperNetwork {
    /// Table or section of the paper.
    pub source: &'static str,
    /// Number of parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<&'static str>,
    /// Multiply-adds per face, which the paper calls FLOPS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiply_adds: Option<&'static str>,
    /// Rows of the paper's table for layers with parameters; empty if no table was published.
    #[serde(skip_serializing_if = "<[PaperRow]>::is_empty")]
    pub rows: &'static [PaperRow],
}

/// A row of one of the paper's tables.
///
/// The figures are rounded counts that include one bias per output channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PaperRow {
    /// Name of the layer in the paper.
    pub layer: &'static str,
    /// Name of the layer in [`Plan::block_costs`](crate::Plan::block_costs).
    pub block: &'static str,
    /// Number of parameters.
    pub parameters: &'static str,
    /// Multiply-adds per face.
    pub multiply_adds: &'static str,
}

const fn row(
    layer: &'static str,
    block: &'static str,
    parameters: &'static str,
    multiply_adds: &'static str,
) -> PaperRow {
    PaperRow { layer, block, parameters, multiply_adds }
}

/// Table 1.
const NN1: [PaperRow; 14] = [
    row("conv1", "conv1", "9K", "115M"),
    row("conv2a", "conv2a", "4K", "13M"),
    row("conv2", "conv2", "111K", "335M"),
    row("conv3a", "conv3a", "37K", "29M"),
    row("conv3", "conv3", "664K", "521M"),
    row("conv4a", "conv4a", "148K", "29M"),
    row("conv4", "conv4", "885K", "173M"),
    row("conv5a", "conv5a", "66K", "13M"),
    row("conv5", "conv5", "590K", "116M"),
    row("conv6a", "conv6a", "66K", "13M"),
    row("conv6", "conv6", "590K", "116M"),
    row("fc1", "fc1", "103M", "103M"),
    row("fc2", "fc2", "34M", "34M"),
    row("fc7128", "embedding", "524K", "0.5M"),
];

/// Table 2.
const NN2: [PaperRow; 13] = [
    row("conv1", "conv1", "9K", "119M"),
    row("inception (2)", "inception_2", "115K", "360M"),
    row("inception (3a)", "inception_3a", "164K", "128M"),
    row("inception (3b)", "inception_3b", "228K", "179M"),
    row("inception (3c)", "inception_3c", "398K", "108M"),
    row("inception (4a)", "inception_4a", "545K", "107M"),
    row("inception (4b)", "inception_4b", "595K", "117M"),
    row("inception (4c)", "inception_4c", "654K", "128M"),
    row("inception (4d)", "inception_4d", "722K", "142M"),
    row("inception (4e)", "inception_4e", "717K", "56M"),
    row("inception (5a)", "inception_5a", "1.6M", "78M"),
    row("inception (5b)", "inception_5b", "1.6M", "78M"),
    row("fully conn", "embedding", "131K", "0.1M"),
];

/// Figures of the paper for a built-in network; `None` for networks of other sources.
#[must_use]
pub fn paper_network(name: &str) -> Option<PaperNetwork> {
    let (source, parameters, multiply_adds, rows): (_, _, _, &[PaperRow]) = match name {
        "nn1" => ("table 1", Some("140M"), Some("1.6B"), &NN1),
        "nn2" => ("table 2", Some("7.5M"), Some("1.6B"), &NN2),
        "nn3" => ("section 4.1: NN2 for 160x160", None, None, &[]),
        "nn4" => (
            "section 4.1: NN2 for 96x96, no 5x5 in the higher layers; the least of its inception networks' 6.6M to 7.5M parameters",
            Some("6.6M"),
            Some("285M"),
            &[],
        ),
        "nns1" => ("section 4.1; no table was published, this is a stand-in", Some("26M"), Some("220M"), &[]),
        "nns2" => ("section 4.1; no table was published, this is a stand-in", Some("4.3M"), Some("20M"), &[]),
        _ => return None,
    };
    Some(PaperNetwork { source, parameters, multiply_adds, rows })
}

/// Parses a printed figure into its value and one unit of its last digit: `"1.6M"` is
/// `(1_600_000.0, 100_000.0)`.
///
/// # Panics
///
/// If the text is not a number with an optional suffix K, M or B.
#[track_caller]
#[must_use]
pub fn parse_printed_figure(text: &str) -> (f64, f64) {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((end, 'K')) => (&text[..end], 1e3),
        Some((end, 'M')) => (&text[..end], 1e6),
        Some((end, 'B')) => (&text[..end], 1e9),
        _ => (text, 1.0),
    };
    let value: f64 = digits.parse().unwrap_or_else(|_| panic!("{text} is not a printed figure"));
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32);
    (value * unit, unit * 10f64.powi(-decimals))
}
