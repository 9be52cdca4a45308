//! What to do about an error: the libraries say what failed on which file, this says what helps.

use std::io::{self, ErrorKind};

/// What to do, where the error leaves one thing to do.
pub fn hint(error: &anyhow::Error) -> Option<&'static str> {
    by_system(error).or_else(|| by_content(error))
}

/// By what is wrong with a file.
fn by_content(error: &anyhow::Error) -> Option<&'static str> {
    use facenet::Error::{
        Checkpoint, Data, MapOfUnknownNetwork, MissingBuffer, NoNameMap, NotForeign, OtherPictures, UnknownWeights,
        WrongHistory,
    };
    use facenet_data::Error as Wrong;
    match error.chain().find_map(|cause| cause.downcast_ref::<facenet::Error>())? {
        Data(
            Wrong::EmptyPicture { .. }
            | Wrong::UnknownFormat { .. }
            | Wrong::TooLarge { .. }
            | Wrong::Truncated { .. }
            | Wrong::Decode { .. }
            | Wrong::UnknownColors { .. }
            | Wrong::TooManyScans { .. },
        ) => Some("replace that picture by a whole JPEG, PNG or PNM one, or take it away"),
        Data(Wrong::EmptyPerson { .. }) => Some("put a picture there, or take the folder away"),
        Data(Wrong::LandmarksDegenerate { .. } | Wrong::LandmarksOutside { .. }) => Some(
            "correct the picture's line in the list of landmarks (x and y in its pixels), or take the line out: the picture is cropped then",
        ),
        Data(
            Wrong::ListHeader { .. }
            | Wrong::ListLine { .. }
            | Wrong::ListCount { .. }
            | Wrong::RepeatedPerson { .. }
            | Wrong::RepeatedPicture { .. }
            | Wrong::MissingPicture { .. },
        ) => Some("correct that line of the list, or put there what it names"),
        Checkpoint { .. } | OtherPictures | WrongHistory | MissingBuffer { .. } => {
            Some("give the checkpoint that belongs to it, or train anew without --resume")
        }
        NotForeign { .. } => Some("leave out --network and --map"),
        NoNameMap { .. } => Some("give one by --map FILE.toml: docs/weights.md says how it is written"),
        MapOfUnknownNetwork { .. } => Some("give the network by --network FILE.toml"),
        UnknownWeights { .. } => Some(
            "say which network it is by --network NAME, and give a map of names by --map FILE.toml if it has none built in",
        ),
        _ => None,
    }
}

/// By what the operating system says.
fn by_system(error: &anyhow::Error) -> Option<&'static str> {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>())?.kind();
    let known = error.chain().find_map(|cause| cause.downcast_ref::<facenet::Error>());
    let writing = matches!(known, Some(facenet::Error::Write { .. }));
    let data = matches!(known, Some(facenet::Error::Data(_)));
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("make room on that disk, or write to another one"),
        ErrorKind::FileTooLarge => Some(
            "files there are limited in length, by the disk or by the shell's ulimit -f: raise the limit, or write to another disk",
        ),
        ErrorKind::ReadOnlyFilesystem => {
            Some("nothing can be written there: choose another folder by --out, of downloads by --data")
        }
        ErrorKind::PermissionDenied if writing => Some("this user may not write there: choose another folder by --out"),
        ErrorKind::PermissionDenied if data => Some("this user may not read it: change its permissions"),
        ErrorKind::PermissionDenied => {
            Some("this user may not read or write there: change the permissions, or choose another folder")
        }
        ErrorKind::InvalidFilename => Some("the name is longer than the system allows: choose a shorter one"),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists
            if writing =>
        {
            Some("choose another folder by --out")
        }
        ErrorKind::NotFound if data => {
            Some("it is missing, or was taken away while the data set was read: put it back and run again")
        }
        _ => None,
    }
}
