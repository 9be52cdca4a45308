//! The errors of this crate.

use crate::import::tensor_place::TensorPlace;
use crate::import::unsupported_format::UnsupportedFormat;

/// Places that a message lists.
const LISTED: usize = 8;

/// Why a description, a checkpoint or a file of weights was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a description in TOML.
    #[error("not a network description: {reason}")]
    DescriptionSyntax {
        /// Message of the TOML parser.
        reason: String,
    },
    /// A layer name is empty or too long.
    #[error("layer names must have 1 to about 150 characters, found {name:?} including the parameter's field")]
    LayerName {
        /// Start of the parameter's full name.
        name: String,
    },
    /// A value is out of range.
    #[error("{context}: {field} is {value}, not between {min} and {max}")]
    OutOfRange {
        /// Where the value belongs: a layer, the optimizer, a section of the description.
        context: String,
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
        /// Smallest valid value.
        min: f64,
        /// Largest valid value.
        max: f64,
    },
    /// The landmarks of an alignment template are within a pixel of each other.
    #[error("preprocessing: the five landmarks of template coincide")]
    DegenerateTemplate,
    /// A window is larger than its padded input.
    #[error(
        "layer {layer}: a {}x{} window with padding {}x{} does not fit a {height}x{width} input",
        kernel[0], kernel[1], padding[0], padding[1]
    )]
    WindowDoesNotFit {
        /// The layer.
        layer: String,
        /// Window height and width.
        kernel: [usize; 2],
        /// Vertical and horizontal padding.
        padding: [usize; 2],
        /// Input height.
        height: usize,
        /// Input width.
        width: usize,
    },
    /// The number of channels is not a multiple of `pieces`.
    #[error("layer {layer}: {channels} channels cannot be split into groups of {pieces}")]
    MaxoutPieces {
        /// The layer.
        layer: String,
        /// Input channels.
        channels: usize,
        /// Channels per group.
        pieces: usize,
    },
    /// A block of branches or a residual block contains no layers.
    #[error("layer {layer}: the block has no layers")]
    EmptyBlock {
        /// The layer.
        layer: String,
    },
    /// An inception block with stride has a 1x1 branch, which has no window to apply the stride to.
    #[error("layer {layer}: an inception block of stride {stride} cannot have a 1x1 branch")]
    StridedBranch {
        /// The layer.
        layer: String,
        /// Its stride.
        stride: usize,
    },
    /// Branches of different sizes cannot be concatenated.
    #[error(
        "layer {layer}: the output of branch {branch} is {}x{}, that of the first branch {}x{}",
        found[0], found[1], expected[0], expected[1]
    )]
    BranchSize {
        /// The layer.
        layer: String,
        /// Index of the branch, from 1.
        branch: usize,
        /// Its output height and width.
        found: [usize; 2],
        /// Output height and width of the first branch.
        expected: [usize; 2],
    },
    /// The output of a residual branch does not have the shape of its input.
    #[error("layer {layer}: the residual branch maps {expected:?} to {found:?}; the shapes must be equal")]
    ResidualShape {
        /// The layer.
        layer: String,
        /// Height, width and channels of the branch's output.
        found: [usize; 3],
        /// Height, width and channels of its input.
        expected: [usize; 3],
    },
    /// The terms of a sum differ in shape.
    #[error("layer {layer}: the terms are {found:?} and {expected:?}; the shapes must be equal")]
    SumShape {
        /// The layer.
        layer: String,
        /// Height, width and channels of the input.
        found: [usize; 3],
        /// Height, width and channels of the earlier layer's output.
        expected: [usize; 3],
    },
    /// A sum or an output refers to a layer that does not come before it.
    #[error("{layer}: there is no earlier layer {name:?} outside of blocks")]
    UnknownLayer {
        /// The sum or output.
        layer: String,
        /// The name of the missing layer.
        name: String,
    },
    /// A description has an embedding as well as named outputs.
    #[error("a network has either an embedding or named outputs")]
    EmbeddingAndOutputs,
    /// Another input size changes the shapes of parameters.
    #[error("the fully connected layers of {network} need inputs of {}x{}", size[0], size[1])]
    FixedInputSize {
        /// The name of the network.
        network: String,
        /// Height and width of its input.
        size: [usize; 2],
    },
    /// The input of a zero padding is larger than its output.
    #[error("layer {layer}: a {}x{} input cannot be padded to {}x{}", found[0], found[1], size[0], size[1])]
    PadTooSmall {
        /// The layer.
        layer: String,
        /// Input height and width.
        found: [usize; 2],
        /// Output height and width.
        size: [usize; 2],
    },
    /// Local response normalization was requested for a network without such layers.
    #[error("network {network} has no local response normalization")]
    NoLocalResponse {
        /// The network.
        network: String,
    },
    /// Two parameters or tensors have the same name.
    #[error("the name {name} is used twice")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A network or file exceeds a limit.
    #[error("{found} {what} exceed the limit of {limit}")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The layer with which a network exceeds a limit.
    #[error("layer {layer}: up to here the network has {found} {what}, exceeding the limit of {limit}")]
    LayerTooLarge {
        /// The layer.
        layer: String,
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes are not a safetensors file, or the file is truncated.
    #[error("not a readable safetensors file: {reason}")]
    CheckpointSyntax {
        /// What is wrong.
        reason: String,
    },
    /// A safetensors file lacks a metadata field of checkpoints.
    #[error("the checkpoint has no valid metadata field {field}")]
    CheckpointMetadata {
        /// The field.
        field: &'static str,
    },
    /// A tensor of the network is missing in the file.
    #[error("the checkpoint has no tensor {name}")]
    MissingTensor {
        /// The tensor.
        name: String,
    },
    /// The file has a tensor that the network does not have.
    #[error("the checkpoint has a tensor {name}, the network does not")]
    UnknownTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor has the wrong shape or element type.
    #[error("tensor {name} is {found}, expected {expected}")]
    TensorShape {
        /// The tensor.
        name: String,
        /// Shape and type in the file.
        found: String,
        /// Shape and type that the network needs.
        expected: String,
    },
    /// A tensor contains an infinity or NaN.
    #[error("tensor {name} contains a value that is not finite")]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// A running variance is negative.
    #[error("tensor {name} contains a negative variance")]
    NegativeVariance {
        /// The tensor.
        name: String,
    },
    /// A file of another framework cannot be read.
    #[error("not a readable {format} file: {reason}")]
    ForeignSyntax {
        /// The format.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A file is in a format that is not read.
    #[error("the file is {format}")]
    UnsupportedFormat {
        /// The format.
        format: UnsupportedFormat,
    },
    /// A file of PyTorch contains no tensors in dictionaries or modules.
    #[error("the file has no dictionary of tensors; it contains {content}")]
    NoNamedTensors {
        /// What the file contains.
        content: String,
    },
    /// No dictionary of another framework's file has most of the tensors that a name map names.
    #[error("no dictionary has the tensors that the name map names, such as {example}; the file has {}", list(places))]
    NoMatchingTensors {
        /// A tensor that the map names.
        example: String,
        /// The places with tensors.
        places: Vec<TensorPlace>,
    },
    /// Several places of another framework's file have the tensors that a name map names.
    #[error("several dictionaries of the file have the tensors of the network: {}", list(places))]
    AmbiguousTensors {
        /// The places.
        places: Vec<TensorPlace>,
    },
    /// Another framework's file has no tensors at a place.
    #[error("the file has no tensors at {path:?}; it has {}", list(places))]
    NoTensorsAt {
        /// The place.
        path: String,
        /// The places with tensors.
        places: Vec<TensorPlace>,
    },
    /// A tensor of another framework's file is inconsistent with itself or with the file.
    #[error("tensor {name} cannot be read: {reason}")]
    MalformedTensor {
        /// The tensor.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The text is not a name map in TOML.
    #[error("not a name map: {reason}")]
    NameMapSyntax {
        /// Message of the TOML parser.
        reason: String,
    },
    /// The network has no layer of that name.
    #[error("{network} has no layer {layer}")]
    NoLayer {
        /// The network.
        network: String,
        /// The name.
        layer: String,
    },
    /// The name map is for another network.
    #[error("the name map is for network {map}, not for {network}")]
    NetworkMismatch {
        /// The network that the map is for.
        map: String,
        /// The network to be imported.
        network: String,
    },
    /// A name map's entry for a parameter or statistic is missing or wrong.
    #[error("name map entry for {name}: {reason}")]
    NameMapEntry {
        /// The parameter or statistic.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A tensor that a name map refers to is not of a floating-point type.
    #[error("tensor {name} has element type {element}, which is not a floating-point type")]
    NotFloat {
        /// The tensor.
        name: String,
        /// Its element type.
        element: String,
    },
    /// A tensor of another framework's file is neither used nor ignored by the name map.
    #[error("the file has a tensor {name}, which the name map neither uses nor ignores")]
    UnusedTensor {
        /// The tensor.
        name: String,
    },
}

/// The first places, joined by commas.
fn list(places: &[TensorPlace]) -> String {
    let mut text = places.iter().take(LISTED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if places.len() > LISTED {
        text += &format!(" and {} more", places.len() - LISTED);
    }
    text
}
