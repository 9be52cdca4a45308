//! What to do about an error of training.

use facenet_cli::failure::Causes;
use facenet_training::Error;

/// What to do, where there is one thing to do.
pub fn help(error: &anyhow::Error) -> Option<&'static str> {
    let causes = Causes::of(error);
    let Some(training) = error.chain().find_map(|cause| cause.downcast_ref::<Error>()) else { return causes.help() };
    match training {
        Error::Data(data) => causes.with_data(data).help(),
        Error::Recognition(recognition) => causes.with_recognition(recognition).help(),
        Error::OtherPictures | Error::WrongHistory | Error::MissingBuffer { .. } => {
            Some("pass the checkpoint that belongs to it, or train from scratch without --resume")
        }
        _ => causes.help(),
    }
}
