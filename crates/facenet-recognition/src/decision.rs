//! From squared distances to decisions: verification and identification.

use facenet_metrics::Calibration;
use facenet_neighbors::VoteWinner;

use crate::error::Error;
use crate::gallery::{Gallery, Identification, Posterior};
use crate::photos::embedder::{EmbeddedPhotos, PhotoEmbedder};
use crate::photos::face::Face;

/// How squared distances are turned into decisions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DecisionRule {
    /// By the network's calibration: the more probable answer.
    Calibrated(Calibration),
    /// By a threshold: the same person up to and including this squared distance.
    Threshold(f64),
}

/// The result of a comparison of two photos: of each face of one with each face of the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether someone is on both photos. `None` if one of the two faces is not where the landmark list says.
    pub same: Option<bool>,
    /// The rows of the two faces that are most alike.
    pub faces: [usize; 2],
    /// The squared distance of their embeddings.
    pub squared_distance: f64,
    /// The threshold for a single pair of faces.
    pub threshold: f64,
    /// The probability that the verdict is right, given that with probability one half someone is on both
    /// photos. `None` without a calibration or a verdict, or if it does not apply to one of the two faces.
    pub confidence: Option<f64>,
}

/// The result of an identification.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdentityDecision {
    /// The identity in the gallery; `None` if unknown.
    pub person: Option<usize>,
    /// The probability that the decision is right. `None` without a calibration, or if it does not
    /// apply to the face.
    pub confidence: Option<f64>,
    /// Number of images that voted for the person, 0 if unknown. `None` unless the decision is by vote.
    pub votes: Option<usize>,
    /// The result of the search in the gallery. It has no posterior if the calibration does not apply to
    /// the face.
    pub found: Identification,
}

impl DecisionRule {
    /// The calibration, if the rule has one.
    #[must_use]
    pub fn calibration(&self) -> Option<&Calibration> {
        match self {
            Self::Calibrated(calibration) => Some(calibration),
            Self::Threshold(_) => None,
        }
    }

    /// The largest squared distance that is accepted as the same person.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        match self {
            Self::Calibrated(calibration) => calibration.threshold,
            Self::Threshold(threshold) => *threshold,
        }
    }

    /// The largest squared distance at which an enrolled image may show the person on a probe, given the
    /// number of people enrolled. By calibration it is the distance at which the odds of a genuine pair
    /// are that number to one, since each person is another chance of an accidental resemblance. It is
    /// negative, so that nobody is near enough, if not even equal embeddings reach these odds.
    ///
    /// Several images of each person give strangers more chances, which the posterior allows for and a
    /// threshold does not.
    ///
    /// # Panics
    ///
    /// If nobody is enrolled.
    #[must_use]
    #[track_caller]
    pub fn gallery_threshold(&self, people: usize) -> f64 {
        assert!(people > 0, "nobody is enrolled");
        match self {
            Self::Calibrated(calibration) => calibration.squared_distance_at(people as f64),
            Self::Threshold(threshold) => *threshold,
        }
    }

    /// Decides whether any of some pairs of faces shows one person, given their squared distances, with the
    /// probability that the decision is right if the rule has a calibration. By calibration each of the n
    /// pairs is equally likely to be the genuine one, if there is one:
    ///
    /// ```text
    /// P(same) = Σ e_i / (n + Σ e_i),  e_i = exp(slope (threshold - d_i))
    /// ```
    ///
    /// For a single pair that is the same as a comparison with the threshold. By threshold the nearest pair
    /// decides.
    ///
    /// # Panics
    ///
    /// If there are no pairs.
    #[must_use]
    #[track_caller]
    pub fn verify(&self, squared_distances: &[f64]) -> (bool, Option<f64>) {
        assert!(!squared_distances.is_empty(), "no pair of faces to compare");
        match self {
            Self::Calibrated(calibration) => {
                let pairs: Vec<Vec<f64>> = squared_distances.iter().map(|&distance| vec![distance]).collect();
                let probability = calibration.posteriors(&pairs).iter().sum::<f64>().min(1.0);
                let same = match squared_distances {
                    [distance] => *distance <= calibration.threshold,
                    _ => probability >= 0.5,
                };
                (same, Some(if same { probability } else { 1.0 - probability }))
            }
            Self::Threshold(threshold) => (squared_distances.iter().any(|distance| distance <= threshold), None),
        }
    }

    /// Decides on the result of a search with this rule's [calibration](Self::calibration): the
    /// most probable person unless "unknown" is more probable, or the nearest person within the
    /// threshold.
    #[must_use]
    pub fn identify(&self, found: Identification) -> IdentityDecision {
        let (person, confidence) = match (self, found.posterior) {
            (Self::Calibrated(_), Some(Posterior { person, probability, unknown })) if probability >= unknown => {
                (Some(person), Some(probability))
            }
            (Self::Calibrated(_), Some(Posterior { unknown, .. })) => (None, Some(unknown)),
            _ => {
                let is_near = f64::from(found.squared_distance) <= self.threshold();
                (is_near.then_some(found.nearest), None)
            }
        };
        IdentityDecision { person, confidence, votes: None, found }
    }
}

