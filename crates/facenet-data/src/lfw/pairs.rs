//! Lists of pairs: `pairs.txt`, `pairsDevTrain.txt`, `pairsDevTest.txt`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{picture_path, require_directory};
use crate::Error;
use crate::lines::{Line, is_name, positive, read_text};

/// A picture that a list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPicture {
    /// Who is in it.
    pub person: String,
    /// Which of the person's pictures, from 1.
    pub number: usize,
    /// Line of the list that names it first, from 1.
    pub line: usize,
}

/// Two pictures, and whether they show the same person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Index into [`PairList::pictures`].
    pub left: usize,
    /// Index into [`PairList::pictures`].
    pub right: usize,
    /// Whether both show the same person.
    pub same: bool,
}

/// A list of pairs of pictures, in one fold or several.
///
/// The first line of `pairs.txt` holds the number of folds and the number of pairs of each kind in a fold;
/// `pairsDevTrain.txt` and `pairsDevTest.txt` are one fold and give the latter number only. A fold is that many lines
/// `name number number` (the same person) and then that many `name number name number` (different people). Picture 3
/// of `A_Name` is `A_Name/A_Name_0003.jpg` in the folder of images, or that name with `.png` if there is no such JPEG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairList {
    /// The list itself, as errors name it.
    pub path: PathBuf,
    /// Each picture once, in the order of first mention.
    pub pictures: Vec<ListedPicture>,
    /// The pairs, fold by fold.
    pub pairs: Vec<Pair>,
    /// The pairs of each fold.
    pub folds: Vec<Range<usize>>,
}

impl PairList {
    /// Reads a list.
    ///
    /// # Errors
    /// If the file can't be read, and as [`PairList::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&read_text(path)?, path)
    }

    /// Parses the text of a list; `path` names it in errors.
    ///
    /// # Errors
    /// If the header is not one or two numbers, the lines below are not as many as it says, or a line is not a pair of
    /// the kind that belongs there; a picture and itself are no pair.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        const HEADER: &str = "one or two numbers";
        let lines = Line::split(text, path);
        let Some((header, lines)) = lines.split_first() else {
            return Err(Error::ListHeader { list: path.to_owned(), line: 1, expected: HEADER, found: String::new() });
        };
        let numbers: Option<Vec<usize>> = header.fields().into_iter().map(positive).collect();
        let (folds, of_a_kind) = match numbers.as_deref() {
            Some(&[of_a_kind]) => (1, of_a_kind),
            Some(&[folds, of_a_kind]) => (folds, of_a_kind),
            _ => return Err(header.header_error(HEADER)),
        };
        let promised = of_a_kind.saturating_mul(2).saturating_mul(folds);
        if lines.len() != promised {
            return Err(Error::ListCount {
                list: path.to_owned(),
                line: header.number,
                what: "pairs",
                promised,
                found: lines.len(),
            });
        }

        let mut pictures = Pictures::default();
        let pairs = lines
            .iter()
            .enumerate()
            .map(|(index, line)| pictures.pair(line, index / of_a_kind % 2 == 0))
            .collect::<Result<_, _>>()?;
        let folds = (0..folds).map(|fold| fold * 2 * of_a_kind..(fold + 1) * 2 * of_a_kind).collect();
        Ok(Self { path: path.to_owned(), pictures: pictures.listed, pairs, folds })
    }

    /// The path of each of [`PairList::pictures`].
    ///
    /// # Errors
    /// If the folder does not exist or a picture is missing.
    pub fn resolve(&self, images: &Path) -> Result<Vec<PathBuf>, Error> {
        require_directory(images)?;
        self.pictures
            .iter()
            .map(|picture| picture_path(images, &picture.person, picture.number, &self.path, picture.line))
            .collect()
    }
}

/// The pictures named so far.
#[derive(Default)]
struct Pictures<'a> {
    listed: Vec<ListedPicture>,
    index: BTreeMap<(&'a str, usize), usize>,
}

impl<'a> Pictures<'a> {
    fn pair(&mut self, line: &Line<'a>, same: bool) -> Result<Pair, Error> {
        let fields = line.fields();
        let named = match fields[..] {
            [name, left, right] if same => Some([(name, left), (name, right)]),
            [left_name, left, right_name, right] if !same && left_name != right_name => {
                Some([(left_name, left), (right_name, right)])
            }
            _ => None,
        };
        let pair = named.and_then(|[left, right]| Some((self.picture(left, line)?, self.picture(right, line)?)));
        let apart = pair.filter(|(left, right)| left != right);
        let (left, right) = apart.ok_or_else(|| {
            line.error(match same {
                true => "a name and the numbers of two different pictures",
                false => "a name and a number, another name and a number",
            })
        })?;
        Ok(Pair { left, right, same })
    }

    fn picture(&mut self, (name, number): (&'a str, &str), line: &Line<'a>) -> Option<usize> {
        let number = positive(number)?;
        if !is_name(name) {
            return None;
        }
        let listed = &mut self.listed;
        Some(*self.index.entry((name, number)).or_insert_with(|| {
            listed.push(ListedPicture { person: name.to_owned(), number, line: line.number });
            listed.len() - 1
        }))
    }
}
