//! Arguments that name something built in, or a file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};

/// The name of something built in, or the path of a file.
#[derive(Clone, Debug)]
pub enum NameOrFile {
    /// A name.
    Name(&'static str),
    /// A file.
    File(PathBuf),
}

impl NameOrFile {
    /// Parses one of some names, or the path of a file.
    pub fn parser(names: &'static [&'static str]) -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(move |argument| Self::new(argument, names))
    }

    fn new(argument: OsString, names: &'static [&'static str]) -> Result<Self, String> {
        if let Some(name) = names.iter().find(|&&name| argument == name) {
            return Ok(Self::Name(name));
        }
        let looks_like_a_path = argument.as_encoded_bytes().iter().any(|byte| b"/.".contains(byte));
        if looks_like_a_path || Path::new(&argument).exists() {
            return Ok(Self::File(argument.into()));
        }
        Err(format!("expected a file or one of {}", names.join(", ")))
    }
}
