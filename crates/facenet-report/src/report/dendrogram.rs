//! The tree of all merges, from the root to the pictures.

use std::collections::BTreeSet;
use std::fmt::Write;

use facenet_cluster::Dendrogram;
use facenet_training::Run;
use maud::{Markup, html};

use crate::page::text::shortened;
use crate::report::chart::{number, round_up, ticks};
use crate::report::clusters::strangers;

const WIDTH: f64 = 920.0;
/// Room right of the leaves, for names.
const NAMES: f64 = 150.0;
const TOP: f64 = 36.0;
const LEFT: f64 = 14.0;
/// Up to so many leaves have names.
const NAMED: usize = 160;
/// The longest name, in characters.
const NAME: usize = 22;

/// Where the tree lies on the page.
struct Layout<'a> {
    tree: &'a Dendrogram,
    /// How far down each cluster is: the leaves first, then what each merge made.
    y: Vec<f64>,
    /// The squared distance at the left edge.
    farthest: f64,
    height: f64,
    right: f64,
}

/// The tree with its cut and with the wrong pictures marked.
pub(super) fn section(run: &Run) -> Markup {
    let cut = f64::from(run.report.embeddings.clustering.agglomerative.squared_distance);
    let tree = &run.embeddings.dendrogram;
    let leaves = run.dataset.unseen.pictures.len();
    let layout = Layout::new(tree, leaves, cut);
    let [above, below] = layout.paths(cut);
    let wrong = strangers(&run.embeddings.clusters, &run.dataset.unseen.identities);
    let cut_x = layout.x(cut);
    html! {
        section {
            h2 { "How the groups came about" }
            p {
                "Each line ends in a picture on the right. Where two lines meet, two groups were joined, at the mean squared distance "
                "of their pictures that the axis shows; the root of all is on the left. Cut at "
                (format!("{cut:.3}")) ", chosen on other people, the branches on the right of the cut are the clusters. "
                "A cross marks a picture that does not show the commonest person of its cluster."
            }
            .scroll tabindex="0" {
                svg.dendrogram role="img" aria-label="Dendrogram of all pictures, from the root to the leaves"
                    viewBox=(format!("0 0 {WIDTH} {}", number(layout.height))) {
                    @for (value, label) in ticks(0.0, layout.farthest, 8) {
                        line.grid x1=(number(layout.x(value))) x2=(number(layout.x(value))) y1=(TOP - 6.0) y2=(number(layout.height)) {}
                        text.tick x=(number(layout.x(value))) y="14" text-anchor="middle" { (label) }
                    }
                    path.branch.above d=(above) {}
                    path.branch d=(below) {}
                    line.threshold x1=(number(cut_x)) x2=(number(cut_x)) y1=(TOP - 8.0) y2=(number(layout.height)) {}
                    @let left = cut_x > 90.0;
                    text.note.cut x=(number(cut_x + if left { -5.0 } else { 5.0 })) y="30" text-anchor=(if left { "end" } else { "start" }) {
                        "cut " (format!("{cut:.3}"))
                    }
                    @if leaves > NAMED { path.wrong-leaf d=(layout.dashes(&wrong)) {} }
                    @else {
                        @for leaf in 0..leaves {
                            @let y = layout.y[leaf];
                            text class=(if wrong[leaf] { "leaf wrong" } else { "leaf" }) x=(number(layout.right + 5.0)) y=(number(y + 3.5)) {
                                @if wrong[leaf] { "✕ " } (shortened(&run.dataset.unseen.pictures[leaf], NAME))
                            }
                        }
                    }
                }
            }
            @if leaves > NAMED { p.order { "There are too many pictures for their names; dashes on the right mark the wrong ones." } }
        }
    }
}

impl<'a> Layout<'a> {
    fn new(tree: &'a Dendrogram, leaves: usize, cut: f64) -> Self {
        let row = if leaves <= NAMED { 13.0 } else { (2400.0 / leaves as f64).clamp(0.1, 4.0) };
        let merges = tree.merges();
        let mut y = vec![0.0; leaves + merges.len()];
        // From the root down without recursion: a chain of merges is as deep as there are pictures.
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
        let right = if leaves <= NAMED { WIDTH - NAMES } else { WIDTH - 20.0 };
        Self { tree, y, farthest: round_up(root.max(cut)), height: TOP + leaves as f64 * row + 6.0, right }
    }

    fn x(&self, squared_distance: f64) -> f64 {
        LEFT + (self.right - LEFT) * (1.0 - (squared_distance / self.farthest).clamp(0.0, 1.0))
    }

    /// A dash for each wrong picture; of those on one spot, one.
    fn dashes(&self, wrong: &[bool]) -> String {
        let (left, right) = (number(self.right + 2.0), number(self.right + 14.0));
        let places = wrong.iter().zip(&self.y).filter(|(wrong, _)| **wrong).map(|(_, &y)| number(y));
        places.collect::<BTreeSet<_>>().into_iter().map(|y| format!("M{left} {y}H{right}")).collect()
    }

    /// The lines of the merges beyond the cut, and of those within.
    fn paths(&self, cut: f64) -> [String; 2] {
        let merges = self.tree.merges();
        let leaves = self.y.len() - merges.len();
        let mut paths = [String::new(), String::new()];
        for merge in merges {
            let distance = f64::from(merge.squared_distance);
            let x = number(self.x(distance));
            let [first, second] = merge.clusters.map(|child| {
                let joined = child.checked_sub(leaves).map_or(0.0, |merge| f64::from(merges[merge].squared_distance));
                let (mut start, y) = (number(self.x(joined)), number(self.y[child]));
                if joined <= cut && cut < distance {
                    // The stem of a cluster, up to the cut.
                    let end = number(self.x(cut));
                    let _ = write!(paths[1], "M{start} {y}H{end}");
                    start = end;
                }
                (start, y)
            });
            // From one child to the joint, along it, and to the other child.
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
    fn leaves_are_in_the_order_of_the_tree_and_merges_between_them() {
        let points = Array2::from_shape_vec((4, 1), vec![0.0_f32, 10.0, 1.0, 12.0]).unwrap();
        let tree = Dendrogram::build(points.view(), Linkage::Average).unwrap();
        let layout = Layout::new(&tree, 4, 5.0);
        assert_eq!(layout.y[..4], [42.5, 68.5, 55.5, 81.5]);
        assert_eq!(layout.y[4..], [49.0, 75.0, 62.0]);
        let [above, below] = layout.paths(5.0);
        // Two joints within the cut, and the stems of the two clusters.
        assert_eq!((above.matches('M').count(), below.matches('M').count()), (1, 4));
        assert!(below.starts_with("M770 42.5H"), "{below}");
    }

    #[test]
    fn a_chain_of_thousands_is_no_recursion() {
        let points = Array2::from_shape_fn((3000, 1), |(row, _)| (row * row) as f32);
        let tree = Dendrogram::build(points.view(), Linkage::Single).unwrap();
        let layout = Layout::new(&tree, 3000, 1.0);
        assert!(layout.paths(1.0).iter().all(|path| path.len() < 200_000));
        let one = Dendrogram::build(points.slice(ndarray::s![..1, ..]), Linkage::Single).unwrap();
        assert_eq!(Layout::new(&one, 1, 1.0).paths(1.0), ["", ""]);
    }
}
