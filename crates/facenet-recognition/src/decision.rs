//! From squared distances to decisions: verification and identification.

use facenet_metrics::Calibration;
use facenet_neighbors::VoteWinner;

use crate::error::Error;
use crate::gallery::{Gallery, Identification, Posterior};
use crate::portraits::embedder::{EmbeddedPortraits, PortraitEmbedder};

/// How squared distances are turned into decisions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DecisionRule {
    /// By the network's calibration: the more probable answer.
    Calibrated(Calibration),
    /// By a threshold: the same person up to and including this squared distance.
    Threshold(f64),
}

/// The result of a verification.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether both faces show the same person: the squared distance is at most the threshold.
    pub same: bool,
    /// The squared distance of the two embeddings.
    pub squared_distance: f64,
    /// The threshold.
    pub threshold: f64,
    /// The probability that the verdict is right, given equal priors. `None` without a calibration,
    /// or if it does not apply to one of the faces.
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

    /// Decides whether two embeddings at a squared distance belong to the same person.
    #[must_use]
    pub fn verify(&self, squared_distance: f64) -> Verdict {
        let threshold = self.threshold();
        let same = squared_distance <= threshold;
        let confidence = self.calibration().map(|calibration| {
            let probability = calibration.probability(squared_distance);
            if same { probability } else { 1.0 - probability }
        });
        Verdict { same, squared_distance, threshold, confidence }
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

impl PortraitEmbedder {
    /// Decides whether two images show the same person. The verdict has a confidence if the
    /// calibration [applies](crate::PortraitReader::is_calibrated) to both faces.
    ///
    /// # Panics
    ///
    /// If a row of `pair` is out of bounds.
    #[must_use]
    #[track_caller]
    pub fn verify(&self, faces: &EmbeddedPortraits, pair: [usize; 2], rule: &DecisionRule) -> Verdict {
        let [first, second] = pair.map(|row| faces.embeddings.row(row));
        let difference = &first - &second;
        let squared_distance: f64 = difference.iter().map(|&value| f64::from(value).powi(2)).sum();
        let verdict = rule.verify(squared_distance);
        let calibrated = pair.iter().all(|&row| self.reader().is_calibrated(&faces.portraits[row]));
        Verdict { confidence: verdict.confidence.filter(|_| calibrated), ..verdict }
    }

    /// Identifies each probe among the people enrolled in a gallery. A decision has a confidence if
    /// the calibration [applies](crate::PortraitReader::is_calibrated) to the face.
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
        probes: &EmbeddedPortraits,
        rule: &DecisionRule,
    ) -> Result<Vec<IdentityDecision>, Error> {
        let found = gallery.identify(probes.embeddings.view(), rule.calibration())?;
        let decide = |(found, portrait)| {
            let mut decision = rule.identify(found);
            if !self.reader().is_calibrated(portrait) {
                decision.confidence = None;
                decision.found.posterior = None;
            }
            decision
        };
        Ok(found.into_iter().zip(&probes.portraits).map(decide).collect())
    }

    /// Identifies each probe by k-NN classification: the person that most of the `neighbors` nearest
    /// images show, among those up to the rule's [gallery threshold](DecisionRule::gallery_threshold). Such a decision has no confidence; the
    /// posterior of the search stands beside it.
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
        probes: &EmbeddedPortraits,
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
        Ok(decisions.into_iter().zip(winners).map(by_vote).collect())
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
        let verdicts = [0.4, 0.5, 0.6].map(|distance| rule.verify(distance));
        assert_eq!(verdicts.map(|verdict| verdict.same), [true, true, false]);
        assert!(verdicts.iter().all(|verdict| verdict.confidence.is_none()));
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
        let [near, far] = [0.8, 1.2].map(|distance| rule.verify(distance));
        assert!(near.same && !far.same);
        assert!((near.confidence.unwrap() - CALIBRATION.probability(0.8)).abs() < 1e-12);
        assert!((far.confidence.unwrap() - (1.0 - CALIBRATION.probability(1.2))).abs() < 1e-12);
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
