//! Finds the named tensors of a pickle, in dictionaries and modules at any depth.

use std::collections::{BTreeMap, BTreeSet};

use crate::bounds::check_limit;
use crate::error::Error;
use crate::import::pytorch::PytorchFile;
use crate::import::pytorch::pickle::{Id, Value};
use crate::import::tensor_tree::{TensorEntry, TensorTree};

/// Dictionaries, lists and objects within each other. What lies deeper is passed over.
const MAX_DEPTH: usize = 32;

/// Bytes of a tensor's name with the keys of the dictionaries that it is in. Tensors with longer
/// names are passed over.
const MAX_NAME: usize = 1 << 10;

const MAX_TENSORS: usize = 1 << 16;

/// A walk through the values of a pickle. Each value is visited once, however often the pickle
/// refers to it.
pub(in crate::import) struct TensorSearch<'f, 'a> {
    file: &'f PytorchFile<'a>,
    /// By the index of the value.
    visited: Vec<bool>,
    /// By path.
    trees: BTreeMap<String, TensorTree>,
    tensors: usize,
    /// Path of the present tree.
    path: String,
    /// Prefix of names in the present dictionary.
    prefix: String,
    /// Lengths of the prefixes of the dictionaries that the present one is in, from the tree's
    /// outermost to itself.
    dictionaries: Vec<usize>,
}

impl<'f, 'a> TensorSearch<'f, 'a> {
    /// The named tensors of a file.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`].
    pub(in crate::import) fn run(file: &'f PytorchFile<'a>) -> Result<Vec<TensorTree>, Error> {
        let mut search = Self {
            file,
            visited: vec![false; file.pickle.values().len()],
            trees: BTreeMap::new(),
            tensors: 0,
            path: String::new(),
            prefix: String::new(),
            dictionaries: Vec::new(),
        };
        search.visit(file.pickle.root(), 0)?;
        let mut trees: Vec<_> = search.trees.into_values().collect();
        trees.iter_mut().for_each(TensorTree::sort);
        Ok(trees)
    }

