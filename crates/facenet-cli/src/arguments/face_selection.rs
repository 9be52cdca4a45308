//! The argument `--face`.

use facenet_recognition::FaceSelection;

/// Parses `all`, `largest`, `center` or the number of a face.
///
/// # Errors
///
/// If the text is none of them.
pub(crate) fn face_selection(text: &str) -> Result<FaceSelection, String> {
    match text {
        "all" => Ok(FaceSelection::All),
        "largest" => Ok(FaceSelection::Largest),
        "center" => Ok(FaceSelection::Central),
        _ => match text.parse() {
            Ok(number @ 1..) => Ok(FaceSelection::Number(number)),
            _ => Err("expected all, largest, center, or the number of a face from the left".to_owned()),
        },
    }
}
