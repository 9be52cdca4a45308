//! Images grouped by person.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::entry::{Entry, EntryKind, list_folder};
use crate::files::escape_path::escape_path;
use crate::files::name_index::NameIndex;
use crate::files::normalized_name::normalized_name;
use crate::lists::people_list::PeopleList;

/// The image files of a set of people. Holds paths only; nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaceSet {
    /// The name of each person, as formatted by [`escape_path`]; the index is the identity.
    pub people: Vec<String>,
    /// The path of each image, grouped by person.
    pub images: Vec<PathBuf>,
    /// The identity of each image: ascending, every identity at least once.
    pub identities: Vec<usize>,
}

impl FaceSet {
    /// Lists a folder that contains one folder per person, all of whose images are to be read: loading the set
    /// names each that can't be. [`GalleryFolder::read`](crate::GalleryFolder::read) is the lenient one.
    ///
    /// People, and the images of each, are in [natural order](crate::natural_order()). The content of a file
    /// decides whether it is an image, and not its name. Ignored are names that start with a dot, files next to
    /// the people's folders, folders within them, and files that are not images (a README, a `Thumbs.db`).
    /// Symbolic links count as their target. Listed, so that loading them fails, are images in a format that
    /// can't be read, files with an image's extension whose content is not recognized, files that can't be
    /// opened, broken links, and pipes and devices named like an image. Below a person's folder no link to a
    /// folder is followed, so cyclic links terminate.
    ///
    /// Folders whose names are equal [after Unicode normalization](crate::normalized_name()) are one person,
    /// whose name is that of the first.
    ///
    /// # Errors
    /// If the folder does not exist, can't be listed or contains fewer than two people, if a person's folder
    /// can't be listed or has no images, or if there is a broken link next to the people's folders, since it
    /// may stand for a person.
    pub fn from_folders(folder: &Path) -> Result<Self, Error> {
        let mut people = PersonFolders::default();
        for entry in list_whole_folder(folder)? {
            if entry.is_hidden() {
                continue;
            }
            match entry.kind {
                EntryKind::Unknown(error) => return Err(error),
                EntryKind::Folder | EntryKind::LinkedFolder => {
                    let images = list_images(&entry.path)?;
                    if images.is_empty() {
                        return Err(Error::PersonWithoutImages { path: entry.path });
                    }
                    people.add(&entry.name, images);
                }
                _ => {}
            }
        }
        people.into_set().require_several_people(folder)
    }

    /// The people of an LFW list, with the listed number of images of each, below the folder
    /// `images`.
    ///
    /// [`PeopleList`] describes where an image is looked for.
    ///
    /// # Errors
    /// If the folder does not exist, an image is missing, or the list contains fewer than two
    /// people.
    pub fn from_people_list(list: &PeopleList, images: &Path) -> Result<Self, Error> {
        let mut set = Self { people: Vec::new(), images: Vec::new(), identities: Vec::new() };
        let mut index = NameIndex::default();
        for (identity, person) in list.people.iter().enumerate() {
            let paths = list.resolve_with(identity, images, &mut index)?;
            set.identities.resize(set.identities.len() + paths.len(), identity);
            set.images.extend(paths);
            set.people.push(person.name.clone());
        }
        set.require_several_people(&list.path)
    }

    fn require_several_people(self, path: &Path) -> Result<Self, Error> {
        match self.people.len() {
            0 => Err(Error::NoPeople { path: path.to_owned() }),
            1 => Err(Error::OnePerson { path: path.to_owned() }),
            _ => Ok(self),
        }
    }

    /// The index range of a person's images.
    ///
    /// # Panics
    /// If a person is out of range.
    #[track_caller]
    pub fn images_of(&self, person: usize) -> Range<usize> {
        assert!(person < self.people.len(), "person {person} of {}", self.people.len());
        let start = self.identities.partition_point(|&identity| identity < person);
        let end = self.identities.partition_point(|&identity| identity <= person);
        start..end
    }

    /// Selects people, in the given order and renumbered from 0: `set.subset(0..30)`.
    ///
    /// # Panics
    /// If a person is out of range.
    #[track_caller]
    pub fn subset(&self, people: impl IntoIterator<Item = usize>) -> Self {
        let mut subset = Self { people: Vec::new(), images: Vec::new(), identities: Vec::new() };
        for person in people {
            let images = self.images_of(person);
            subset.identities.resize(subset.identities.len() + images.len(), subset.people.len());
            subset.images.extend_from_slice(&self.images[images]);
            subset.people.push(self.people[person].clone());
        }
        subset
    }

    /// Selects the people with at least `count` images, renumbered from 0.
    pub fn with_min_images(&self, count: usize) -> Self {
        self.subset((0..self.people.len()).filter(|&person| self.images_of(person).len() >= count))
    }
}

/// People by their folders.
#[derive(Default)]
pub(crate) struct PersonFolders {
    /// Name and images of each.
    people: Vec<(String, Vec<PathBuf>)>,
    /// The person of each normalized name.
    index: BTreeMap<String, usize>,
}

impl PersonFolders {
    /// Adds the images of a folder to the person of that name.
    pub(crate) fn add(&mut self, folder_name: &OsStr, images: Vec<PathBuf>) {
        let name = escape_path(folder_name);
        let next = self.people.len();
        let person = *self.index.entry(normalized_name(&name).into_owned()).or_insert(next);
        match self.people.get_mut(person) {
            Some((_, known)) => known.extend(images),
            None => self.people.push((name, images)),
        }
    }

    pub(crate) fn into_set(self) -> FaceSet {
        let mut set = FaceSet { people: Vec::new(), images: Vec::new(), identities: Vec::new() };
        for (identity, (name, images)) in self.people.into_iter().enumerate() {
            set.identities.resize(set.identities.len() + images.len(), identity);
            set.images.extend(images);
            set.people.push(name);
        }
        set
    }
}

/// The visible files of a person's folder that are images or may be.
fn list_images(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let may_be_image = |entry: &Entry| match entry.kind {
        EntryKind::Image | EntryKind::DamagedImage | EntryKind::UnreadableFile(_) | EntryKind::Unknown(_) => true,
        EntryKind::Special => entry.has_image_extension(),
        EntryKind::Folder | EntryKind::LinkedFolder | EntryKind::OtherFile => false,
    };
    let entries = list_whole_folder(folder)?.into_iter();
    Ok(entries.filter(|entry| !entry.is_hidden() && may_be_image(entry)).map(|entry| entry.path).collect())
}

fn list_whole_folder(folder: &Path) -> Result<Vec<Entry>, Error> {
    let listing = list_folder(folder)?;
    listing.error.map_or(Ok(listing.entries), Err)
}