impl PhotoEmbedder {
    /// Whether the calibration of the network applies to a face: it was aligned, if the network takes
    /// aligned faces, and there is no warning.
    #[must_use]
    pub fn is_calibrated(&self, face: &Face) -> bool {
        face.is_reliable() && (!self.reader().aligns() || face.landmarks.is_some())
    }

    /// Compares each face of one photo with each face of another; faces with a warning only if a photo has no
    /// others. `None` if one of them shows no face. The verdict has a confidence if the calibration
    /// [applies](Self::is_calibrated) to the two faces that are most alike.
    ///
    /// # Panics
    ///
    /// If a photo is out of bounds.
    #[must_use]
    #[track_caller]
    pub fn verify(&self, photos: &EmbeddedPhotos, pair: [usize; 2], rule: &DecisionRule) -> Option<Verdict> {
        let [first, second] = pair.map(|photo| {
            let rows = photos.photos[photo].faces.clone();
            let reliable: Vec<usize> = rows.clone().filter(|&row| photos.faces[row].is_reliable()).collect();
            if reliable.is_empty() { rows.collect() } else { reliable }
        });
        let pairs: Vec<[usize; 2]> =
            first.iter().flat_map(|&one| second.iter().map(move |&other| [one, other])).collect();
        let distances: Vec<f64> = pairs
            .iter()
            .map(|rows| {
                let [one, other] = rows.map(|row| photos.embeddings.row(row));
                one.iter().zip(other).map(|(one, other)| f64::from(one - other).powi(2)).sum()
            })
            .collect();
        let (nearest, &squared_distance) =
            distances.iter().enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other))?;
        let (same, confidence) = rule.verify(&distances);
        let faces = pairs[nearest];
        let calibrated = faces.iter().all(|&row| self.is_calibrated(&photos.faces[row]));
        let confidence = confidence.filter(|_| calibrated);
        let same = faces.iter().all(|&row| !photos.faces[row].is_misplaced()).then_some(same);
        Some(Verdict { same, faces, squared_distance, threshold: rule.threshold(), confidence })
    }

    /// Identifies each face among the people enrolled in a gallery. A decision has a confidence if the
    /// calibration [applies](Self::is_calibrated) to the face.
    ///
    /// # Errors
    ///
    /// [`Error::NotFiniteEmbedding`].
    ///
    /// # Panics
    ///
    /// If the embeddings of probes and gallery differ in dimension.
    #[track_caller]
    pub fn identify(
        &self,
        gallery: &Gallery,
        probes: &EmbeddedPhotos,
        rule: &DecisionRule,
    ) -> Result<Vec<IdentityDecision>, Error> {
        let found = gallery.identify(probes.embeddings.view(), rule.calibration())?;
        Ok(found.into_iter().zip(&probes.faces).map(|(found, face)| self.decide(rule, found, face)).collect())
    }

    /// Identifies each face by k-NN classification: the person that most of the `neighbors` nearest
    /// images show, among those up to the rule's [gallery threshold](DecisionRule::gallery_threshold). Such a
    /// decision has no confidence; the posterior of the search stands beside it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFiniteEmbedding`].
    ///
    /// # Panics
    ///
    /// If the embeddings of probes and gallery differ in dimension.
    #[track_caller]
    pub fn identify_by_neighbors(
        &self,
        gallery: &Gallery,
        probes: &EmbeddedPhotos,
        rule: &DecisionRule,
        neighbors: usize,
    ) -> Result<Vec<IdentityDecision>, Error> {
        let threshold = rule.gallery_threshold(gallery.people_count());
        let winners = gallery.classify(probes.embeddings.view(), neighbors, threshold as f32)?;
        let decisions = self.identify(gallery, probes, rule)?;
        let by_vote = |(decision, winner): (IdentityDecision, Option<VoteWinner>)| IdentityDecision {
            person: winner.map(|winner| winner.identity),
            confidence: None,
            votes: Some(winner.map_or(0, |winner| winner.vote_count)),
            ..decision
        };
        let decisions = decisions.into_iter().zip(winners).map(by_vote).zip(&probes.faces);
        Ok(decisions.map(|(decision, face)| unless_misplaced(decision, face)).collect())
    }

    fn decide(&self, rule: &DecisionRule, found: Identification, face: &Face) -> IdentityDecision {
        let mut decision = rule.identify(found);
        if !self.is_calibrated(face) {
            decision.confidence = None;
            decision.found.posterior = None;
        }
        unless_misplaced(decision, face)
    }
}

