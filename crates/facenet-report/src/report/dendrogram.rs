//! The dendrogram of agglomerative clustering.

use std::collections::BTreeSet;
use std::fmt::Write;

use facenet_cluster::Dendrogram;
use facenet_training::Run;
use maud::{Markup, html};

use crate::page::text::shortened;
use crate::report::chart::{coordinate, round_up, ticks};
use crate::report::clusters::misplaced;

const WIDTH: f64 = 920.0;
/// Width of the names on the right of the leaves.
const NAMES_WIDTH: f64 = 150.0;
const TOP: f64 = 36.0;
const LEFT: f64 = 14.0;
/// The leaves are named if there are at most this many.
const MAX_NAMED: usize = 160;
/// Limit on the length of a name, in characters.
const MAX_NAME: usize = 22;

/// The layout of the tree.
struct Layout<'a> {
    tree: &'a Dendrogram,
    /// The y coordinate of each node: the leaves, then the merges.
    y: Vec<f64>,
    /// The squared distance at the left edge.
    farthest: f64,
    height: f64,
    right: f64,
}

/// The tree with its cut; misplaced images are marked.
pub(super) fn section(run: &Run) -> Markup {
    let cut = f64::from(run.report.embeddings.clustering.agglomerative.squared_distance);
    let tree = &run.embeddings.dendrogram;
    let leaves = run.dataset.unseen.images.len();
    let layout = Layout::new(tree, leaves, cut);
    let [above, below] = layout.paths(cut);
    let wrong = misplaced(&run.embeddings.clusters, &run.dataset.unseen.identities);
    let cut_x = layout.x(cut);
    html! {
        section {
            h2 { "Dendrogram" }
            p {
                "Each leaf on the right is an image. Two branches meet at the mean squared distance between the images of the two groups; "
                "the root is on the left. The branches to the right of the cut at "
                (format!("{cut:.3}")) ", which was chosen on other people, are the clusters. "
                "A cross marks an image that does not show the most frequent person of its cluster."
            }
            .scroll tabindex="0" {
                svg.dendrogram role="img" aria-label="Dendrogram of all images, from the root to the leaves"
                    viewBox=(format!("0 0 {WIDTH} {}", coordinate(layout.height))) {
                    @for (value, label) in ticks(0.0, layout.farthest, 8) {
                        line.grid x1=(coordinate(layout.x(value))) x2=(coordinate(layout.x(value))) y1=(TOP - 6.0) y2=(coordinate(layout.height)) {}
                        text.tick x=(coordinate(layout.x(value))) y="14" text-anchor="middle" { (label) }
                    }
                    path.branch.above d=(above) {}
                    path.branch d=(below) {}
                    line.threshold x1=(coordinate(cut_x)) x2=(coordinate(cut_x)) y1=(TOP - 8.0) y2=(coordinate(layout.height)) {}
                    @let left = cut_x > 90.0;
                    text.note.cut x=(coordinate(cut_x + if left { -5.0 } else { 5.0 })) y="30" text-anchor=(if left { "end" } else { "start" }) {
                        "cut " (format!("{cut:.3}"))
                    }
                    @if leaves > MAX_NAMED { path.wrong-leaf d=(layout.dashes(&wrong)) {} }
                    @else {
                        @for leaf in 0..leaves {
                            @let y = layout.y[leaf];
                            text class=(if wrong[leaf] { "leaf wrong" } else { "leaf" }) x=(coordinate(layout.right + 5.0)) y=(coordinate(y + 3.5)) {
                                @if wrong[leaf] { "✕ " } (shortened(&run.dataset.unseen.images[leaf], MAX_NAME))
                            }
                        }
                    }
                }
            }
            @if leaves > MAX_NAMED { p.order { "Names are omitted for this many images; dashes on the right mark the misplaced ones." } }
        }
    }
}

