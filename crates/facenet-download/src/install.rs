//! The whole way from what is there to a complete set of files.

use std::path::Path;

use crate::error::Error;
use crate::event::Event;
use crate::file_set::{FileSet, RemoteFile, Size};
use crate::installation::{FileState, Installation, Source};
use crate::report::Report;

/// Installs the missing files of a set below the data folder `data`, up to the first that fails.
///
/// Files that are installed are verified and never replaced, so a second call downloads nothing.
/// The folder is locked against other processes while something is being installed. `on_event` is
/// called with the progress.
///
/// The report says what is installed, whether the installation succeeded or not.
///
/// # Errors
///
/// If something else is in the place of a file or folder, if a file is unavailable or damaged, if
/// something can't be read or written, if another process is installing into the same folder, and,
/// for [`Source::Disk`], if a file is missing.
pub fn install<'a>(
    set: &'a FileSet,
    data: &Path,
    source: &Source<'_>,
    on_event: &mut dyn FnMut(Event<'_>),
) -> (Report<'a>, Result<(), Error>) {
    let mut states = vec![FileState::Missing; set.files.len()];
    let result = complete(&Installation { data, set }, source, &mut states, on_event);
    let report = Report::new(set, data, &states);
    let missing = states.iter().filter(|&&state| state == FileState::Missing).count();
    let result = match result {
        Ok(()) if missing > 0 => Err(Error::Missing { name: set.name, missing, files: states.len() }),
        result => result,
    };
    (report, result)
}

/// Installs what is missing. `states` has one element per file.
pub(crate) fn complete(
    installation: &Installation<'_>,
    source: &Source<'_>,
    states: &mut [FileState],
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<(), Error> {
    let files = &installation.set.files;
    // All files are looked at, so that the report is right even if one of them is wrong.
    let mut checked = Ok(());
    for (file, state) in files.iter().zip(&mut *states) {
        match installation.state(file) {
            Ok(found) => *state = found,
            Err(error) => checked = checked.and(Err(error)),
        }
    }
    checked?;
    let missing = files.iter().zip(&*states).filter(|(_, state)| **state == FileState::Missing);
    let installable: Vec<bool> =
        missing.map(|(file, _)| installation.can_install(file, source)).collect::<Result<_, _>>()?;
    if !installable.contains(&true) {
        return Ok(());
    }
    let _lock = installation.lock()?;
    // Once more: another process may have finished meanwhile.
    for (file, state) in files.iter().zip(&mut *states).filter(|(_, state)| **state == FileState::Missing) {
        *state = installation.state(file)?;
    }
    let missing = files.iter().zip(&*states).filter(|(_, state)| **state == FileState::Missing).map(|(file, _)| file);
    let remote: Vec<&RemoteFile> = missing.filter(|file| !installation.download_path(file).exists()).collect();
    if let (Source::Network { .. }, false) = (source, remote.is_empty()) {
        on_event(Event::DownloadPlanned { files: remote.len(), size: total_size(&remote) });
    }
    for (file, state) in files.iter().zip(states) {
        if *state != FileState::Missing {
            continue;
        }
        on_event(Event::FileStarted(file));
        let installed = installation.install(file, source, on_event);
        on_event(Event::FileFinished(file));
        *state = installed?;
    }
    Ok(())
}

fn total_size(files: &[&RemoteFile]) -> Size {
    let bytes = files.iter().map(|file| file.size.expected()).sum();
    match files.iter().all(|file| matches!(file.size, Size::Exactly(_))) {
        true => Size::Exactly(bytes),
        false => Size::About { bytes, limit: files.iter().map(|file| file.size.limit()).sum() },
    }
}
