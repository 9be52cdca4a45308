//! What a program says when a command fails: `error:` with what failed on which file, `help:` with what to do about it.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Result;

use crate::output::plain_text::plain_text;

/// The exit code of a command; what failed goes to standard error.
#[must_use]
pub fn exit_code(result: Result<()>) -> ExitCode {
    exit_code_with(result, |error| Causes::of(error).help())
}

/// The same with other advice.
#[must_use]
pub fn exit_code_with(result: Result<()>, help: impl FnOnce(&anyhow::Error) -> Option<&'static str>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let mut message = format!("error: {}\n", plain_text(&what_failed(&error)));
    if let Some(help) = help(&error) {
        message += &format!("help: {help}\n");
    }
    // If that can't be written either, the exit code is all that can be said.
    let _ = io::stderr().write_all(message.as_bytes());
    ExitCode::FAILURE
}

/// The chain of causes on one line, without causes that the message before them repeats.
fn what_failed(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    text
}

/// The errors of libraries behind a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Causes<'a> {
    system: Option<&'a io::Error>,
    data: Option<&'a facenet_data::Error>,
    recognition: Option<&'a facenet_recognition::Error>,
}

impl<'a> Causes<'a> {
    /// Those in the chain of an error.
    #[must_use]
    pub fn of(error: &'a anyhow::Error) -> Self {
        let causes = Self { system: error.chain().find_map(|cause| cause.downcast_ref()), ..Self::default() };
        let causes = match error.chain().find_map(|cause| cause.downcast_ref()) {
            Some(recognition) => causes.with_recognition(recognition),
            None => causes,
        };
        Self { data: causes.data.or_else(|| error.chain().find_map(|cause| cause.downcast_ref())), ..causes }
    }

    /// The same with an error of facenet-recognition that another error wraps.
    #[must_use]
    pub fn with_recognition(self, error: &'a facenet_recognition::Error) -> Self {
        let data = match error {
            facenet_recognition::Error::Data(data) => Some(data),
            _ => self.data,
        };
        Self { recognition: Some(error), data, ..self }
    }

    /// The same with an error of facenet-data that another error wraps.
    #[must_use]
    pub fn with_data(self, error: &'a facenet_data::Error) -> Self {
        Self { data: Some(error), ..self }
    }

    /// What to do, where there is one thing to do.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        let by_system = self.system.and_then(|system| self.help_by_system(system.kind()));
        by_system
            .or_else(|| self.data.and_then(help_with_data))
            .or_else(|| self.recognition.and_then(help_with_recognition))
    }

    fn help_by_system(&self, kind: ErrorKind) -> Option<&'static str> {
        let writing = matches!(self.data, Some(facenet_data::Error::Write { .. }));
        let reading_data = self.data.is_some() && !writing;
        match kind {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Some("free some space on that disk, or write to another one")
            }
            ErrorKind::FileTooLarge => Some(
                "the size of files is limited there, by the file system or by `ulimit -f`; raise the limit, or write to another disk",
            ),
            ErrorKind::ReadOnlyFilesystem => {
                Some("the file system is read-only; choose another folder with --out, of downloads with --data")
            }
            ErrorKind::PermissionDenied if writing => {
                Some("this user may not write there; choose another folder with --out")
            }
            ErrorKind::PermissionDenied if reading_data => Some("this user may not read it; change its permissions"),
            ErrorKind::PermissionDenied => {
                Some("this user may not read or write there; change the permissions, or choose another folder")
            }
            ErrorKind::InvalidFilename => Some("the name is longer than the system allows; choose a shorter one"),
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists
                if writing =>
            {
                Some("choose another folder with --out")
            }
            ErrorKind::NotFound if reading_data => {
                Some("it is missing, or was removed while the data set was being read; restore it and run again")
            }
            _ => None,
        }
    }
}

fn help_with_data(error: &facenet_data::Error) -> Option<&'static str> {
    use facenet_data::Error as Wrong;
    match error {
        Wrong::EmptyImage { .. }
        | Wrong::UnknownFormat { .. }
        | Wrong::TooLarge { .. }
        | Wrong::Truncated { .. }
        | Wrong::Decode { .. }
        | Wrong::UnknownColorSpace { .. }
        | Wrong::TooManyScans { .. } => Some("replace it by an intact JPEG, PNG or PNM image, or remove it"),
        Wrong::PersonWithoutImages { .. } => Some("add an image, or remove the folder"),
        Wrong::LandmarksDegenerate { .. } | Wrong::LandmarksOutside { .. } => Some(
            "correct the image's line in the list of landmarks (x and y in its pixels), or remove the line: the image is cropped then",
        ),
        Wrong::ListHeader { .. }
        | Wrong::ListLine { .. }
        | Wrong::ListCount { .. }
        | Wrong::DuplicatePerson { .. }
        | Wrong::DuplicateImage { .. }
        | Wrong::MissingImage { .. } => Some("correct that line of the list, or add what it names"),
        _ => None,
    }
}

fn help_with_recognition(error: &facenet_recognition::Error) -> Option<&'static str> {
    use facenet_recognition::Error;
    match error {
        Error::Checkpoint { .. } => Some("pass an intact checkpoint"),
        Error::NotForeign { .. } => Some("omit --network and --map"),
        Error::NoNameMap { .. } => Some("pass one with --map FILE.toml; docs/weights.md describes the format"),
        Error::MapOfUnknownNetwork { .. } => Some("pass the network with --network FILE.toml"),
        Error::UnknownWeights { .. } => {
            Some("pass the network with --network NAME, and a name map with --map FILE.toml if none is built in")
        }
        Error::MorePeopleThanImages { .. } => Some("pass a smaller --people K"),
        Error::TooManyImages { .. } => Some("pass the number of people with --people K"),
        _ => None,
    }
}
