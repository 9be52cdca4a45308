//! LFW's lists of people: `people.txt`, `peopleDevTrain.txt`, `peopleDevTest.txt`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::name_index::NameIndex;
use crate::files::normalized_name::normalized_name;
use crate::lists::lfw_images::{image_path, require_folder};
use crate::lists::lines::{Line, is_path_component, parse_positive, read_text};

/// An entry of a list of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPerson {
    /// The [normalized name](crate::normalized_name()), which is also the name of the person's folder.
    pub name: String,
    /// The number of images; they are numbered from 1.
    pub image_count: usize,
    /// Line number in the list, from 1.
    pub line: usize,
}

/// A list of people and their numbers of images, in one or several folds.
///
/// `peopleDevTrain.txt` and `peopleDevTest.txt` hold the number of people, then a line `name
/// images` for each; `people.txt` holds the number of folds, then such a list for each. Image 3 of
/// `A_Name` is `A_Name/A_Name_0003.jpg` in the folder of images, or the same with `.png` if there
/// is no such JPEG. Names on disk may be in any Unicode normalization form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleList {
    /// Path of the list, as errors name it.
    pub path: PathBuf,
    /// The people, fold by fold.
    pub people: Vec<ListedPerson>,
    /// The range of people of each fold.
    pub folds: Vec<Range<usize>>,
}

impl PeopleList {
    /// Reads a list.
    ///
    /// # Errors
    /// If the file can't be read, and as [`PeopleList::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&read_text(path)?, path)
    }

    /// Parses a list; `path` names it in errors.
    ///
    /// # Errors
    /// If a header is not a positive integer or does not match the number of lines or folds, if a
    /// line is not a name and a number of images, or if a name occurs twice.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        const HEADER: &str = "one positive integer";
        let lines = Line::split(text, path);
        let Some((header, rest)) = lines.split_first() else { return Err(Error::NoPeople { path: path.to_owned() }) };
        let declared = header.count().ok_or_else(|| header.header_error(HEADER))?;

        let mut list = Self { path: path.to_owned(), people: Vec::new(), folds: Vec::new() };
        let mut names = BTreeSet::new();
        if rest.first().is_none_or(|line| line.count().is_none()) {
            list.add_fold(header, declared, rest, &mut names)?;
            return Ok(list);
        }
        let mut rest = rest;
        while let Some((header, below)) = rest.split_first() {
            let people = header.count().ok_or_else(|| header.header_error(HEADER))?;
            let end = below.iter().position(|line| line.count().is_some()).unwrap_or(below.len());
            list.add_fold(header, people, &below[..end], &mut names)?;
            rest = &below[end..];
        }
        if list.folds.len() == declared {
            Ok(list)
        } else {
            Err(count_error(header, "folds", declared, list.folds.len()))
        }
    }

    fn add_fold<'a>(
        &mut self,
        header: &Line<'_>,
        declared: usize,
        lines: &[Line<'a>],
        names: &mut BTreeSet<Cow<'a, str>>,
    ) -> Result<(), Error> {
        let start = self.people.len();
        for line in lines {
            let fields = line.fields();
            let person = match fields[..] {
                [name, count] if is_path_component(name) => parse_positive(count).map(|count| (name, count)),
                _ => None,
            };
            let (name, image_count) = person.ok_or_else(|| line.error("a name and a number of images"))?;
            if !names.insert(normalized_name(name)) {
                return Err(Error::DuplicatePerson {
                    list: self.path.clone(),
                    line: line.number,
                    person: name.to_owned(),
                });
            }
            self.people.push(ListedPerson { name: normalized_name(name).into_owned(), image_count, line: line.number });
        }
        if lines.len() != declared {
            return Err(count_error(header, "people", declared, lines.len()));
        }
        self.folds.push(start..self.people.len());
        Ok(())
    }

    /// The paths of a person's images below the folder `images`.
    ///
    /// # Errors
    /// If the folder does not exist or an image is missing.
    ///
    /// # Panics
    /// If there is no such person.
    #[track_caller]
    pub fn resolve(&self, person: usize, images: &Path) -> Result<Vec<PathBuf>, Error> {
        self.resolve_with(person, images, &mut NameIndex::default())
    }

    #[track_caller]
    pub(crate) fn resolve_with(
        &self,
        person: usize,
        images: &Path,
        index: &mut NameIndex,
    ) -> Result<Vec<PathBuf>, Error> {
        require_folder(images)?;
        let ListedPerson { name, image_count, line } = &self.people[person];
        (1..=*image_count).map(|number| image_path(images, name, number, &self.path, *line, index)).collect()
    }
}

fn count_error(header: &Line<'_>, what: &'static str, declared: usize, found: usize) -> Error {
    Error::ListCount { list: header.list.to_owned(), line: header.number, what, declared, found }
}
