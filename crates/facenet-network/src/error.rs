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
    #[error(
        "layer {layer}: a window of {}x{} with padding {}x{} does not fit {height}x{width}",
        kernel[0], kernel[1], padding[0], padding[1]
    )]
    WindowDoesNotFit {
        /// The layer.
        layer: String,
        /// Height and width of the window.
        kernel: [usize; 2],
        /// Padding above and below, left and right.
        padding: [usize; 2],
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
    /// A row of branches, or a residual connection, without anything in it.
    #[error("layer {layer}: it needs at least one branch with a layer")]
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
    /// Branches that can't be concatenated.
    #[error("layer {layer}: branch {branch} is {}x{}, where the first is {}x{}", found[0], found[1], expected[0], expected[1])]
    BranchSize {
        /// The layer.
        layer: String,
        /// The number of the branch, from 1.
        branch: usize,
        /// Its height and width.
        found: [usize; 2],
        /// Those of the first branch.
        expected: [usize; 2],
    },
    /// A residual connection whose layers change the shape.
    #[error("layer {layer}: its layers turn {expected:?} into {found:?}, which can't be added to their input")]
    ResidualShape {
        /// The layer.
        layer: String,
        /// Height, width and channels of what the layers put out.
        found: [usize; 3],
        /// Those of the input.
        expected: [usize; 3],
    },
    /// A picture that is larger than it should be with zeros around it.
    #[error("layer {layer}: {}x{} can't be filled up with zeros to {}x{}", found[0], found[1], size[0], size[1])]
    PadTooSmall {
        /// The layer.
        layer: String,
        /// Height and width of the input.
        found: [usize; 2],
        /// Those asked for.
        size: [usize; 2],
    },
    /// A network without rows of local response normalisation was asked for it.
    #[error("the network {network} has no local response normalisation")]
    NoLocalResponse {
        /// The network.
        network: String,
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
    /// A layer with which a network is beyond the limits.
    #[error("layer {layer}: with it the network has {found} {what}, more than the {limit} allowed")]
    LayerTooLarge {
        /// The layer.
        layer: String,
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
    /// A file of another program that can't be read.
    #[error("not a readable {format} file: {reason}")]
    ForeignSyntax {
        /// The format.
        format: &'static str,
        /// Where and what.
        reason: String,
    },
    /// A tensor of another program's file that contradicts itself or the file.
    #[error("the tensor {name} can't be read: {reason}")]
    MalformedTensor {
        /// The tensor.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The text is not a name map in TOML.
    #[error("not a name map: {reason}")]
    NameMapSyntax {
        /// Where and what, as the TOML reader says it.
        reason: String,
    },
    /// A network has no layer of a name.
    #[error("{network} has no layer {layer}")]
    NoLayer {
        /// The network.
        network: String,
        /// The name.
        layer: String,
    },
    /// A name map for another network.
    #[error("the name map is for the network {map}, not for {network}")]
    OtherNetwork {
        /// The network that the map is for.
        map: String,
        /// The network at hand.
        network: String,
    },
    /// A name map whose entry for a parameter or statistic is missing or wrong.
    #[error("the name map's entry for {name}: {reason}")]
    MapEntry {
        /// The parameter or statistic.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A tensor of another type than numbers, where numbers are needed.
    #[error("the tensor {name} is {element}, not of a float type")]
    NotFloat {
        /// The tensor.
        name: String,
        /// Its element type.
        element: String,
    },
    /// A tensor of another program's file that is left over.
    #[error("the file has a tensor {name}, which the name map neither uses nor ignores")]
    UnusedTensor {
        /// The tensor.
        name: String,
    },
}
