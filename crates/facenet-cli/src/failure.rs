//! Messages of failed commands: `error:` with the cause and the file, `help:` with what to do about
//! it.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Result;

use crate::output::plain_text::plain_text;

/// The exit code of a command. An error is printed to standard error.
#[must_use]
pub fn exit_code(result: Result<()>) -> ExitCode {
    exit_code_with(result, |error| Causes::of(error).help())
}

/// The same, with advice from `help`.
#[must_use]
pub fn exit_code_with(result: Result<()>, help: impl FnOnce(&anyhow::Error) -> Option<Help>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // Options that don't go together.
        let _ = usage.print();
        return ExitCode::from(2);
    }
    let mut message = format!("error: {}\n", plain_text(&message_of(&error)));
    if let Some(help) = help(&error) {
        message += &format!("help: {}\n", plain_text(&help));
    }
    // If standard error can't be written to, the exit code has to do.
    let _ = io::stderr().write_all(message.as_bytes());
    ExitCode::FAILURE
}

/// What to do about an error.
pub type Help = Cow<'static, str>;

/// The chain of causes on one line, without causes that an earlier message contains.
fn message_of(error: &anyhow::Error) -> String {
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

/// The library errors behind a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Causes<'a> {
    system: Option<&'a io::Error>,
    data: Option<&'a facenet_data::Error>,
    download: Option<&'a facenet_download::Error>,
    recognition: Option<&'a facenet_recognition::Error>,
}

impl<'a> Causes<'a> {
    /// The library errors in the chain of an error.
    #[must_use]
    pub fn of(error: &'a anyhow::Error) -> Self {
        let causes = Self {
            system: error.chain().find_map(|cause| cause.downcast_ref()),
            data: error.chain().find_map(|cause| cause.downcast_ref()),
            download: error.chain().find_map(|cause| cause.downcast_ref()),
            recognition: None,
        };
        match error.chain().find_map(|cause| cause.downcast_ref()) {
            Some(recognition) => causes.with_recognition(recognition),
            None => causes,
        }
    }

    /// The same with an error of facenet-recognition that another error wraps.
    #[must_use]
    pub fn with_recognition(self, error: &'a facenet_recognition::Error) -> Self {
        let data = match error {
            facenet_recognition::Error::Data(data) | facenet_recognition::Error::UnwritableCache { source: data } => {
                Some(data)
            }
            _ => self.data,
        };
        Self { recognition: Some(error), data, ..self }
    }

    /// The same with an error of facenet-data that another error wraps.
    #[must_use]
    pub fn with_data(self, error: &'a facenet_data::Error) -> Self {
        Self { data: Some(error), ..self }
    }

    /// What to do about the error, if there is one obvious remedy.
    #[must_use]
    pub fn help(&self) -> Option<Help> {
        let by_system = self.system.and_then(|system| self.help_by_system(system.kind()));
        by_system
            .or_else(|| self.download.and_then(help_with_download))
            .or_else(|| self.data.and_then(help_with_data).map(Help::from))
            .or_else(|| self.recognition.and_then(help_with_recognition).map(Help::from))
    }

    /// The option that names the folder that is written to.
    fn folder_option(&self) -> &'static str {
        match (self.recognition, self.download) {
            (Some(facenet_recognition::Error::UnwritableCache { .. }), _) => "--cache",
            (_, Some(_)) => "--data",
            _ => "--out",
        }
    }

    fn help_by_system(&self, kind: ErrorKind) -> Option<Help> {
        let writing = matches!(self.data, Some(facenet_data::Error::Write { .. }))
            || matches!(self.download, Some(facenet_download::Error::Write { .. }));
        let reading_data = self.data.is_some() && !writing;
        let another_folder = format!("pass another folder with {}", self.folder_option());
        let help = match kind {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "free some space on the disk, or write to another one".into()
            }
            ErrorKind::FileTooLarge => {
                "the file system or `ulimit -f` limits the size of files; raise the limit, or write to another disk"
                    .into()
            }
            ErrorKind::ReadOnlyFilesystem => format!("the file system is read-only; {another_folder}").into(),
            ErrorKind::PermissionDenied if writing => {
                format!("permission to write is missing; {another_folder}").into()
            }
            ErrorKind::PermissionDenied if reading_data => "permission to read is missing; change it".into(),
            ErrorKind::PermissionDenied => "permission is missing; change it, or pass another folder".into(),
            ErrorKind::InvalidFilename => "the name is too long; choose a shorter one".into(),
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists
                if writing =>
            {
                another_folder.into()
            }
            _ => return None,
        };
        Some(help)
    }
}

fn help_with_download(error: &facenet_download::Error) -> Option<Help> {
    use facenet_download::Error;
    let help = match error {
        Error::InProgress { .. } => "wait for the other download to end, then run the command again".into(),
        Error::NotAFolder { .. } | Error::NotAFile { .. } => "move it away and run the command again".into(),
        Error::Open { .. } | Error::WrongSize { .. } | Error::WrongHash { .. } => {
            "move the file away and run the command again to download it".into()
        }
        Error::ChangedFolder { .. } => "remove the folder and run the command again to install it anew".into(),
        Error::Unavailable { sha256, target, .. } => format!(
            "run the command again later to resume, name another source with --mirror URL, or put the file \
             (sha256 {sha256}) at {} and run the command again",
            target.display()
        )
        .into(),
        _ => return None,
    };
    Some(help)
}

