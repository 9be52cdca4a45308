//! Text that is safe to show.

/// Text with its control characters escaped, apart from line breaks and tabs: names that come from files may hold some
/// that move a terminal's cursor, or worse.
pub fn plain_text(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => plain.push(character),
            _ if character.is_control() => plain.extend(character.escape_default()),
            _ => plain.push(character),
        }
    }
    plain
}
