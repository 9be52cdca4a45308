//! Lists of people: `people.txt`, `peopleDevTrain.txt`, `peopleDevTest.txt`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{picture_path, require_directory};
use crate::Error;
use crate::lines::{Line, is_name, positive, read_text};

/// A person whom a list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPerson {
    /// The name, which is also that of the person's folder.
    pub name: String,
    /// How many pictures there are: numbers 1 to this.
    pub pictures: usize,
    /// Line of the list, from 1.
    pub line: usize,
}

/// A list of people with their numbers of pictures, in one fold or several.
///
/// `peopleDevTrain.txt` and `peopleDevTest.txt` are a number of people and a line `name pictures` for each;
/// `people.txt` is a number of folds, each of which is such a list. Picture 3 of `A_Name` is `A_Name/A_Name_0003.jpg`
/// in the folder of images, or that name with `.png` if there is no such JPEG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleList {
    /// The list itself, as errors name it.
    pub path: PathBuf,
    /// The people, fold by fold.
    pub people: Vec<ListedPerson>,
    /// The people of each fold.
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

    /// Parses the text of a list; `path` names it in errors.
    ///
    /// # Errors
    /// If a header is not a number, its number is not that of the lines below, a line is not a name and a number, or a
    /// name occurs twice.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        const HEADER: &str = "one number";
        let lines = Line::split(text, path);
        let Some((header, rest)) = lines.split_first() else { return Err(Error::NoPeople { path: path.to_owned() }) };
        let promised = header.lone_number().ok_or_else(|| header.header_error(HEADER))?;

        let mut list = Self { path: path.to_owned(), people: Vec::new(), folds: Vec::new() };
        let mut names = BTreeSet::new();
        if rest.first().is_none_or(|line| line.lone_number().is_none()) {
            list.add_fold(header, promised, rest, &mut names)?;
            return Ok(list);
        }
        let mut rest = rest;
        while let Some((header, below)) = rest.split_first() {
            let people = header.lone_number().ok_or_else(|| header.header_error(HEADER))?;
            let end = below.iter().position(|line| line.lone_number().is_some()).unwrap_or(below.len());
            list.add_fold(header, people, &below[..end], &mut names)?;
            rest = &below[end..];
        }
        if list.folds.len() == promised {
            Ok(list)
        } else {
            Err(count_error(header, "folds", promised, list.folds.len()))
        }
    }

    fn add_fold<'a>(
        &mut self,
        header: &Line<'_>,
        promised: usize,
        lines: &[Line<'a>],
        names: &mut BTreeSet<&'a str>,
    ) -> Result<(), Error> {
        let start = self.people.len();
        for line in lines {
            let fields = line.fields();
            let person = match fields[..] {
                [name, pictures] if is_name(name) => positive(pictures).map(|pictures| (name, pictures)),
                _ => None,
            };
            let (name, pictures) = person.ok_or_else(|| line.error("a name and a number of pictures"))?;
            if !names.insert(name) {
                return Err(Error::RepeatedPerson {
                    list: self.path.clone(),
                    line: line.number,
                    person: name.to_owned(),
                });
            }
            self.people.push(ListedPerson { name: name.to_owned(), pictures, line: line.number });
        }
        if lines.len() != promised {
            return Err(count_error(header, "people", promised, lines.len()));
        }
        self.folds.push(start..self.people.len());
        Ok(())
    }

    /// The paths of a person's pictures.
    ///
    /// # Errors
    /// If the folder does not exist or a picture is missing.
    ///
    /// # Panics
    /// If there is no such person.
    #[track_caller]
    pub fn resolve(&self, person: usize, images: &Path) -> Result<Vec<PathBuf>, Error> {
        require_directory(images)?;
        let ListedPerson { name, pictures, line } = &self.people[person];
        (1..=*pictures).map(|number| picture_path(images, name, number, &self.path, *line)).collect()
    }
}

fn count_error(header: &Line<'_>, what: &'static str, promised: usize, found: usize) -> Error {
    Error::ListCount { list: header.list.to_owned(), line: header.number, what, promised, found }
}