    fn visit(&mut self, id: Id, depth: usize) -> Result<(), Error> {
        let pickle = &self.file.pickle;
        let long = self.path.len() + self.prefix.len() > MAX_NAME;
        if long || depth > MAX_DEPTH || !self.has_parts(id) || !self.enter_value(id) {
            return Ok(());
        }
        match pickle.value(id) {
            Value::Dictionary(items) => self.visit_dictionary(items, depth),
            Value::List(items) | Value::Tuple(items) => self.visit_list(items, depth),
            Value::Call(_, arguments) if self.file.tensor_function(id).is_none() => {
                if let Some(parts) = self.module(id) {
                    self.dictionaries.push(self.prefix.len());
                    self.visit_module(&parts, depth)?;
                    self.dictionaries.pop();
                    return Ok(());
                }
                self.visit(*arguments, depth + 1)?;
                if let Some(object) = pickle.object(id) {
                    self.visit_dictionary(&object.items, depth)?;
                    if let Some(state) = object.state {
                        self.visit(state, depth + 1)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a value may have tensors within.
    fn has_parts(&self, id: Id) -> bool {
        match self.file.pickle.value(id) {
            Value::Dictionary(items) => !items.is_empty(),
            Value::List(items) | Value::Tuple(items) => !items.is_empty(),
            value => matches!(value, Value::Call(..)),
        }
    }

    /// Marks a value as visited. Returns false if it is already.
    fn enter_value(&mut self, id: Id) -> bool {
        !std::mem::replace(&mut self.visited[id.index()], true)
    }

    fn visit_dictionary(&mut self, items: &'f [(Id, Id)], depth: usize) -> Result<(), Error> {
        self.dictionaries.push(self.prefix.len());
        for &(key, value) in items {
            match self.file.pickle.value(key) {
                Value::Text(key) if self.file.tensor_function(value).is_some() => self.add(key, value)?,
                Value::Text(key) => self.visit_in(key, value, depth)?,
                // Such as the state of optimizers, by the number of a parameter.
                Value::Integer(key) => self.visit_apart(key, value, depth)?,
                _ => {}
            }
        }
        self.dictionaries.pop();
        Ok(())
    }

    fn visit_list(&mut self, items: &'f [Id], depth: usize) -> Result<(), Error> {
        items.iter().enumerate().try_for_each(|(index, item)| self.visit_apart(index, *item, depth))
    }

    /// The dictionaries of parameters, buffers and modules within a module, if the value is one.
    fn module(&self, id: Id) -> Option<ModuleParts<'f>> {
        let pickle = &self.file.pickle;
        let state = pickle.dictionary(pickle.object(id)?.state?)?;
        let part = |name: &str| state.iter().find(|(key, _)| pickle.text(*key) == Some(name)).map(|item| item.1);
        let dictionary = |name| part(name).and_then(|id| pickle.dictionary(id));
        let tensors = [dictionary("_parameters")?, dictionary("_buffers").unwrap_or_default()];
        Some(ModuleParts {
            tensors,
            modules: dictionary("_modules")?,
            // A set, in protocols before 4 a call with a list.
            not_saved: part("_non_persistent_buffers_set").map_or(&[], |set| match pickle.value(set) {
                Value::List(names) => names,
                Value::Call(_, arguments) => match pickle.tuple(*arguments) {
                    Some([list]) if let Value::List(names) = pickle.value(*list) => names,
                    _ => &[],
                },
                _ => &[],
            }),
        })
    }

    /// Visits a module as its `state_dict` would be.
    fn visit_module(&mut self, parts: &ModuleParts<'f>, depth: usize) -> Result<(), Error> {
        let pickle = &self.file.pickle;
        let not_saved: BTreeSet<_> = parts.not_saved.iter().filter_map(|name| pickle.text(*name)).collect();
        for &(key, value) in parts.tensors.into_iter().flatten() {
            if let Some(key) = pickle.text(key)
                && self.file.tensor_function(value).is_some()
                && !not_saved.contains(key)
            {
                self.add(key, value)?;
            }
        }
        for &(key, child) in parts.modules {
            if let Some(key) = pickle.text(key)
                && let Some(parts) = self.module(child)
                && depth < MAX_DEPTH
                && self.prefix.len() + key.len() < MAX_NAME
                && self.enter_value(child)
            {
                let length = self.enter_key(key);
                self.visit_module(&parts, depth + 1)?;
                self.prefix.truncate(length);
            }
        }
        Ok(())
    }

    /// Visits the value of a key, whose tensors are named by it.
    fn visit_in(&mut self, key: &str, value: Id, depth: usize) -> Result<(), Error> {
        if self.path.len() + self.prefix.len() + key.len() > MAX_NAME {
            return Ok(());
        }
        let length = self.enter_key(key);
        self.visit(value, depth + 1)?;
        self.prefix.truncate(length);
        Ok(())
    }

    /// Extends the prefix by a key. Returns its former length.
    fn enter_key(&mut self, key: &str) -> usize {
        let length = self.prefix.len();
        self.prefix.push_str(key);
        self.prefix.push('.');
        length
    }

    /// Visits an element that has a number in place of a name, as a tree of its own.
    fn visit_apart(&mut self, number: impl std::fmt::Display, value: Id, depth: usize) -> Result<(), Error> {
        if depth >= MAX_DEPTH || !self.has_parts(value) || self.visited[value.index()] {
            return Ok(());
        }
        let (length, dictionaries) = (self.path.len(), std::mem::take(&mut self.dictionaries));
        let prefix = std::mem::take(&mut self.prefix);
        if length > 0 && !prefix.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(prefix.strip_suffix('.').unwrap_or(&prefix));
        self.path.push_str(&format!("[{number}]"));
        self.visit(value, depth + 1)?;
        self.path.truncate(length);
        (self.prefix, self.dictionaries) = (prefix, dictionaries);
        Ok(())
    }

    fn add(&mut self, key: &str, tensor: Id) -> Result<(), Error> {
        if self.path.len() + self.prefix.len() + key.len() > MAX_NAME {
            return Ok(());
        }
        if !self.trees.contains_key(&self.path) {
            self.trees.insert(self.path.clone(), TensorTree { path: self.path.clone(), ..TensorTree::default() });
        }
        let tree = self.trees.get_mut(&self.path).expect("inserted");
        for &length in &self.dictionaries {
            let prefix = &self.prefix[..length];
            if !tree.dictionaries.contains_key(prefix) {
                tree.dictionaries.insert(prefix.to_owned(), 0);
            }
        }
        let owner = self.dictionaries.last().map_or("", |&length| &self.prefix[..length]);
        *tree.dictionaries.get_mut(owner).expect("inserted") += 1;
        let name = format!("{}{key}", self.prefix);
        let kind = self.file.element_kind(tensor);
        tree.entries.push(TensorEntry { name, kind, index: tensor.index() });
        self.tensors += 1;
        check_limit("named tensors", self.tensors, MAX_TENSORS)
    }
}

/// What the state dictionary of a module is made of.
struct ModuleParts<'f> {
    tensors: [&'f [(Id, Id)]; 2],
    modules: &'f [(Id, Id)],
    /// Names of buffers that state dictionaries do not have.
    not_saved: &'f [Id],
}
