//! A small recipe.

/// A recipe for faces of 16 x 16 pixels that trains in under a second.
pub const TINY_RECIPE: &str = r#"
steps = 6
margin = 0.2

[batch]
people = 2
faces = 2

[triplets]
from = "online"
miner = "batch_hard"

[learning_rate]
base = 0.005

[network]
name = "tiny"
input = [16, 16]
embedding = 8
layers = [
    { layer = "convolution", name = "conv1", kernel = 3, stride = 2, padding = 1, channels = 8 },
    { layer = "convolution", name = "conv2", kernel = 3, stride = 2, padding = 1, channels = 16 },
]
"#;
