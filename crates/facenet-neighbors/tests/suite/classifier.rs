//! k-NN classification.

use facenet_neighbors::{
    Error, NearestNeighborsClassifier, NotFinite, PreparedRows, Votes, choose_neighbor_count, leave_one_out_accuracies,
};
use linfa::DatasetBase;
use linfa::param_guard::ParamGuard;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2, array};

/// Two images of person 7 at 0 and 1, three of person 2 at 3, 4 and 5.
fn enrolled() -> DatasetBase<Array2<f32>, Array1<usize>> {
    DatasetBase::new(array![[0.0_f32], [1.0], [3.0], [4.0], [5.0]], array![7, 7, 2, 2, 2])
}

fn classify(classifier: NearestNeighborsClassifier, probe: f32) -> Option<usize> {
    let identities: Array1<Option<usize>> = classifier.fit(&enrolled()).unwrap().predict(&array![[probe]]);
    identities[0]
}

#[test]
fn the_nearest_neighbors_vote() {
    let by = NearestNeighborsClassifier::new;
    assert_eq!(classify(by(1), 1.6), Some(7));
    // 1 (person 7), 3, then 0 or 4, two votes each at most; with five neighbors person 2 has three.
    assert_eq!(classify(by(5), 1.6), Some(2));
    assert_eq!(classify(by(100), 1.6), Some(2), "more neighbors than rows");
    // A tie of 1 and 3: the nearest wins.
    assert_eq!([1.9, 2.1].map(|probe| classify(by(2), probe)), [Some(7), Some(2)]);
    // 1 / 0.1 outweighs 1 / 1.9 + 1 / 2.9 + 1 / 3.9.
    assert_eq!(classify(by(5).votes(Votes::DistanceWeighted), 1.1), Some(7));
    assert_eq!(classify(by(5).votes(Votes::DistanceWeighted), 1.0), Some(7), "at distance 0");
}

#[test]
fn a_probe_without_near_neighbors_is_unknown() {
    for votes in [Votes::Plain, Votes::DistanceWeighted] {
        let classifier = NearestNeighborsClassifier::new(5).votes(votes).threshold(1.0);
        assert_eq!(classify(classifier, 1.5), Some(7), "neighbors beyond the threshold have no vote");
        assert_eq!(classify(classifier, 2.0), Some(7), "at the threshold; a tie goes to the lowest row");
        assert_eq!(classify(classifier, 6.1), None);
    }
}

#[test]
fn leave_one_out_chooses_k() {
    // Person 0 around 0 with a stray at 10 among those of person 1.
    let rows = array![[0.0_f32], [0.2], [0.4], [10.0], [9.9], [10.2], [10.3], [50.0]];
    let identities = [0, 0, 0, 0, 1, 1, 1, 9];
    let prepared = PreparedRows::new(rows.view()).unwrap();
    let accuracies = leave_one_out_accuracies(&prepared, &identities, Votes::Plain, 3);
    // k = 1: the stray is nearest to one of person 1 and the other way round; person 9 is left out.
    assert_eq!(accuracies, [5.0 / 7.0, 5.0 / 7.0, 6.0 / 7.0]);
    assert_eq!(choose_neighbor_count(&prepared, &identities, Votes::Plain, 3), 3);
    assert_eq!(choose_neighbor_count(&prepared, &identities, Votes::Plain, 2), 1, "the smallest of equals");
    let one = array![[1.0_f32]];
    assert_eq!(choose_neighbor_count(&PreparedRows::new(one.view()).unwrap(), &[3], Votes::Plain, 5), 1);
}

#[test]
fn hyperparameters_and_rows_are_checked() {
    assert_eq!(NearestNeighborsClassifier::new(0).fit(&enrolled()).unwrap_err(), Error::NoNeighbors);
    let negative = NearestNeighborsClassifier::new(1).threshold(-1.0);
    assert_eq!(negative.check_ref().unwrap_err(), Error::Threshold { squared_distance: -1.0 });
    let classifier = NearestNeighborsClassifier::new(1);
    let none = DatasetBase::new(Array2::<f32>::zeros((0, 2)), Array1::<usize>::zeros(0));
    assert_eq!(classifier.fit(&none).unwrap_err(), Error::NoRows);
    let broken = DatasetBase::new(array![[1.0_f32], [f32::NAN]], array![0_usize, 1]);
    assert_eq!(classifier.fit(&broken).unwrap_err(), Error::NotFinite(NotFinite { row: 1 }));
}
