//! The names of tensors in nested dictionaries.

use std::collections::BTreeMap;

use crate::import::foreign_tensors::{DecodedTensor, ForeignTensors};
use crate::import::name_map::NameMap;

/// Segments of a prefix that all tensors share which are tried one after the other.
const MAX_SHARED: usize = 8;

/// Tensors in dictionaries within each other, named by their keys joined by dots.
#[derive(Debug, Default)]
pub(super) struct TensorTree {
    /// Where the outermost dictionary is: empty for the whole file, else for example `models[0]`.
    pub(super) path: String,
    /// Sorted by name.
    pub(super) entries: Vec<TensorEntry>,
    /// Number of tensors in each dictionary, without those of dictionaries within, by the prefix of
    /// their names: empty, or with a final dot.
    pub(super) dictionaries: BTreeMap<String, usize>,
}

/// A tensor.
#[derive(Clone, Debug)]
pub(super) struct TensorEntry {
    pub(super) name: String,
    pub(super) kind: ElementKind,
    /// Where the file's reader keeps it.
    pub(super) index: usize,
}

/// Whether a tensor may hold weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementKind {
    Float,
    /// Integers and booleans, such as counters.
    Other,
}

impl TensorTree {
    /// The tree of a file without dictionaries, and its tensors by the indices of the entries.
    pub(super) fn of_tensors(tensors: ForeignTensors) -> (Self, Vec<Option<DecodedTensor>>) {
        let (mut tree, mut decoded) = (Self::default(), Vec::new());
        let mut add = |name, kind, tensor| {
            tree.entries.push(TensorEntry { name, kind, index: decoded.len() });
            decoded.push(Some(tensor));
        };
        for (name, tensor) in tensors.tensors {
            add(name, ElementKind::Float, DecodedTensor::Float(tensor));
        }
        for (name, element) in tensors.non_float {
            add(name, ElementKind::Other, DecodedTensor::Other(element));
        }
        tree.sort();
        tree.dictionaries.insert(String::new(), tree.entries.len());
        (tree, decoded)
    }

    pub(super) fn sort(&mut self) {
        self.entries.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// The same without some segments of names; `None` if no name has any.
    pub(super) fn without_segments(&self, segments: &[&str]) -> Option<Self> {
        let has = |entry: &TensorEntry| entry.name.split('.').any(|segment| segments.contains(&segment));
        if !self.entries.iter().any(has) {
            return None;
        }
        let without = |name: &str| {
            let kept: Vec<_> = name.split('.').filter(|segment| !segments.contains(segment)).collect();
            kept.join(".")
        };
        let entries = self.entries.iter().map(|entry| TensorEntry { name: without(&entry.name), ..entry.clone() });
        // They are listed under their own names.
        let dictionaries = self.dictionaries.keys().map(|prefix| (without(prefix), 0)).collect();
        let mut tree = Self { path: self.path.clone(), entries: entries.collect(), dictionaries };
        tree.sort();
        Some(tree)
    }

    /// The tensors whose names have a prefix.
    pub(super) fn below(&self, prefix: &str) -> &[TensorEntry] {
        let start = self.entries.partition_point(|entry| *entry.name < *prefix);
        let rest = &self.entries[start..];
        &rest[..rest.partition_point(|entry| entry.name.starts_with(prefix))]
    }

    /// The path of the tensors with a prefix, as in a message.
    pub(super) fn place(&self, prefix: &str) -> String {
        let prefix = prefix.strip_suffix('.').unwrap_or(prefix);
        match (&*self.path, prefix) {
            ("", "") => ".".to_owned(),
            ("", path) | (path, "") => path.to_owned(),
            (path, prefix) => format!("{path}.{prefix}"),
        }
    }

    /// The prefix of the tensors at a place, if it can be in this tree.
    pub(super) fn prefix_of(&self, path: &str) -> Option<String> {
        if path == self.path || self.path.is_empty() && path == "." {
            return Some(String::new());
        }
        let rest = if self.path.is_empty() { path } else { path.strip_prefix(&*self.path)?.strip_prefix('.')? };
        Some(format!("{rest}."))
    }

    /// Whether there are tensors at a place.
    pub(super) fn has(&self, path: &str) -> bool {
        self.prefix_of(path).is_some_and(|prefix| !self.below(&prefix).is_empty())
    }

    /// The prefixes of dictionaries, and of the place `path`, with more than half of `fewest` tensors,
    /// and for each of them the longer ones that all their floating-point tensors share.
    pub(super) fn prefixes(&self, fewest: usize, path: Option<&str>) -> Vec<String> {
        let (mut prefixes, path) = (Vec::new(), path.and_then(|path| self.prefix_of(path)));
        for prefix in self.dictionaries.keys().chain(&path) {
            let below = self.below(prefix);
            if below.is_empty() || below.len() <= fewest / 2 {
                continue;
            }
            prefixes.push(prefix.clone());
            let mut floats = below.iter().filter(|entry| entry.kind == ElementKind::Float);
            let Some(first) = floats.next() else { continue };
            // Of sorted names, the first and the last share what all of them share.
            let last = floats.next_back().unwrap_or(first);
            let shared = first.name.bytes().zip(last.name.bytes()).take_while(|(one, other)| one == other).count();
            let dots = first.name.bytes().enumerate().take(shared).skip(prefix.len());
            let ends = dots.filter(|(_, byte)| *byte == b'.').map(|(at, _)| at + 1).take(MAX_SHARED);
            prefixes.extend(ends.map(|end| first.name[..end].to_owned()));
        }
        prefixes.sort();
        prefixes.dedup();
        prefixes
    }

    /// The prefixes with which there is a tensor `name`.
    pub(super) fn prefixes_of(&self, name: &str) -> impl Iterator<Item = &str> {
        let prefixes = self.entries.iter().filter_map(move |entry| entry.name.strip_suffix(name));
        prefixes.filter(|prefix| prefix.ends_with('.'))
    }

    /// Where the file's reader keeps those tensors with a prefix that a map names.
    pub(super) fn find(&self, prefix: &str, map: &NameMap) -> Vec<usize> {
        let (below, mut full) = (self.below(prefix), String::new());
        let find = |name: &String| {
            full.clear();
            full.push_str(prefix);
            full.push_str(name);
            let found = below.binary_search_by(|entry| entry.name.cmp(&full)).ok()?;
            Some(below[found].index)
        };
        map.names().filter_map(find).collect()
    }
}
