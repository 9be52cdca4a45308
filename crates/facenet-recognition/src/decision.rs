//! From squared distances to verdicts: same person or not, and which person.

use facenet_metrics::Calibration;

use crate::gallery::{Gallery, Identification, Posterior};
use crate::portrait::embedder::{EmbeddedPortraits, PortraitEmbedder};

/// What decides whether faces show the same person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DecisionRule {
    /// The network's calibration: whatever is more probable.
    Calibrated(Calibration),
    /// A squared distance, up to which faces show the same person.
    Threshold(f64),
}

/// Whether two faces show the same person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether they do: the squared distance is at most the threshold.
    pub same: bool,
    /// The squared distance of the two embeddings.
    pub squared_distance: f64,
    /// The threshold.
    pub threshold: f64,
    /// The probability that the verdict is right, with equal prior odds. `None` without a calibration, or if it does not
    /// apply to one of the faces.
    pub confidence: Option<f64>,
}

/// Who a face shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdentityDecision {
    /// The person, by the number of the gallery; `None` if unknown.
    pub person: Option<usize>,
    /// The probability that the decision is right. `None` without a calibration, or if it does not apply to the face.
    pub confidence: Option<f64>,
    /// What the search in the gallery found.
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

    /// The squared distance up to which two faces show the same person.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        match self {
            Self::Calibrated(calibration) => calibration.threshold,
            Self::Threshold(threshold) => *threshold,
        }
    }

    /// Decides by the squared distance of two embeddings.
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

    /// Decides by what a search with this rule's [calibration](Self::calibration) found: the most probable person unless
    /// "unknown" is more probable, or the nearest person within the threshold.
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
        IdentityDecision { person, confidence, found }
    }
}

impl PortraitEmbedder {
    /// Whether two images show the same person. The verdict has a confidence if the calibration
    /// [applies](crate::PortraitReader::is_calibrated) to both faces.
    ///
    /// # Panics
    ///
    /// If `pair` is not two rows of `faces`.
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

    /// Who each image shows, of the people enrolled in a gallery. A decision has a confidence if the calibration
    /// [applies](crate::PortraitReader::is_calibrated) to the face.
    ///
    /// # Panics
    ///
    /// If the embeddings and those of the gallery differ in dimension.
    #[must_use]
    #[track_caller]
    pub fn identify(
        &self,
        gallery: &Gallery,
        probes: &EmbeddedPortraits,
        rule: &DecisionRule,
    ) -> Vec<IdentityDecision> {
        let found = gallery.identify(probes.embeddings.view(), rule.calibration());
        let decide = |(found, portrait)| {
            let decision = rule.identify(found);
            IdentityDecision {
                confidence: decision.confidence.filter(|_| self.reader().is_calibrated(portrait)),
                ..decision
            }
        };
        found.into_iter().zip(&probes.portraits).map(decide).collect()
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
    fn threshold_itself_is_the_same_person() {
        let rule = DecisionRule::Threshold(0.5);
        let verdicts = [0.4, 0.5, 0.6].map(|distance| rule.verify(distance));
        assert_eq!(verdicts.map(|verdict| verdict.same), [true, true, false]);
        assert!(verdicts.iter().all(|verdict| verdict.confidence.is_none()));
    }

    #[test]
    fn confidence_is_that_of_the_verdict() {
        let rule = DecisionRule::Calibrated(CALIBRATION);
        let [near, far] = [0.8, 1.2].map(|distance| rule.verify(distance));
        assert!(near.same && !far.same);
        assert!((near.confidence.unwrap() - CALIBRATION.probability(0.8)).abs() < 1e-12);
        assert!((far.confidence.unwrap() - (1.0 - CALIBRATION.probability(1.2))).abs() < 1e-12);
    }

    #[test]
    fn most_probable_answer_is_given() {
        let rule = DecisionRule::Calibrated(CALIBRATION);
        let known = Posterior { person: 7, probability: 0.6, unknown: 0.3 };
        let decision = rule.identify(found(0.2, Some(known)));
        assert_eq!((decision.person, decision.confidence), (Some(7), Some(0.6)));
        let unknown = Posterior { person: 7, probability: 0.3, unknown: 0.6 };
        let decision = rule.identify(found(0.2, Some(unknown)));
        assert_eq!((decision.person, decision.confidence), (None, Some(0.6)));
    }

    #[test]
    fn nearest_person_within_a_threshold_is_named() {
        let rule = DecisionRule::Threshold(0.5);
        assert_eq!(rule.identify(found(0.5, None)).person, Some(4));
        let decision = rule.identify(found(0.51, None));
        assert_eq!((decision.person, decision.confidence), (None, None));
    }
}
