use crate::k_means::point_set::PointSet;

/// The result of one run.
pub(super) struct LloydResult {
    /// The centroids, each as the points it is the mean of.
    pub(super) centroids: Vec<Vec<usize>>,
    /// The nearest centroid of each point.
    pub(super) labels: Vec<usize>,
    /// The sum of squared distances to the nearest centroids.
    pub(super) inertia: f64,
}

/// Lloyd's iterations, starting with the seed points as centroids.
pub(super) fn lloyd(points: &dyn PointSet, seeds: &[usize], max_iterations: usize) -> LloydResult {
    let mut centroids: Vec<Vec<usize>> = seeds.iter().map(|&seed| vec![seed]).collect();
    let mut nearest = points.nearest_centroids(&centroids);
    for _ in 0..max_iterations {
        let reseeded = reseed_empty(&mut nearest, centroids.len());
        update_centroids(&nearest, &mut centroids);
        let updated = points.nearest_centroids(&centroids);
        let converged = !reseeded && updated.iter().zip(&nearest).all(|(new, old)| new.0 == old.0);
        nearest = updated;
        if converged {
            break;
        }
    }
    LloydResult {
        inertia: nearest.iter().map(|&(_, distance)| distance).sum(),
        labels: nearest.into_iter().map(|(label, _)| label).collect(),
        centroids,
    }
}

/// Moves each centroid to the mean of its members. A centroid without members stays.
fn update_centroids(nearest: &[(usize, f64)], centroids: &mut [Vec<usize>]) {
    let mut members = vec![Vec::new(); centroids.len()];
    for (index, &(label, _)) in nearest.iter().enumerate() {
        members[label].push(index);
    }
    for (centroid, members) in centroids.iter_mut().zip(members).filter(|(_, members)| !members.is_empty()) {
        *centroid = members;
    }
}

/// Moves the point farthest from its centroid into each empty cluster, without emptying another.
/// Returns whether any point was moved.
fn reseed_empty(nearest: &mut [(usize, f64)], clusters: usize) -> bool {
    let mut sizes = vec![0; clusters];
    nearest.iter().for_each(|&(label, _)| sizes[label] += 1);
    let mut reseeded = false;
    for empty in 0..clusters {
        if sizes[empty] > 0 {
            continue;
        }
        let mut farthest: Option<(usize, f64)> = None;
        for (index, &(label, distance)) in nearest.iter().enumerate() {
            if sizes[label] > 1 && distance > farthest.map_or(0.0, |(_, most)| most) {
                farthest = Some((index, distance));
            }
        }
        if let Some((index, _)) = farthest {
            sizes[nearest[index].0] -= 1;
            sizes[empty] = 1;
            nearest[index] = (empty, 0.0);
            reseeded = true;
        }
    }
    reseeded
}
