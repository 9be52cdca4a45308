/// Why a description, a checkpoint or a request can't become a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a description in TOML.
    #[error("not a network description: {reason}")]
    DescriptionSyntax {
        /// Where and what, as the TOML reader says it.
        reason: String,
    },
    /// A layer without a name, or with a very long one.
    #[error("a layer needs a name of 1 to some 150 letters, found {name:?} with its field")]
    LayerName {
        /// The start of the name that a parameter would have.
        name: String,
    },
    /// A number is outside its range.
    #[error("{place}: {field} is {value}, which is not between {least} and {most}")]
    OutOfRange {
        /// Whose number it is: a layer's, the optimiser's.
        place: String,
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
        /// The least that is allowed.
        least: f64,
        /// The most that is allowed.
        most: f64,
    },
    /// The points of a template are within a pixel of each other.
    #[error(
        "preprocessing: the points of template coincide, where two eyes, a nose and two corners of a mouth should be"
    )]
    TemplateCoincides,
    /// A window is larger than the padded picture under it.
    #[error("layer {layer}: a window of {kernel} with padding {padding} does not fit {height}x{width}")]
    WindowDoesNotFit {
        /// The layer.
        layer: String,
        /// Side of the window.
        kernel: usize,
        /// Padding on each side.
        padding: usize,
        /// Rows of the input.
        height: usize,
        /// Columns of the input.
        width: usize,
    },
    /// The channels don't split into groups of `pieces`.
    #[error("layer {layer}: {channels} channels can't be split into groups of {pieces}")]
    MaxoutPieces {
        /// The layer.
        layer: String,
        /// Channels of the input.
        channels: usize,
        /// Channels per group.
        pieces: usize,
    },
    /// An inception row without a branch.
    #[error("layer {layer}: an inception row needs at least one branch")]
    NoBranch {
        /// The layer.
        layer: String,
    },
    /// A strided inception row with a 1x1 branch, which has no window to stride with.
    #[error("layer {layer}: a row of stride {stride} can't have a 1x1 branch")]
    StridedBranch {
        /// The layer.
        layer: String,
        /// Its stride.
        stride: usize,
    },
    /// Two parameters have one name.
    #[error("the name {name} is used twice")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A network beyond the limits.
    #[error("the network has {found} {what}, more than the {limit} allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Bytes that are no safetensors file, or a truncated one.
    #[error("not a readable safetensors file: {reason}")]
    CheckpointSyntax {
        /// What the reader says.
        reason: String,
    },
    /// A safetensors file without a field that a checkpoint has.
    #[error("the checkpoint has no valid metadata field {field}")]
    CheckpointMetadata {
        /// The field.
        field: &'static str,
    },
    /// A tensor of the network is not in the file.
    #[error("the checkpoint lacks the tensor {name}")]
    MissingTensor {
        /// The tensor.
        name: String,
    },
    /// The file has a tensor that the network has not.
    #[error("the checkpoint has a tensor {name}, which the network has not")]
    UnknownTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor of another shape or element type.
    #[error("the tensor {name} is {found}, not {expected}")]
    TensorShape {
        /// The tensor.
        name: String,
        /// What the file has.
        found: String,
        /// What the network needs.
        expected: String,
    },
    /// A tensor with an infinite number or a NaN.
    #[error("the tensor {name} holds a number that is not finite")]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// A running variance below 0.
    #[error("the tensor {name} holds a negative variance")]
    NegativeVariance {
        /// The tensor.
        name: String,
    },
}
