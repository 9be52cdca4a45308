/// The points to cluster, as seeding and Lloyd's iterations access them.
pub(super) trait PointSet: Sync {
    /// Number of points.
    fn len(&self) -> usize;

    /// What each candidate would make of the squared distances to the nearest seed, and their sums:
    ///
    /// ```text
    /// distances[c * n + i] = min(nearest[i], |x_i - x_candidates[c]|^2)
    /// ```
    fn with_candidates(&self, nearest: &[f32], candidates: &[usize], distances: &mut Vec<f32>) -> Vec<f64>;

    /// The nearest centroid of each point, ties to the lowest index, and the squared distance to
    /// it. A centroid is given as the non-empty list of the points it is the mean of.
    fn nearest_centroids(&self, centroids: &[Vec<usize>]) -> Vec<(usize, f64)>;
}

/// The sum of some distances, in eight independent partial sums so that it vectorizes.
#[inline(always)]
pub(super) fn sum(distances: &[f32]) -> f64 {
    const LANES: usize = 8;
    let (whole, rest) = distances.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for distances in whole {
        sums.iter_mut().zip(distances).for_each(|(sum, &distance)| *sum += f64::from(distance));
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&distance| f64::from(distance)).sum::<f64>()
}
