//! What layers cost in parameters and multiply-adds.

/// Output shape and cost of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerCost {
    /// Name of the layer.
    pub layer: String,
    /// Height, width and channels of its output.
    pub output: [usize; 3],
    /// Weights of convolutions and fully connected layers.
    pub weights: usize,
    /// Biases, and shifts of batch normalization.
    pub biases: usize,
    /// All learned parameters: weights, biases, scales of batch normalization, slopes of PReLU.
    pub parameters: usize,
    /// Multiply-adds of convolutions and fully connected layers, per face.
    pub multiply_adds: usize,
    /// Additions of a bias, per face.
    pub bias_additions: usize,
}

impl LayerCost {
    /// Adds the cost of the next layer, whose output becomes that of the sum.
    pub(crate) fn add(&mut self, next: &Self) {
        self.output = next.output;
        self.weights += next.weights;
        self.biases += next.biases;
        self.parameters += next.parameters;
        self.multiply_adds += next.multiply_adds;
        self.bias_additions += next.bias_additions;
    }
}
