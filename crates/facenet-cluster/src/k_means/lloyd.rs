use super::Embeddings;

/// Where a run ended.
pub(super) struct Run {
    pub(super) labels: Vec<usize>,
    pub(super) inertia: f64,
}

/// Lloyd's iterations from some of the embeddings as centres.
pub(super) fn lloyd(embeddings: &dyn Embeddings, seeds: &[usize], iterations: usize) -> Run {
    let mut centres: Vec<Vec<usize>> = seeds.iter().map(|&seed| vec![seed]).collect();
    let mut nearest = embeddings.nearest_centres(&centres);
    for _ in 0..iterations {
        let reseeded = reseed_empty(&mut nearest, centres.len());
        move_centres(&nearest, &mut centres);
        let moved = embeddings.nearest_centres(&centres);
        let settled = !reseeded && moved.iter().zip(&nearest).all(|(new, old)| new.0 == old.0);
        nearest = moved;
        if settled {
            break;
        }
    }
    Run {
        inertia: nearest.iter().map(|&(_, distance)| distance).sum(),
        labels: nearest.into_iter().map(|(label, _)| label).collect(),
    }
}

/// Each centre becomes the mean of its members; one without members stays.
fn move_centres(nearest: &[(usize, f64)], centres: &mut [Vec<usize>]) {
    let mut members = vec![Vec::new(); centres.len()];
    for (index, &(label, _)) in nearest.iter().enumerate() {
        members[label].push(index);
    }
    for (centre, members) in centres.iter_mut().zip(members).filter(|(_, members)| !members.is_empty()) {
        *centre = members;
    }
}

/// Gives each cluster without members the embedding farthest from its centre, of those that are not alone.
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
