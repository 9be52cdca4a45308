//! `help:` lines for errors of training.

use std::fmt;
use std::io::ErrorKind;

use facenet_cli::failure::{Causes, Help};
use facenet_training::{DatasetSource, Error};

/// Context of an error: the folder of a data set is missing.
#[derive(Debug)]
pub struct MissingDataset(pub DatasetSource);

impl fmt::Display for MissingDataset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "can't load the data set {}", self.0.name())
    }
}

impl MissingDataset {
    fn help(&self) -> Option<&'static str> {
        match self.0 {
            DatasetSource::Orl => Some(
                "set --data DIR or $FACENET_DATA to the folder of data sets (default: data/), or run `cargo xtask download olivetti` and pass --dataset olivetti, the same people; --dataset synthetic needs no files",
            ),
            DatasetSource::Olivetti => Some(
                "run `cargo xtask download olivetti`, or set --data DIR or $FACENET_DATA to the folder of data sets (default: data/); --dataset synthetic needs no files",
            ),
            DatasetSource::Lfw => Some(
                "run `cargo xtask download lfw`, or set --data DIR or $FACENET_DATA to the folder of data sets (default: data/); --dataset synthetic needs no files",
            ),
            DatasetSource::LfwFunneled => Some(
                "run `cargo xtask download lfw-funneled`, or set --data DIR or $FACENET_DATA to the folder of data sets (default: data/); --dataset synthetic needs no files",
            ),
            DatasetSource::Synthetic(_) | DatasetSource::Folder(_) => None,
        }
    }
}

/// What to do about an error, where there is one thing to do.
pub fn help(error: &anyhow::Error) -> Option<Help> {
    if let Some(help) = error.downcast_ref::<MissingDataset>().and_then(MissingDataset::help) {
        return Some(help.into());
    }
    let causes = Causes::of(error);
    let Some(training) = error.chain().find_map(|cause| cause.downcast_ref::<Error>()) else { return causes.help() };
    let help = match training {
        Error::Data(facenet_data::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            "it is missing, or was removed while the data set was read; restore it and run again"
        }
        Error::OtherImages => "pass the --dataset that the checkpoint was trained on",
        Error::WrongHistory | Error::MissingBuffer { .. } | Error::NothingToResume => {
            "pass a checkpoint that training wrote, or train from scratch without --resume"
        }
        Error::Interrupted { .. } => "to continue, pass the checkpoint with --resume and the same --dataset",
        Error::Diverged { .. } => "lower the learning rate (`base` in the recipe's [learning_rate])",
        Error::FunneledAsOriginals { .. } => {
            "move the images to the folder lfw-funneled and pass --dataset lfw-funneled"
        }
        Error::FunneledLandmarks { .. } => "remove the list, or use the original images with --dataset lfw",
        Error::Data(data) => return causes.with_data(data).help(),
        Error::Recognition(recognition) => return causes.with_recognition(recognition).help(),
        _ => return causes.help(),
    };
    Some(help.into())
}
