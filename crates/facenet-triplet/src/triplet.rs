/// Three pictures, as indices into a batch or a set: the anchor and the positive show one person, the negative another.
///
/// Ordered by anchor, then positive, then negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Triplet {
    /// The picture that the two others are compared with.
    pub anchor: usize,
    /// Another picture of the anchor's person.
    pub positive: usize,
    /// A picture of another person.
    pub negative: usize,
}
