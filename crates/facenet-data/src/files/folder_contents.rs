//! What a folder holds, with nothing left out.

use std::fmt;
use std::path::PathBuf;

use crate::error::Error;
use crate::files::entry::{Entry, EntryKind};
use crate::files::escape_path::escape_path;

/// What a folder and its subfolders hold. Each entry is in exactly one of the fields, except the folders
/// that were read.
#[derive(Debug, Default)]
pub struct FolderContents {
    /// The photos: files whose content is an image, and files that have an image's extension but are empty or
    /// not recognized. Loading names those that are damaged or in a format that can't be read.
    pub photos: Vec<PathBuf>,
    /// What is passed over although it may show somebody, and why.
    pub passed_over: Vec<PassedOver>,
    /// What can't be read: folders and files without permission, broken links.
    pub unreadable: Vec<UnreadableEntry>,
    /// Number of files that are not images, hidden ones included.
    pub other_files: usize,
}

/// An entry that is passed over, as `path: reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The file or folder.
    pub path: PathBuf,
    /// Why it is passed over.
    pub reason: PassedOverReason,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", escape_path(&self.path), self.reason)
    }
}

/// Why an entry is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PassedOverReason {
    /// The name starts with a dot: an image, a folder, or something that can't be read.
    Hidden,
    /// A pipe, a socket or a device.
    NotRegularFile,
    /// A folder that was read already through another path: a link to it, or back to a folder above.
    VisitedFolder,
    /// A folder nested more than 64 deep.
    TooDeep,
    /// An image beside the people's folders of a gallery.
    OutsidePeople,
    /// A folder within a person's folder of a gallery.
    NestedFolder,
    /// A person's folder without photos that can be read.
    WithoutPhotos,
}

/// The deepest nesting of folders that is searched.
pub(crate) const MAX_DEPTH: usize = 64;

impl fmt::Display for PassedOverReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden => formatter.write_str("hidden"),
            Self::NotRegularFile => formatter.write_str("neither a file nor a folder"),
            Self::VisitedFolder => formatter.write_str("this folder was read already through another path"),
            Self::TooDeep => write!(formatter, "nested more than {MAX_DEPTH} folders deep"),
            Self::OutsidePeople => formatter.write_str("not in a person's folder"),
            Self::NestedFolder => formatter.write_str("a folder within a person's folder"),
            Self::WithoutPhotos => formatter.write_str("no photos in this folder can be read"),
        }
    }
}

/// An entry that can't be read, as its error, which names it.
#[derive(Debug)]
pub struct UnreadableEntry {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: Error,
}

impl fmt::Display for UnreadableEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

/// A folder among the entries of another.
pub(crate) enum Subfolder {
    /// In the folder itself.
    Own(PathBuf),
    /// The target of a link.
    Linked(PathBuf),
}

impl FolderContents {
    /// Accounts for an entry, or returns the folder that remains to be read.
    pub(crate) fn add(&mut self, entry: Entry) -> Option<Subfolder> {
        let hidden = entry.is_hidden();
        let Entry { path, kind, .. } = entry;
        match kind {
            EntryKind::OtherFile => self.other_files += 1,
            // AppleDouble files: `._photo.jpg` holds what macOS knows about `photo.jpg`.
            EntryKind::DamagedImage if hidden => self.other_files += 1,
            _ if hidden => self.pass_over(path, PassedOverReason::Hidden),
            EntryKind::Folder => return Some(Subfolder::Own(path)),
            EntryKind::LinkedFolder => return Some(Subfolder::Linked(path)),
            EntryKind::Image | EntryKind::DamagedImage => self.photos.push(path),
            EntryKind::Special => self.pass_over(path, PassedOverReason::NotRegularFile),
            EntryKind::UnreadableFile(error) | EntryKind::Unknown(error) => self.add_unreadable(path, error),
        }
        None
    }

    pub(crate) fn pass_over(&mut self, path: PathBuf, reason: PassedOverReason) {
        self.passed_over.push(PassedOver { path, reason });
    }

    pub(crate) fn add_unreadable(&mut self, path: PathBuf, error: Error) {
        self.unreadable.push(UnreadableEntry { path, error });
    }

    /// Appends the contents of another folder.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.photos.append(&mut other.photos);
        self.passed_over.append(&mut other.passed_over);
        self.unreadable.append(&mut other.unreadable);
        self.other_files += other.other_files;
    }
}
