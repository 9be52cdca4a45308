/// Why a set of pictures, or the batches asked of it, can't give triplets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The set shows fewer than two people, so no picture has a negative.
    #[error("triplets need pictures of at least two people, found {found}")]
    TooFewPeople {
        /// People in the set.
        found: usize,
    },
    /// Everyone has a single picture, so no picture has a positive.
    #[error("no person has two pictures, so there is no anchor-positive pair")]
    NoPositivePair,
    /// A batch asks for more people with a positive than the set has.
    #[error("a batch of {wanted} people needs as many with at least two pictures, found {found}")]
    TooFewPeopleForBatch {
        /// People asked for in each batch.
        wanted: usize,
        /// People with at least two pictures.
        found: usize,
    },
    /// A batch asks for nobody, or for one person without any negatives.
    #[error("a batch of {people} people and {negatives} extra negatives holds no triplet")]
    BatchWithoutTriplets {
        /// People asked for in each batch.
        people: usize,
        /// Extra negatives asked for in each batch.
        negatives: usize,
    },
    /// A batch asks for fewer than two faces of a person.
    #[error("a batch needs at least two faces of each person, not {faces}")]
    TooFewFaces {
        /// Faces asked for of each person.
        faces: usize,
    },
    /// An offline subset or mini-batch has no room for a triplet.
    #[error("{pictures} pictures can't hold a triplet, which needs 3")]
    NoRoomForTriplet {
        /// Pictures asked for.
        pictures: usize,
    },
}
