//! Files of other frameworks, in which the tensors of a network are found by their names.

use std::collections::BTreeMap;

use crate::bounds::check_limit;
use crate::error::Error;
use crate::import::foreign_tensors::{DecodedTensor, ForeignTensors};
use crate::import::name_map::NameMap;
use crate::import::pytorch::PytorchFile;
use crate::import::pytorch::tensor_search::TensorSearch;
use crate::import::tensor_place::TensorPlace;
use crate::import::tensor_tree::TensorTree;
use crate::import::unsupported_format::UnsupportedFormat;

/// Places of a file that are compared with name maps.
const MAX_CANDIDATES: usize = 1 << 12;

/// Prefixes that an error suggests for each map.
const MAX_SUGGESTED: usize = 4;

/// Modules around a network that no program names itself: those of `torch.compile`, fully sharded
/// training and activation checkpoints.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// A file of another framework whose tensors are read once it is known which of them are needed.
///
/// A tensor is named by the keys of the dictionaries that it is in, joined by dots: `model.conv.weight`
/// is tensor `conv.weight` at the place `model`, which may be a dictionary `model`, or a common prefix
/// of the names in one dictionary. Elements of lists are places such as `models[0]`; `.` is the whole
/// file.
#[derive(Debug)]
pub struct ForeignFile<'a> {
    trees: Vec<TensorTree>,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    Pytorch(PytorchFile<'a>),
    /// By the index of the tree's entries.
    Tensors(Vec<Option<DecodedTensor>>),
}

