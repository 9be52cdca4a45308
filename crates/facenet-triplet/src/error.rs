/// Why no triplets can be formed from a set of images or within a requested batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The set has fewer than two identities, so there are no negatives.
    #[error("triplets need images of at least two people, found {found}")]
    TooFewPeople {
        /// Identities in the set.
        found: usize,
    },
    /// Every identity has a single image, so there are no positives.
    #[error("no person has two images, so there is no anchor-positive pair")]
    NoPositivePair,
    /// A batch asks for more people than have a positive in the set.
    #[error("a batch of {requested} people needs that many with at least two images, found {found}")]
    TooFewPeopleForBatch {
        /// People requested per batch.
        requested: usize,
        /// People with at least two images.
        found: usize,
    },
    /// The batch shape has no people, or one person and no extra negatives.
    #[error("a batch of {people} people and {negatives} extra negatives contains no triplet")]
    BatchWithoutTriplets {
        /// People requested per batch.
        people: usize,
        /// Extra negatives requested per batch.
        negatives: usize,
    },
    /// The batch shape has fewer than two faces per person.
    #[error("a batch needs at least two faces per person, got {faces}")]
    TooFewFaces {
        /// Faces requested per person.
        faces: usize,
    },
    /// An offline subset or mini-batch is smaller than a triplet.
    #[error("a triplet needs 3 images, the limit is {images}")]
    TooFewImages {
        /// Images allowed.
        images: usize,
    },
    /// An embedding is not finite.
    #[error(transparent)]
    NotFinite(#[from] facenet_neighbors::NotFinite),
}
