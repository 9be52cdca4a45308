use std::collections::HashMap;

/// Renumbers labels from 0 by first appearance, keeping the partition.
///
/// ```
/// assert_eq!(facenet_cluster::relabel_by_first_appearance(&[7, 3, 7, 9]), [0, 1, 0, 2]);
/// ```
#[must_use]
pub fn relabel_by_first_appearance(labels: &[usize]) -> Vec<usize> {
    let mut new_labels = HashMap::new();
    labels
        .iter()
        .map(|&label| {
            let next = new_labels.len();
            *new_labels.entry(label).or_insert(next)
        })
        .collect()
}
