/// Three indices into a batch or a data set: anchor and positive have the same identity, the
/// negative has another.
///
/// Ordered by anchor, then positive, then negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Triplet {
    /// The reference the other two are compared with.
    pub anchor: usize,
    /// Another image of the anchor's identity.
    pub positive: usize,
    /// An image of another identity.
    pub negative: usize,
}