impl<'a> ForeignFile<'a> {
    /// Reads a file of `torch.save` or a safetensors file, recognized by its first bytes.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFormat`] for a file in a known other format, and as
    /// [`from_pytorch`](Self::from_pytorch) and [`ForeignTensors::from_safetensors`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        // A safetensors file starts with the length of its header, a JSON object.
        if bytes.get(8) != Some(&b'{') {
            if bytes.starts_with(b"PK") || bytes.starts_with(b"\x80") {
                return Self::from_pytorch(bytes);
            }
            if let Some(format) = UnsupportedFormat::of(bytes) {
                return Err(Error::UnsupportedFormat { format });
            }
        }
        Ok(ForeignTensors::from_safetensors(bytes)?.into())
    }

    /// Reads a file of `torch.save`: a state dictionary, or anything that contains one, such as
    /// `{"state_dict": ..., "epoch": 3}` or a whole module.
    ///
    /// ```text
    /// zip (since PyTorch 1.6)   NAME/data.pkl   pickle of tensors by name: storage, offset, shape, strides
    ///                           NAME/data/KEY   one storage each, uncompressed
    /// legacy                    pickles: magic number, version, type sizes, tensors, storage keys;
    ///                           then for each key an element count of 8 bytes and the storage
    /// ```
    ///
    /// Nothing in the pickle is executed. Of all classes and functions that it can name, only those
    /// of tensors, parameters, modules, storages and dictionaries are understood; all other objects
    /// are passed over. Tensors in dictionaries and modules are found up to 32 levels deep. The
    /// tensors of a place together have at most as many elements as the file has bytes, so a small
    /// file cannot allocate much memory with tensors that repeat a storage.
    ///
    /// # Errors
    ///
    /// If the bytes are not such a file, or contain no tensor with a name.
    pub fn from_pytorch(bytes: &'a [u8]) -> Result<Self, Error> {
        let file = PytorchFile::read(bytes)?;
        let trees = TensorSearch::run(&file)?;
        if trees.is_empty() {
            return Err(Error::NoNamedTensors { content: file.describe_root() });
        }
        Ok(Self::new(trees, Content::Pytorch(file)))
    }

    /// Reads an OpenVINO network from its XML and binary file.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFormat`] if one of them is empty, an HTML page or a Git LFS pointer, and
    /// as [`ForeignTensors::from_openvino`].
    pub fn from_openvino(xml: &[u8], bin: &[u8]) -> Result<Self, Error> {
        for bytes in [xml, bin] {
            if let Some(format @ (UnsupportedFormat::Html | UnsupportedFormat::GitLfsPointer)) =
                UnsupportedFormat::of(bytes)
            {
                return Err(Error::UnsupportedFormat { format });
            }
        }
        Ok(ForeignTensors::from_openvino(xml, bin)?.into())
    }

    fn new(mut trees: Vec<TensorTree>, content: Content<'a>) -> Self {
        let unwrapped: Vec<_> = trees.iter().filter_map(|tree| tree.without_segments(&WRAPPERS)).collect();
        trees.extend(unwrapped);
        Self { trees, content }
    }

    /// The dictionaries and modules of the file that have tensors, those with most of them first.
    #[must_use]
    pub fn places(&self) -> Vec<TensorPlace> {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for tree in &self.trees {
            for (prefix, &tensors) in tree.dictionaries.iter().filter(|dictionary| *dictionary.1 > 0) {
                places.entry(tree.place(prefix)).or_insert(tensors);
            }
        }
        let mut places: Vec<_> = places.into_iter().map(|(path, tensors)| TensorPlace { path, tensors }).collect();
        places.sort_by_key(|place| std::cmp::Reverse(place.tensors));
        places
    }

    /// All tensors at a place.
    ///
    /// # Errors
    ///
    /// [`Error::NoTensorsAt`]; if two tensors have the same name or one cannot be read.
    pub fn tensors(self, path: &str) -> Result<ForeignTensors, Error> {
        let found = self.trees.iter().enumerate().find_map(|(tree, names)| {
            let prefix = names.prefix_of(path)?;
            (!names.below(&prefix).is_empty()).then_some((tree, prefix))
        });
        match found {
            Some((tree, prefix)) => self.decode(tree, &prefix),
            None => Err(Error::NoTensorsAt { path: path.to_owned(), places: self.places() }),
        }
    }

    /// The tensors of a tree whose names have a prefix, without that prefix.
    fn decode(mut self, tree: usize, prefix: &str) -> Result<ForeignTensors, Error> {
        let mut tensors = ForeignTensors::default();
        let mut left = if let Content::Pytorch(file) = &self.content { file.length() } else { 0 };
        for entry in self.trees[tree].below(prefix) {
            let decoded = match &mut self.content {
                Content::Pytorch(file) => file.decode(entry.index, &mut left),
                Content::Tensors(tensors) => Ok(tensors[entry.index].take().expect("each tensor has one name")),
            };
            tensors.insert_decoded(entry.name[prefix.len()..].to_owned(), decoded)?;
        }
        Ok(tensors)
    }

    /// The tensors at the place that has most of those that a map names, more than half of them,
    /// and that map; of several maps the one of which most are found. `path` restricts the search to a
    /// place and those within it. Names are compared as they are, without a prefix that all
    /// floating-point tensors of a place share, and without the names of modules that only wrap
    /// others, such as `_orig_mod` of `torch.compile`.
    ///
    /// # Errors
    ///
    /// [`Error::NoMatchingTensors`] if there is no such place, [`Error::AmbiguousTensors`] if several
    /// places have equally many of them and none is `path` itself, and as [`tensors`](Self::tensors).
    pub fn matching<'m>(self, maps: &'m [NameMap], path: Option<&str>) -> Result<(ForeignTensors, &'m NameMap), Error> {
        let fewest = maps.iter().map(|map| map.names().count()).min().unwrap_or(0);
        let mut candidates = Vec::new();
        for (tree, names) in self.trees.iter().enumerate() {
            for prefix in names.prefixes(fewest, path) {
                let place = names.place(&prefix);
                if path.is_none_or(|path| is_within(&place, path)) {
                    candidates.push((tree, prefix, place));
                }
            }
            check_limit("dictionaries of tensors", candidates.len(), MAX_CANDIDATES)?;
        }
        let (mut most, mut best) = (0.5, Vec::new());
        for map in maps {
            for (tree, prefix, place) in &candidates {
                let share = self.trees[*tree].find(prefix, map).len() as f64 / map.names().count().max(1) as f64;
                if share > most {
                    (most, best) = (share, vec![(*tree, prefix, place, map)]);
                } else if share == most && best.first().is_some_and(|best| std::ptr::eq(best.3, map)) {
                    // Several dictionaries may have the same tensors.
                    let found = self.trees[*tree].find(prefix, map);
                    if best.iter().all(|(tree, prefix, ..)| self.trees[*tree].find(prefix, map) != found) {
                        best.push((*tree, prefix, place, map));
                    }
                }
            }
        }
        let exact = best.iter().position(|(_, _, place, _)| Some(&***place) == path);
        let (tree, prefix, _, map) = match (&*best, exact) {
            ([], _) => return Err(self.no_match(maps, path)),
            ([one], _) => *one,
            (several, Some(exact)) => several[exact],
            (several, None) => {
                let place = |(tree, prefix, place, _): &(usize, &String, &String, _)| TensorPlace {
                    path: (*place).clone(),
                    tensors: self.trees[*tree].below(prefix).len(),
                };
                return Err(Error::AmbiguousTensors { places: several.iter().map(place).collect() });
            }
        };
        let prefix = prefix.clone();
        Ok((self.decode(tree, &prefix)?, map))
    }

    /// The error if no dictionary has the tensors. Prefixes that other tensors do not share come
    /// first among the places.
    fn no_match(&self, maps: &[NameMap], path: Option<&str>) -> Error {
        let places = self.places();
        if let Some(path) = path
            && !self.trees.iter().any(|tree| tree.has(path))
        {
            return Error::NoTensorsAt { path: path.to_owned(), places };
        }
        let example = maps.first().and_then(|map| map.names().next()).cloned().unwrap_or_default();
        let mut prefixes = Vec::new();
        for (tree, map) in self.trees.iter().flat_map(|tree| maps.iter().map(move |map| (tree, map))) {
            let Some(name) = map.names().next() else { continue };
            let matches = |prefix: &&str| 2 * tree.find(prefix, map).len() > map.names().count();
            let found = tree.prefixes_of(name).filter(matches).take(MAX_SUGGESTED);
            prefixes.extend(
                found.map(|prefix| TensorPlace { path: tree.place(prefix), tensors: tree.below(prefix).len() }),
            );
        }
        prefixes.extend(places);
        Error::NoMatchingTensors { example, places: prefixes }
    }
}

/// Whether a place is `path` or within it.
fn is_within(place: &str, path: &str) -> bool {
    place.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl From<ForeignTensors> for ForeignFile<'_> {
    fn from(tensors: ForeignTensors) -> Self {
        let (tree, tensors) = TensorTree::of_tensors(tensors);
        Self::new(vec![tree], Content::Tensors(tensors))
    }
}
