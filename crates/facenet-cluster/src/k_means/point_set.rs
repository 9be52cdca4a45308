use std::borrow::Cow;

/// The points to cluster, as seeding and Lloyd's iterations access them.
pub(super) trait PointSet: Sync {
    /// Number of points.
    fn len(&self) -> usize;

    /// The squared distances of all points to one of them.
    fn squared_distances_to(&self, point: usize) -> Cow<'_, [f32]>;

    /// The nearest centroid of each point, ties to the lowest index, and the squared distance to
    /// it. A centroid is given as the non-empty list of the points it is the mean of.
    fn nearest_centroids(&self, centroids: &[Vec<usize>]) -> Vec<(usize, f64)>;
}