/// Nobody is named by landmarks at which there is no face.
fn unless_misplaced(decision: IdentityDecision, face: &Face) -> IdentityDecision {
    match face.is_misplaced() {
        true => IdentityDecision { person: None, votes: decision.votes.map(|_| 0), ..decision },
        false => decision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALIBRATION: Calibration = Calibration { threshold: 1.0, slope: 10.0 };

    fn found(squared_distance: f32, posterior: Option<Posterior>) -> Identification {
        Identification { nearest: 4, image: 0, squared_distance, posterior }
    }

    #[test]
    fn a_distance_at_the_threshold_is_accepted() {
        let rule = DecisionRule::Threshold(0.5);
        assert_eq!(
            [0.4, 0.5, 0.6].map(|distance| rule.verify(&[distance])),
            [(true, None), (true, None), (false, None)]
        );
        assert_eq!([rule.verify(&[0.9, 0.5]), rule.verify(&[0.9, 0.6])], [(true, None), (false, None)]);
    }

    #[test]
    fn the_more_people_are_enrolled_the_nearer_an_image_must_be() {
        let rule = DecisionRule::Calibrated(CALIBRATION);
        assert_eq!(rule.gallery_threshold(1), 1.0);
        assert!((CALIBRATION.probability(rule.gallery_threshold(100)) - 100.0 / 101.0).abs() < 1e-12);
        assert_eq!(DecisionRule::Threshold(0.5).gallery_threshold(100), 0.5);
        let shallow = Calibration { threshold: 1.0, slope: 1.0 };
        assert!(DecisionRule::Calibrated(shallow).gallery_threshold(100) < 0.0, "no image is near enough");
    }

    #[test]
    fn confidence_is_the_probability_of_the_verdict() {
        let rule = DecisionRule::Calibrated(CALIBRATION);
        let [near, far] = [0.8, 1.2].map(|distance| rule.verify(&[distance]));
        assert!(near.0 && !far.0);
        assert!((near.1.unwrap() - CALIBRATION.probability(0.8)).abs() < 1e-12);
        assert!((far.1.unwrap() - (1.0 - CALIBRATION.probability(1.2))).abs() < 1e-12);
        assert!(rule.verify(&[1.0]).0, "at the threshold");
    }

    #[test]
    fn the_more_faces_are_compared_the_nearer_two_must_be() {
        let rule = DecisionRule::Calibrated(CALIBRATION);
        // At squared distance 0.8 the likelihood ratio is 7.4.
        let among = |pairs: usize| rule.verify(&[vec![0.8], vec![3.0; pairs - 1]].concat());
        assert!(among(1).0 && among(7).0 && !among(8).0 && !among(20).0);
        assert!(among(1).1 > among(7).1);
        assert!(rule.verify(&[0.8, 0.8, 3.0]).1 > among(3).1, "a second resemblance is more evidence");
    }

    #[test]
    fn the_most_probable_answer_wins() {
        let rule = DecisionRule::Calibrated(CALIBRATION);
        let known = Posterior { person: 7, probability: 0.6, unknown: 0.3 };
        let decision = rule.identify(found(0.2, Some(known)));
        assert_eq!((decision.person, decision.confidence), (Some(7), Some(0.6)));
        let unknown = Posterior { person: 7, probability: 0.3, unknown: 0.6 };
        let decision = rule.identify(found(0.2, Some(unknown)));
        assert_eq!((decision.person, decision.confidence), (None, Some(0.6)));
    }

    #[test]
    fn the_nearest_person_within_the_threshold_is_named() {
        let rule = DecisionRule::Threshold(0.5);
        assert_eq!(rule.identify(found(0.5, None)).person, Some(4));
        let decision = rule.identify(found(0.51, None));
        assert_eq!((decision.person, decision.confidence), (None, None));
    }
}
