use std::collections::HashMap;

/// The same grouping with dense labels: the first element is in 0, the first that is not is in 1, and so on.
///
/// ```
/// assert_eq!(facenet_cluster::number_by_first_appearance(&[7, 3, 7, 9]), [0, 1, 0, 2]);
/// ```
#[must_use]
pub fn number_by_first_appearance(labels: &[usize]) -> Vec<usize> {
    let mut numbers = HashMap::new();
    labels
        .iter()
        .map(|&label| {
            let next = numbers.len();
            *numbers.entry(label).or_insert(next)
        })
        .collect()
}
