//! LFW's lists of pairs: `pairs.txt`, `pairsDevTrain.txt`, `pairsDevTest.txt`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::name_index::NameIndex;
use crate::files::normalized_name::normalized_name;
use crate::lists::lfw_images::{image_path, require_folder};
use crate::lists::lines::{Line, is_path_component, parse_positive, read_text};

/// An image that a list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedImage {
    /// The [normalized name](crate::normalized_name()) of the person shown.
    pub person: String,
    /// Number among the person's images, from 1.
    pub number: usize,
    /// Number of the first line that names it, from 1.
    pub line: usize,
}

/// A genuine or impostor pair of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedPair {
    /// Index into [`PairList::images`].
    pub left: usize,
    /// Index into [`PairList::images`].
    pub right: usize,
    /// True for a genuine pair (one person), false for an impostor pair (two people).
    pub same: bool,
}

/// A list of image pairs in one or several folds.
///
/// The header of `pairs.txt` holds the number of folds and the number `n` of pairs of each kind per
/// fold; `pairsDevTrain.txt` and `pairsDevTest.txt` have one fold and only `n` in the header. A
/// fold is `n` lines `name number number` (genuine pairs), then `n` lines `name number name number`
/// (impostor pairs). Image 3 of `A_Name` is `A_Name/A_Name_0003.jpg` in the folder of images, or
/// the same with `.png` if there is no such JPEG. Names on disk may be in any Unicode normalization form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairList {
    /// Path of the list, as errors name it.
    pub path: PathBuf,
    /// The distinct images, in order of first occurrence.
    pub images: Vec<ListedImage>,
    /// The pairs, fold by fold.
    pub pairs: Vec<ListedPair>,
    /// The range of pairs of each fold.
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

    /// Parses a list; `path` names it in errors.
    ///
    /// # Errors
    /// If the header is not one or two positive integers, if it does not match the number of lines,
    /// or if a line is not a pair of two different images of the expected kind.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        const HEADER: &str = "one or two positive integers";
        let lines = Line::split(text, path);
        let Some((header, lines)) = lines.split_first() else {
            return Err(Error::ListHeader { list: path.to_owned(), line: 1, expected: HEADER, found: String::new() });
        };
        let counts: Option<Vec<usize>> = header.fields().into_iter().map(parse_positive).collect();
        let (folds, pairs_per_kind) = match counts.as_deref() {
            Some(&[pairs_per_kind]) => (1, pairs_per_kind),
            Some(&[folds, pairs_per_kind]) => (folds, pairs_per_kind),
            _ => return Err(header.header_error(HEADER)),
        };
        let declared = pairs_per_kind.saturating_mul(2).saturating_mul(folds);
        if lines.len() != declared {
            return Err(Error::ListCount {
                list: path.to_owned(),
                line: header.number,
                what: "pairs",
                declared,
                found: lines.len(),
            });
        }

        let mut images = ImageIndex::default();
        let pairs = lines
            .iter()
            .enumerate()
            .map(|(index, line)| images.parse_pair(line, index / pairs_per_kind % 2 == 0))
            .collect::<Result<_, _>>()?;
        let folds = (0..folds).map(|fold| fold * 2 * pairs_per_kind..(fold + 1) * 2 * pairs_per_kind).collect();
        Ok(Self { path: path.to_owned(), images: images.listed, pairs, folds })
    }

    /// The path of each of [`PairList::images`] below the folder `images`.
    ///
    /// # Errors
    /// If the folder does not exist or an image is missing.
    pub fn resolve(&self, images: &Path) -> Result<Vec<PathBuf>, Error> {
        require_folder(images)?;
        let mut index = NameIndex::default();
        self.images
            .iter()
            .map(|image| image_path(images, &image.person, image.number, &self.path, image.line, &mut index))
            .collect()
    }
}

/// The distinct images found so far.
#[derive(Default)]
struct ImageIndex<'a> {
    listed: Vec<ListedImage>,
    index: BTreeMap<(Cow<'a, str>, usize), usize>,
}

impl<'a> ImageIndex<'a> {
    fn parse_pair(&mut self, line: &Line<'a>, same: bool) -> Result<ListedPair, Error> {
        let fields = line.fields();
        let named = match fields[..] {
            [name, left, right] if same => Some([(name, left), (name, right)]),
            [left_name, left, right_name, right]
                if !same && normalized_name(left_name) != normalized_name(right_name) =>
            {
                Some([(left_name, left), (right_name, right)])
            }
            _ => None,
        };
        let pair = named.and_then(|[left, right]| Some((self.add(left, line)?, self.add(right, line)?)));
        let distinct = pair.filter(|(left, right)| left != right);
        let (left, right) = distinct.ok_or_else(|| {
            line.error(match same {
                true => "a name and the numbers of two different images",
                false => "a name and an image number, a different name and an image number",
            })
        })?;
        Ok(ListedPair { left, right, same })
    }

    fn add(&mut self, (name, number): (&'a str, &str), line: &Line<'a>) -> Option<usize> {
        let number = parse_positive(number)?;
        if !is_path_component(name) {
            return None;
        }
        let (listed, name) = (&mut self.listed, normalized_name(name));
        let person = name.clone().into_owned();
        Some(*self.index.entry((name, number)).or_insert_with(|| {
            listed.push(ListedImage { person, number, line: line.number });
            listed.len() - 1
        }))
    }
}
