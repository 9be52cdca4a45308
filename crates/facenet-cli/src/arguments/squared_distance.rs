//! Squared distances as arguments.

/// Parses the squared distance of two embeddings.
///
/// # Errors
///
/// If the text is not a number from 0 to 4.
pub fn squared_distance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(distance) if (0.0..=4.0).contains(&distance) => Ok(distance),
        _ => Err("expected a squared distance from 0 to 4".to_owned()),
    }
}
