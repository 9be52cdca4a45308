//! The algorithms in linfa's pipelines.

use facenet_cluster::{Agglomerative, Cluster, Cut, Error, KMeans, Linkage};
use linfa::DatasetBase;
use linfa::param_guard::ParamGuard;
use linfa::traits::{Fit, Predict, Transformer};
use ndarray::{Array1, Array2, array};

#[test]
fn k_means_is_fitted_and_predicts() {
    let embeddings = array![[1.0_f32, 0.0], [0.0, 1.0], [0.98, 0.2], [0.2, 0.98]];
    let dataset = DatasetBase::from(embeddings.clone());
    let model = KMeans::new(2).fit(&dataset).unwrap();
    assert_eq!(model.labels(), [0, 1, 0, 1]);
    assert_eq!(model.labels(), KMeans::new(2).cluster(embeddings.view()).unwrap());
    assert!((model.centroids().row(0).to_owned() - array![0.99, 0.1]).iter().all(|error| error.abs() < 1e-6));
    // Each member is at half the distance between the two.
    assert!((model.inertia() - 4.0 * (0.01_f64.powi(2) + 0.1_f64.powi(2))).abs() < 1e-6);
    let labels: Array1<usize> = model.predict(&array![[0.1_f32, 0.9], [0.9, 0.1]]);
    assert_eq!(labels, array![1, 0]);
    let predicted = model.predict(dataset);
    assert_eq!(predicted.targets, array![0, 1, 0, 1]);
}

/// Also if the iterations do not suffice.
#[test]
fn labels_and_inertia_are_those_of_the_centroids() {
    let embeddings = Array2::from_shape_fn((300, 6), |(i, j)| ((i * 7919 + j * 104_729 + i * i * 31) % 1009) as f32);
    for (clusters, iterations) in [(12, 1), (12, 3), (60, 1), (12, 300)] {
        let dataset = DatasetBase::from(embeddings.view());
        let model = KMeans::new(clusters).max_iterations(iterations).fit(&dataset).unwrap();
        let labels: Array1<usize> = model.predict(&embeddings);
        assert_eq!(labels.to_vec(), model.labels(), "{clusters} clusters, {iterations} iterations");
        let errors = labels.iter().zip(embeddings.outer_iter()).map(|(&label, embedding)| {
            embedding.iter().zip(model.centroids().row(label)).map(|(&x, &c)| f64::from(x - c).powi(2)).sum::<f64>()
        });
        let inertia: f64 = errors.sum();
        assert!((model.inertia() / inertia - 1.0).abs() < 1e-4, "{} and {inertia}", model.inertia());
    }
}

#[test]
fn hyperparameters_are_checked() {
    let dataset = DatasetBase::from(array![[1.0_f32, 0.0]]);
    assert_eq!(KMeans::new(1).runs(0).check(), Err(Error::NoIterations));
    assert_eq!(KMeans::new(1).max_iterations(0).fit(&dataset).unwrap_err(), Error::NoIterations);
    assert_eq!(KMeans::new(2).fit(&dataset).unwrap_err(), Error::ClusterCount { clusters: 2, embeddings: 1 });
    let negative = Agglomerative::new(Linkage::Average, Cut::SquaredDistance(-1.0));
    assert_eq!(negative.check_ref().unwrap_err(), Error::CutDistance { squared_distance: -1.0 });
}

#[test]
fn agglomerative_clustering_labels_a_data_set() {
    let dataset = DatasetBase::from(array![[1.0_f32, 0.0], [0.0, 1.0], [0.98, 0.2], [0.2, 0.98]]);
    let clustered = Agglomerative::new(Linkage::Average, Cut::SquaredDistance(0.5)).transform(dataset).unwrap();
    assert_eq!(clustered.targets, array![0, 1, 0, 1]);
    assert_eq!(clustered.records.nrows(), 4);
    let broken = DatasetBase::from(array![[f32::NAN, 0.0]]);
    let error = Agglomerative::new(Linkage::Ward, Cut::Clusters(1)).transform(broken).unwrap_err();
    assert_eq!(error, Error::NotFinite { row: 0 });
}