impl<'a> Layout<'a> {
    fn new(tree: &'a Dendrogram, leaves: usize, cut: f64) -> Self {
        let row = if leaves <= MAX_NAMED { 13.0 } else { (2400.0 / leaves as f64).clamp(0.1, 4.0) };
        let merges = tree.merges();
        let mut y = vec![0.0; leaves + merges.len()];
        // Iterative, since the tree can be as deep as there are images.
        let mut next = 0;
        let mut open: Vec<usize> = y.len().checked_sub(1).into_iter().collect();
        while let Some(cluster) = open.pop() {
            match cluster.checked_sub(leaves) {
                None => {
                    y[cluster] = TOP + (f64::from(next) + 0.5) * row;
                    next += 1;
                }
                Some(merge) => open.extend(merges[merge].clusters.iter().rev()),
            }
        }
        for (index, merge) in merges.iter().enumerate() {
            y[leaves + index] = merge.clusters.map(|child| y[child]).iter().sum::<f64>() / 2.0;
        }
        let root = merges.last().map_or(0.0, |merge| f64::from(merge.squared_distance));
        let right = if leaves <= MAX_NAMED { WIDTH - NAMES_WIDTH } else { WIDTH - 20.0 };
        Self { tree, y, farthest: round_up(root.max(cut)), height: TOP + leaves as f64 * row + 6.0, right }
    }

    fn x(&self, squared_distance: f64) -> f64 {
        LEFT + (self.right - LEFT) * (1.0 - (squared_distance / self.farthest).clamp(0.0, 1.0))
    }

    /// A dash per misplaced image; coinciding dashes are drawn once.
    fn dashes(&self, wrong: &[bool]) -> String {
        let (left, right) = (coordinate(self.right + 2.0), coordinate(self.right + 14.0));
        let places = wrong.iter().zip(&self.y).filter(|(wrong, _)| **wrong).map(|(_, &y)| coordinate(y));
        places.collect::<BTreeSet<_>>().into_iter().map(|y| format!("M{left} {y}H{right}")).collect()
    }

    /// The paths of the merges above and below the cut.
    fn paths(&self, cut: f64) -> [String; 2] {
        let merges = self.tree.merges();
        let leaves = self.y.len() - merges.len();
        let mut paths = [String::new(), String::new()];
        for merge in merges {
            let distance = f64::from(merge.squared_distance);
            let x = coordinate(self.x(distance));
            let [first, second] = merge.clusters.map(|child| {
                let joined = child.checked_sub(leaves).map_or(0.0, |merge| f64::from(merges[merge].squared_distance));
                let (mut start, y) = (coordinate(self.x(joined)), coordinate(self.y[child]));
                if joined <= cut && cut < distance {
                    // The stem of a cluster, up to the cut.
                    let end = coordinate(self.x(cut));
                    let _ = write!(paths[1], "M{start} {y}H{end}");
                    start = end;
                }
                (start, y)
            });
            // From one child to the merge, along it, and to the other child.
            let path = &mut paths[usize::from(distance <= cut)];
            let _ = write!(path, "M{} {}H{x}V{}H{}", first.0, first.1, second.1, second.0);
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use facenet_cluster::Linkage;
    use ndarray::Array2;

    #[test]
    fn leaves_follow_the_tree_and_merges_lie_between_their_children() {
        let points = Array2::from_shape_vec((4, 1), vec![0.0_f32, 10.0, 1.0, 12.0]).unwrap();
        let tree = Dendrogram::build(points.view(), Linkage::Average).unwrap();
        let layout = Layout::new(&tree, 4, 5.0);
        assert_eq!(layout.y[..4], [42.5, 68.5, 55.5, 81.5]);
        assert_eq!(layout.y[4..], [49.0, 75.0, 62.0]);
        let [above, below] = layout.paths(5.0);
        // Two merges below the cut, and the stems of the two clusters.
        assert_eq!((above.matches('M').count(), below.matches('M').count()), (1, 4));
        assert!(below.starts_with("M770 42.5H"), "{below}");
    }

    #[test]
    fn a_deep_tree_does_not_overflow_the_stack() {
        let points = Array2::from_shape_fn((3000, 1), |(row, _)| (row * row) as f32);
        let tree = Dendrogram::build(points.view(), Linkage::Single).unwrap();
        let layout = Layout::new(&tree, 3000, 1.0);
        assert!(layout.paths(1.0).iter().all(|path| path.len() < 200_000));
        let one = Dendrogram::build(points.slice(ndarray::s![..1, ..]), Linkage::Single).unwrap();
        assert_eq!(Layout::new(&one, 1, 1.0).paths(1.0), ["", ""]);
    }
}
