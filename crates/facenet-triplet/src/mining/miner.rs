use crate::mining::batch::MiningBatch;
use crate::triplet::Triplet;

/// Selects triplets within one mini-batch.
///
/// Triplets are passed to a callback one at a time, because batch-all can produce hundreds of
/// millions of them. Their order depends on the batch alone. NaN distances never take part in a
/// triplet.
pub trait Miner: Send + Sync {
    /// Calls `sink` with each selected triplet. Indices refer to the embeddings of the batch.
    fn mine(&self, batch: &MiningBatch<'_>, sink: &mut dyn FnMut(Triplet));
}
