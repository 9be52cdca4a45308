//! A folder of known people.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::entry::{EntryKind, list_folder};
use crate::files::folder_contents::{FolderContents, PassedOver, PassedOverReason, Subfolder, UnreadableEntry};
use crate::files::folder_identity::FolderIdentity;
use crate::lists::face_set::{FaceSet, PersonFolders};

/// A folder that contains one folder of photos per person, with everything in it accounted for.
#[derive(Debug)]
pub struct GalleryFolder {
    /// The people and their photos: each has at least one.
    pub set: FaceSet,
    /// What is passed over, and why: as by [`photos_below`](crate::photos_below), and images beside the
    /// people's folders, folders within these, and people without photos.
    pub passed_over: Vec<PassedOver>,
    /// What can't be read: folders of people and files without permission, broken links.
    pub unreadable: Vec<UnreadableEntry>,
    /// Number of files that are not images.
    pub other_files: usize,
}

impl GalleryFolder {
    /// Reads the folder. Formats are recognized by content, and hidden names are treated as by
    /// [`photos_below`](crate::photos_below).
    ///
    /// People, and the photos of each, are in [natural order](crate::natural_order()). Folders whose names are
    /// equal [after Unicode normalization](crate::normalized_name()) are one person, whose name is that of the
    /// first. A folder with several names, of which some are links, is one person.
    ///
    /// # Errors
    /// If the folder does not exist or can't be listed, or no person has photos: then the error of the first
    /// entry that can't be read, if there is one.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let listing = list_folder(folder)?;
        let mut contents = FolderContents::default();
        let mut folders = Vec::new();
        for entry in listing.entries {
            let name = entry.name.clone();
            match entry.kind {
                EntryKind::Image | EntryKind::DamagedImage if !entry.is_hidden() => {
                    contents.pass_over(entry.path, PassedOverReason::OutsidePeople);
                }
                _ => folders.extend(contents.add(entry).map(|subfolder| (name, subfolder))),
            }
        }
        if let Some(error) = listing.error {
            contents.add_unreadable(folder.to_owned(), error);
        }

        let own = folders.iter().filter_map(|(_, subfolder)| match subfolder {
            Subfolder::Own(path) => FolderIdentity::of(path).ok(),
            Subfolder::Linked(_) => None,
        });
        let mut visited: BTreeSet<FolderIdentity> = own.chain(FolderIdentity::of(folder)).collect();
        let mut people = PersonFolders::default();
        for (name, subfolder) in folders {
            let path = match subfolder {
                Subfolder::Own(path) => path,
                Subfolder::Linked(path) => {
                    if FolderIdentity::of(&path).is_ok_and(|identity| !visited.insert(identity)) {
                        contents.pass_over(path, PassedOverReason::VisitedFolder);
                        continue;
                    }
                    path
                }
            };
            match read_person(&path) {
                Ok(mut person) => {
                    let photos = std::mem::take(&mut person.photos);
                    contents.append(person);
                    match photos.is_empty() {
                        true => contents.pass_over(path, PassedOverReason::WithoutPhotos),
                        false => people.add(&name, photos),
                    }
                }
                Err(error) => contents.add_unreadable(path, error),
            }
        }
        let set = people.into_set();
        let FolderContents { passed_over, mut unreadable, other_files, .. } = contents;
        if set.people.is_empty() {
            let without_photos = passed_over.iter().find(|entry| entry.reason == PassedOverReason::WithoutPhotos);
            return Err(match (unreadable.is_empty(), without_photos) {
                (false, _) => unreadable.swap_remove(0).error,
                (true, Some(entry)) => Error::PersonWithoutImages { path: entry.path.clone() },
                (true, None) => Error::NoPeople { path: folder.to_owned() },
            });
        }
        Ok(Self { set, passed_over, unreadable, other_files })
    }
}

fn read_person(folder: &Path) -> Result<FolderContents, Error> {
    let listing = list_folder(folder)?;
    let mut contents = FolderContents::default();
    for entry in listing.entries {
        if let Some(Subfolder::Own(path) | Subfolder::Linked(path)) = contents.add(entry) {
            contents.pass_over(path, PassedOverReason::NestedFolder);
        }
    }
    if let Some(error) = listing.error {
        contents.add_unreadable(PathBuf::from(folder), error);
    }
    Ok(contents)
}