fn help_with_data(error: &facenet_data::Error) -> Option<&'static str> {
    use facenet_data::Error;
    match error {
        Error::UnsupportedFormat { format, .. } => Some(help_with_format(*format)),
        Error::TooLarge { .. } | Error::ImageOverMemory { .. } => Some("scale it down, or remove it"),
        Error::EmptyImage { .. }
        | Error::UnknownFormat { .. }
        | Error::Truncated { .. }
        | Error::Decode { .. }
        | Error::UnknownColorSpace { .. }
        | Error::TooManyScans { .. } => {
            Some("replace it by an intact image (JPEG, PNG, WebP, GIF, BMP, TIFF or PNM), or remove it")
        }
        Error::PersonWithoutImages { .. } => Some("add an image, or remove the folder"),
        Error::LandmarksDegenerate { .. } | Error::LandmarksOutside { .. } => Some(
            "correct the line of the image in the landmark list (x and y in its pixels), or remove it to have the detector find the face",
        ),
        Error::ListHeader { .. }
        | Error::ListLine { .. }
        | Error::ListCount { .. }
        | Error::DuplicatePerson { .. }
        | Error::DuplicateImage { .. }
        | Error::MissingImage { .. } => Some("correct the line of the list, or add what it names"),
        _ => None,
    }
}

/// How to convert images that are not read.
fn help_with_format(format: facenet_data::ImageFormat) -> &'static str {
    use facenet_data::ImageFormat;
    match format {
        ImageFormat::Heic => "export it as JPEG, or convert it with `heif-convert PHOTO.heic PHOTO.jpg` (libheif)",
        ImageFormat::Avif => "export it as JPEG, or convert it with `avifdec PHOTO.avif PHOTO.jpg` (libavif)",
        ImageFormat::JpegXl => "export it as JPEG, or convert it with `djxl PHOTO.jxl PHOTO.jpg` (libjxl)",
        ImageFormat::CameraRaw => "develop it, or export the JPEG within it with `exiftool -b -JpgFromRaw`",
        _ => "export it as JPEG or PNG, for example with `magick PHOTO PHOTO.jpg` (ImageMagick)",
    }
}

fn help_with_recognition(error: &facenet_recognition::Error) -> Option<&'static str> {
    use facenet_recognition::Error;
    match error {
        Error::Checkpoint { .. } => Some("pass an intact checkpoint"),
        Error::DamagedCache { .. } => Some("remove the file; its embeddings will be computed again"),
        Error::Weights { source, .. } => help_with_weights(source),
        Error::NotForeign { .. } => Some("omit --network, --map and --tensors"),
        Error::NoNameMap { .. } => Some("pass one with --map FILE.toml; docs/weights.md describes the format"),
        Error::MapOfUnknownNetwork { .. } => Some("pass the network with --network FILE.toml"),
        Error::UnknownWeights { .. } => {
            Some("pass the network with --network NAME, and a name map with --map FILE.toml if none is built in")
        }
        Error::NotUnitLength { .. } | Error::EqualEmbeddings => {
            Some("the weights are untrained, damaged, or for another network")
        }
        Error::MorePeopleThanFaces { .. } => Some("pass a smaller --people K"),
        Error::TooManyFaces { .. } => Some("group them by k-means: pass --method k-means --people K"),
        _ => None,
    }
}

fn help_with_weights(error: &facenet_network::Error) -> Option<&'static str> {
    use facenet_network::{Error, UnsupportedFormat};
    let help = match error {
        Error::AmbiguousTensors { .. } | Error::NoTensorsAt { .. } => "pass one of them with --tensors KEY.KEY",
        Error::NoMatchingTensors { .. } => {
            "choose a place with --tensors KEY.KEY, or pass a map for these names with --map FILE.toml"
        }
        Error::NoNamedTensors { .. } => "save the weights in Python with torch.save(model.state_dict(), FILE)",
        Error::UnsupportedFormat { format } => match format {
            UnsupportedFormat::Empty => "download or save the file again",
            UnsupportedFormat::Html => "download the file itself instead of the page about it",
            UnsupportedFormat::GitLfsPointer => "fetch the file itself with `git lfs pull`",
            UnsupportedFormat::TorchScript => {
                "save its weights in Python with torch.save(torch.jit.load(FILE).state_dict(), OTHER)"
            }
            UnsupportedFormat::Onnx | UnsupportedFormat::TensorFlow | UnsupportedFormat::TensorFlowLite => {
                "convert it by OpenVINO's `ovc FILE --compress_to_fp16=False` and pass the .xml file"
            }
            UnsupportedFormat::Hdf5
            | UnsupportedFormat::Keras
            | UnsupportedFormat::MxNet
            | UnsupportedFormat::NumPy
            | UnsupportedFormat::Torch7 => "load it with the library that wrote it and save its arrays as safetensors",
            UnsupportedFormat::Tar | UnsupportedFormat::Zip | UnsupportedFormat::Gzip => {
                "unpack it and pass the file of weights within"
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(help)
}
