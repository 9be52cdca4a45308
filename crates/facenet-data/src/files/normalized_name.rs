//! Comparing names as people read them.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The form in which names are compared: Unicode normalization form C (Unicode Standard Annex #15).
///
/// macOS has long written `ë` as `e` and a combining diaeresis, other systems write one character. Both look
/// alike, and so does every name that is equal after normalization. Upper and lower case remain different.
///
/// ```
/// use facenet_data::normalized_name;
///
/// assert_ne!("Zoe\u{308}", "Zo\u{eb}");
/// assert_eq!(normalized_name("Zoe\u{308}"), normalized_name("Zo\u{eb}"));
/// ```
pub fn normalized_name(name: &str) -> Cow<'_, str> {
    if is_nfc(name) { Cow::Borrowed(name) } else { Cow::Owned(name.nfc().collect()) }
}
