//! The network, batch and threads of a benchmark.

use anyhow::Result;
use facenet_cli::arguments::network_choice::NetworkChoice;
use facenet_cli::arguments::threads::set_threads;
use facenet_network::{Description, Initializer, Network, Normalization, NormalizationScheme};
use ndarray::Array4;
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;

/// The network, batch and threads of a benchmark.
#[derive(clap::Args)]
pub struct Subject {
    /// Network, with batch normalization unless its description says otherwise
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = NetworkChoice::parser(), default_value = "nn4_small2")]
    pub network: NetworkChoice,
    /// Batch size
    #[arg(long, value_name = "B", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch: u32,
    /// Number of threads [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

impl Subject {
    /// The network with random weights.
    pub fn network(&self) -> Result<Network<f32>> {
        let description = with_batch_normalization(self.network.description()?)?;
        Ok(Network::new(description, Initializer::HeNormal, 0)?)
    }

    /// The network, and random preprocessed faces.
    pub fn prepare(&self) -> Result<(Network<f32>, Array4<f32>)> {
        set_threads(self.threads)?;
        let network = self.network()?;
        let [height, width] = network.plan().input_size();
        let shape = (self.batch as usize, height, width, 3);
        let x = Array4::random_using(shape, StandardNormal, &mut ChaCha8Rng::seed_from_u64(0));
        Ok((network, x))
    }
}

/// Gives networks without batch normalization one after every product: published networks are
/// compared that way.
fn with_batch_normalization(description: Description) -> Result<Description> {
    match description.normalization {
        Normalization::BatchNorm => Ok(description),
        _ => Ok(description.with_normalization(NormalizationScheme::Batch)?),
    }
}
