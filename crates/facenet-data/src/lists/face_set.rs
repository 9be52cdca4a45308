//! Images grouped by person.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::escape_path::escape_path;
use crate::files::folder::{is_folder, visible_entries};
use crate::files::image_files::is_image;
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
    /// Lists a folder that contains one folder per person.
    ///
    /// People, and the images of each, are in [natural order](crate::natural_order()). Ignored are
    /// names that start with a dot, files next to the people's folders, folders within them, and
    /// files without one of the [`IMAGE_EXTENSIONS`](crate::IMAGE_EXTENSIONS) (a README, a
    /// `Thumbs.db`). Symbolic links count as their target. Broken links, pipes and devices named
    /// like an image are listed, so that loading them fails. Below a person's folder no link to a
    /// folder is followed, so cyclic links terminate.
    ///
    /// # Errors
    /// If the folder does not exist, can't be listed or contains fewer than two people, if a person
    /// has no images, or if there is a broken link next to the people's folders, since it may stand
    /// for a person.
    pub fn from_folders(folder: &Path) -> Result<Self, Error> {
        Self::from_gallery(folder)?.require_several_people(folder)
    }

    /// Like [`FaceSet::from_folders`], but a single person is enough.
    ///
    /// # Errors
    /// As [`FaceSet::from_folders`], except for a single person.
    pub fn from_gallery(folder: &Path) -> Result<Self, Error> {
        let mut set = Self { people: Vec::new(), images: Vec::new(), identities: Vec::new() };
        for (person, person_folder) in visible_entries(folder, is_folder)? {
            let images = visible_entries(&person_folder, is_image)?;
            if images.is_empty() {
                return Err(Error::PersonWithoutImages { path: person_folder });
            }
            set.identities.resize(set.identities.len() + images.len(), set.people.len());
            set.images.extend(images.into_iter().map(|(_, path)| path));
            set.people.push(escape_path(&person));
        }
        if set.people.is_empty() { Err(Error::NoPeople { path: folder.to_owned() }) } else { Ok(set) }
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
        for (identity, person) in list.people.iter().enumerate() {
            let paths = list.resolve(identity, images)?;
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
