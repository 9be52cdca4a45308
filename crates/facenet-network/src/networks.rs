//! The built-in networks.

use crate::Preprocessing;
use crate::description::{
    Activation, BatchNorm, Convolution, Description, GlobalAveragePool, Inception, Layer, Normalization, Pool,
    PoolBranch, PoolKind,
};

/// Eyes, nose and mouth in a face of 64 x 64, symmetric about its middle. Their distances from each other are those of the
/// mean face of LFW's `peopleDevTrain.txt`, rounded.
const TEMPLATE: [[f32; 2]; 5] = [[19.5, 24.5], [43.5, 24.5], [31.5, 39.0], [21.0, 51.0], [42.0, 51.0]];

/// A small inception network for faces of 64 x 64, which trains on two cores in minutes.
///
/// The plan is that of the paper's NN2 (table 2) with fewer and narrower rows: a stem, inception rows at three
/// resolutions, L2 pooling in the rows that keep the size, max pooling in those that halve it, the mean over all pixels,
/// an embedding of 128 numbers. Each convolution is followed by batch normalisation.
#[must_use]
pub fn compact_inception() -> Description {
    Description {
        name: "compact_inception".to_owned(),
        input: [64, 64],
        preprocessing: Preprocessing { template: Some(TEMPLATE), ..Preprocessing::default() },
        batch_norm: BatchNorm::default(),
        embedding: 128,
        layers: vec![
            convolution("conv1", 5, 2, 32),
            pool(PoolKind::Max),
            convolution("conv2", 1, 1, 32),
            convolution("conv3", 3, 1, 96),
            row("inception_3a", 32, [48, 64], [8, 16], PoolKind::L2, 32),
            halving_row("inception_3b", [48, 96], [12, 24]),
            row("inception_4a", 96, [64, 128], [16, 32], PoolKind::L2, 32),
            halving_row("inception_4b", [80, 160], [16, 48]),
            row("inception_5a", 160, [96, 192], [24, 48], PoolKind::L2, 64),
            Layer::GlobalAveragePool(GlobalAveragePool {}),
        ],
    }
}

fn convolution(name: &str, kernel: usize, stride: usize, channels: usize) -> Layer {
    Layer::Convolution(Convolution {
        name: name.to_owned(),
        kernel,
        stride,
        padding: kernel / 2,
        channels,
        normalization: Normalization::BatchNorm,
        activation: Activation::Relu,
    })
}

/// A window of 3 x 3 that halves the size.
fn pool(kind: PoolKind) -> Layer {
    Layer::Pool(Pool { kind, kernel: 3, stride: 2, padding: 1 })
}

/// An inception row that keeps the size. Pairs are the channels of a reduction and of the convolution behind it.
fn row(
    name: &str,
    branch_1x1: usize,
    branch_3x3: [usize; 2],
    branch_5x5: [usize; 2],
    pool: PoolKind,
    projection: usize,
) -> Layer {
    Layer::Inception(Inception {
        name: name.to_owned(),
        stride: 1,
        branch_1x1: Some(branch_1x1),
        branch_3x3: Some(branch_3x3),
        branch_5x5: Some(branch_5x5),
        branch_pool: Some(PoolBranch { kind: pool, projection: Some(projection) }),
        normalization: Normalization::BatchNorm,
        activation: Activation::Relu,
    })
}

/// An inception row that halves the size; its input passes through the pooling branch unprojected.
fn halving_row(name: &str, branch_3x3: [usize; 2], branch_5x5: [usize; 2]) -> Layer {
    Layer::Inception(Inception {
        name: name.to_owned(),
        stride: 2,
        branch_1x1: None,
        branch_3x3: Some(branch_3x3),
        branch_5x5: Some(branch_5x5),
        branch_pool: Some(PoolBranch { kind: PoolKind::Max, projection: None }),
        normalization: Normalization::BatchNorm,
        activation: Activation::Relu,
    })
}
