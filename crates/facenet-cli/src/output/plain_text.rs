//! Text that is safe to print to a terminal.

/// Escapes control characters except line breaks and tabs. File names may contain escape sequences
/// that a terminal would obey.
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
