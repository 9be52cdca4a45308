//! What was typed.

use std::env;

use facenet_data::escape_path;

/// The command as it could be typed again.
pub fn command_line(program: &str) -> String {
    let arguments = env::args_os().skip(1).map(|argument| quoted(&escape_path(&argument)));
    [program.to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
}

/// An argument, in quotes where a shell would take it apart.
fn quoted(argument: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./=:,+".contains(character);
    match !argument.is_empty() && argument.chars().all(plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}
