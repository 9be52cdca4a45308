//! Pictures of people, by person.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::pictures::{entries, is_folder, is_picture};
use crate::{Error, PeopleList, shown};

/// The pictures of a set of people: paths only, nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaceSet {
    /// Name of each person, as [`shown`] writes it; a person's index here is their identity.
    pub people: Vec<String>,
    /// Path of each picture, person by person.
    pub pictures: Vec<PathBuf>,
    /// Identity of each picture: ascending, every identity at least once.
    pub identities: Vec<usize>,
}

impl FaceSet {
    /// Lists a folder that holds one folder per person.
    ///
    /// People and the pictures of each are in [natural order](crate::natural_order()) of their names. Passed over are names
    /// that start with a dot, files beside the people's folders, folders within them, and files without one of the
    /// [`PICTURE_EXTENSIONS`](crate::PICTURE_EXTENSIONS) (a README, a `Thumbs.db`). Symbolic links count as what they point at. A picture's link
    /// that points nowhere, a pipe or a device with a picture's name are listed, so that loading them fails. Nothing is
    /// followed below a person's folder, so that links in a circle end.
    ///
    /// # Errors
    /// If the folder does not exist, can't be listed, holds no people or one only, if a person has no picture, or if a
    /// link beside the people leads nowhere: it may have been a person.
    pub fn from_folders(directory: &Path) -> Result<Self, Error> {
        Self::from_gallery(directory)?.of_several_people(directory)
    }

    /// The same of one person or more.
    ///
    /// # Errors
    /// As [`FaceSet::from_folders`], but for one person only.
    pub fn from_gallery(directory: &Path) -> Result<Self, Error> {
        let mut set = Self { people: Vec::new(), pictures: Vec::new(), identities: Vec::new() };
        for (person, folder) in entries(directory, is_folder)? {
            let pictures = entries(&folder, is_picture)?;
            if pictures.is_empty() {
                return Err(Error::EmptyPerson { path: folder });
            }
            set.identities.resize(set.identities.len() + pictures.len(), set.people.len());
            set.pictures.extend(pictures.into_iter().map(|(_, picture)| picture));
            set.people.push(shown(&person));
        }
        if set.people.is_empty() { Err(Error::NoPeople { path: directory.to_owned() }) } else { Ok(set) }
    }

    /// The people of an LFW list, with pictures 1 to the listed number of each.
    ///
    /// Pictures are looked for as [`PeopleList`] describes.
    ///
    /// # Errors
    /// If the folder does not exist, a picture is missing, or the list holds no people or one only.
    pub fn from_people_list(list: &PeopleList, images: &Path) -> Result<Self, Error> {
        let mut set = Self { people: Vec::new(), pictures: Vec::new(), identities: Vec::new() };
        for (identity, person) in list.people.iter().enumerate() {
            let pictures = list.resolve(identity, images)?;
            set.identities.resize(set.identities.len() + pictures.len(), identity);
            set.pictures.extend(pictures);
            set.people.push(person.name.clone());
        }
        set.of_several_people(&list.path)
    }

    fn of_several_people(self, path: &Path) -> Result<Self, Error> {
        match self.people.len() {
            0 => Err(Error::NoPeople { path: path.to_owned() }),
            1 => Err(Error::OnePerson { path: path.to_owned() }),
            _ => Ok(self),
        }
    }

    /// The positions of a person's pictures.
    ///
    /// # Panics
    /// If there is no such person.
    #[track_caller]
    pub fn pictures_of(&self, person: usize) -> Range<usize> {
        assert!(person < self.people.len(), "person {person} of {}", self.people.len());
        let start = self.identities.partition_point(|&identity| identity < person);
        let end = self.identities.partition_point(|&identity| identity <= person);
        start..end
    }

    /// Some of the people, in the order given and numbered anew from 0: `set.subset(0..30)`.
    ///
    /// # Panics
    /// If there is no such person.
    #[track_caller]
    pub fn subset(&self, people: impl IntoIterator<Item = usize>) -> Self {
        let mut subset = Self { people: Vec::new(), pictures: Vec::new(), identities: Vec::new() };
        for person in people {
            let pictures = self.pictures_of(person);
            subset.identities.resize(subset.identities.len() + pictures.len(), subset.people.len());
            subset.pictures.extend_from_slice(&self.pictures[pictures]);
            subset.people.push(self.people[person].clone());
        }
        subset
    }

    /// Those people of whom there are at least so many pictures, numbered anew from 0.
    pub fn with_at_least(&self, pictures: usize) -> Self {
        self.subset((0..self.people.len()).filter(|&person| self.pictures_of(person).len() >= pictures))
    }
}
