//! The command line of the running program.

use std::env;

use facenet_data::escape_path;

/// The command line, quoted for a shell.
pub fn command_line(program: &str) -> String {
    let arguments = env::args_os().skip(1).map(|argument| quoted(&escape_path(&argument)));
    [program.to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
}

/// An argument, quoted if a shell would interpret it.
fn quoted(argument: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./=:,+".contains(character);
    match !argument.is_empty() && argument.chars().all(plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}
