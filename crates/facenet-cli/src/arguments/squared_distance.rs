//! Squared distances as arguments.

/// The largest squared distance of two embeddings, which have unit length.
pub const MAX_SQUARED_DISTANCE: f32 = 4.0;

/// Parses the dissimilarity of two groups, which by Ward linkage may exceed the squared distance of any
/// two embeddings.
///
/// # Errors
///
/// If the text is not a finite number of at least 0.
pub fn dissimilarity(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(distance) if (0.0..=f32::MAX).contains(&distance) => Ok(distance),
        _ => Err("expected a number of at least 0".to_owned()),
    }
}

/// Parses the squared distance of two embeddings.
///
/// # Errors
///
/// If the text is not a number from 0 to 4.
pub fn squared_distance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(distance) if (0.0..=f64::from(MAX_SQUARED_DISTANCE)).contains(&distance) => Ok(distance),
        _ => Err("expected a squared distance from 0 to 4".to_owned()),
    }
}
