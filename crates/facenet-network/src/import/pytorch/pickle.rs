//! Reads pickles into inert values: calls are recorded, never executed.

use std::collections::HashMap;

use crate::error::Error;
use crate::import::pytorch::syntax_error::syntax_error;

/// Bytes of the pickle of tensors. A state dictionary takes some 200 bytes per tensor; a hostile
/// pickle takes some 100 times its length in memory once read.
pub(super) const MAX_PICKLE: usize = 4 << 20;

/// Index of a value. Values refer to each other by index: a value may be part of several others,
/// and even of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u32);

/// A value in a pickle.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Boolean(bool),
    Integer(i64),
    /// Integer of arbitrary length, little-endian.
    Long(&'a [u8]),
    /// String, also of Python 2.
    Text(&'a str),
    /// Float or bytes, which no tensor needs.
    Inert,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Dictionary, ordered or not.
    Dictionary(Vec<(Id, Id)>),
    /// Class or function: module and name.
    Global(Id, Id),
    /// Call of a function or constructor: callee and tuple of arguments.
    Call(Id, Id),
    /// Reference to an object outside the pickle: its persistent id.
    Persistent(Id),
}

/// A parsed pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle of at most `limit` bytes (at most [`MAX_PICKLE`]) from the start of `bytes`.
    /// Returns it with the bytes after it.
    ///
    /// # Errors
    ///
    /// If the pickle is truncated, too long or inconsistent, or has an opcode that state
    /// dictionaries do not need.
    pub(super) fn read(bytes: &'a [u8], limit: usize) -> Result<(Self, &'a [u8]), Error> {
        let rest = &bytes[..bytes.len().min(limit)];
        let mut machine =
            Machine { limit, rest, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
        while machine.step()? {}
        let root = machine.pop()?;
        let consumed = rest.len() - machine.rest.len();
        Ok((Self { values: machine.values, root }, &bytes[consumed..]))
    }

    pub(super) fn root(&self) -> Id {
        self.root
    }

    pub(super) fn values(&self) -> &[Value<'a>] {
        &self.values
    }

    pub(super) fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    pub(super) fn text(&self, id: Id) -> Option<&'a str> {
        if let Value::Text(text) = self.value(id) { Some(text) } else { None }
    }

    pub(super) fn integer(&self, id: Id) -> Option<i64> {
        if let Value::Integer(value) = self.value(id) { Some(*value) } else { None }
    }

    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        if let Value::Tuple(items) = self.value(id) { Some(items) } else { None }
    }

    pub(super) fn dictionary(&self, id: Id) -> Option<&[(Id, Id)]> {
        if let Value::Dictionary(items) = self.value(id) { Some(items) } else { None }
    }

    /// Module and name of a class or function.
    pub(super) fn global(&self, id: Id) -> Option<(&'a str, &'a str)> {
        let Value::Global(module, name) = self.value(id) else { return None };
        Some((self.text(*module)?, self.text(*name)?))
    }
}

/// The stack machine that a pickle is a program for.
struct Machine<'a> {
    limit: usize,
    rest: &'a [u8],
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Stack heights of the marks. Values below the last mark are not popped until the mark is.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Executes one opcode. Returns false at the end.
    fn step(&mut self) -> Result<bool, Error> {
        let [opcode] = self.array()?;
        match opcode {
            // Protocol version and frame length, which are ignored.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return Ok(false),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),

            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Boolean(true)),
            0x89 => self.push(Value::Boolean(false)),
            b'K' => {
                let value = i64::from(u8::from_le_bytes(self.array()?));
                self.push(Value::Integer(value));
            }
            b'M' => {
                let value = i64::from(u16::from_le_bytes(self.array()?));
                self.push(Value::Integer(value));
            }
            b'J' => {
                let value = i64::from(i32::from_le_bytes(self.array()?));
                self.push(Value::Integer(value));
            }
            0x8a => {
                let [length] = self.array()?;
                let digits = self.take(length.into())?;
                self.push(long(digits));
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Inert);
            }
            b'X' | 0x8c | 0x8d => {
                let text = self.bytes(opcode)?;
                let text =
                    str::from_utf8(text).map_err(|_| syntax_error("the pickle has a string that is not UTF-8"))?;
                self.push(Value::Text(text));
            }
            b'T' | b'U' => {
                let text = str::from_utf8(self.bytes(opcode)?);
                self.push(text.map_or(Value::Inert, Value::Text));
            }
            b'B' | b'C' => {
                self.bytes(opcode)?;
                self.push(Value::Inert);
            }

            b'}' => self.push(Value::Dictionary(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x85..=opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Value::Tuple(items));
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(&items)?;
            }

            b'q' => {
                let [index] = self.array()?;
                self.memoize(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.array()?);
                self.memoize(index)?;
            }
            0x94 => self.memoize(index(self.memo.len()))?,
            b'h' => {
                let [index] = self.array()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?);
                self.recall(index)?;
            }

            b'c' => {
                for _ in 0..2 {
                    let line = self.line()?;
                    self.push(Value::Text(line));
                }
                self.global()?;
            }
            0x93 => self.global()?,
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let value = self.call(function, arguments)?;
                self.push(value);
            }
            // State of an object. Of the supported objects only state dictionaries have any:
            // versions.
            b'b' => {
                self.pop()?;
                self.top()?;
            }
            _ => return Err(syntax_error(format_args!("pickle opcode {opcode:#04x} is not supported"))),
        }
        Ok(true)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| truncated(self.limit))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| truncated(self.limit))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Bytes preceded by their length, whose width depends on the opcode.
    fn bytes(&mut self, opcode: u8) -> Result<&'a [u8], Error> {
        let length = match opcode {
            b'C' | b'U' | 0x8c => u64::from(u8::from_le_bytes(self.array()?)),
            0x8d => u64::from_le_bytes(self.array()?),
            _ => u64::from(u32::from_le_bytes(self.array()?)),
        };
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Result<&'a str, Error> {
        let length = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| truncated(self.limit))?;
        let line = self.take(length)?;
        self.take(1)?;
        str::from_utf8(line).map_err(|_| syntax_error("the pickle has a name that is not UTF-8"))
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(Id(index(self.values.len())));
        self.values.push(value);
    }

    fn top(&self) -> Result<Id, Error> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack[floor..].last().copied().ok_or_else(inconsistent)
    }

    fn pop(&mut self) -> Result<Id, Error> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Error> {
        let floor = self.marks.pop().ok_or_else(inconsistent)?;
        Ok(self.stack.split_off(floor))
    }

    fn memoize(&mut self, index: u32) -> Result<(), Error> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), Error> {
        let value = *self.memo.get(&index).ok_or_else(inconsistent)?;
        self.stack.push(value);
        Ok(())
    }

    fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    fn global(&mut self) -> Result<(), Error> {
        let (name, module) = (self.pop()?, self.pop()?);
        let texts = matches!((self.value(module), self.value(name)), (Value::Text(_), Value::Text(_)));
        self.push(Value::Global(module, name));
        if texts { Ok(()) } else { Err(inconsistent()) }
    }

    /// Records a call. The constructor of an ordered dictionary gives a dictionary, in Python 2
    /// with items from a list of pairs.
    fn call(&mut self, function: Id, arguments: Id) -> Result<Value<'a>, Error> {
        if let Value::Global(module, name) = self.value(function)
            && let Value::Text("collections") = self.value(*module)
            && let Value::Text("OrderedDict") = self.value(*name)
        {
            let list = match self.value(arguments) {
                Value::Tuple(arguments) if arguments.is_empty() => return Ok(Value::Dictionary(Vec::new())),
                Value::Tuple(arguments) if arguments.len() == 1 => arguments[0],
                _ => return Err(inconsistent()),
            };
            // The list is moved out, so that a hostile file cannot have it copied over and over.
            let Value::List(list) = &mut self.values[list.0 as usize] else { return Err(inconsistent()) };
            let list = std::mem::take(list);
            let pair = |id: &Id| match self.value(*id) {
                Value::List(pair) | Value::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
                _ => Err(inconsistent()),
            };
            return Ok(Value::Dictionary(list.iter().map(pair).collect::<Result<_, _>>()?));
        }
        Ok(Value::Call(function, arguments))
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), Error> {
        let (pairs, []) = items.as_chunks() else { return Err(inconsistent()) };
        let top = self.top()?;
        match &mut self.values[top.0 as usize] {
            Value::Dictionary(items) => items.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Value::Call(..) => {}
            _ => return Err(inconsistent()),
        }
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), Error> {
        let top = self.top()?;
        match &mut self.values[top.0 as usize] {
            Value::List(list) => list.extend(items),
            Value::Call(..) => {}
            _ => return Err(inconsistent()),
        }
        Ok(())
    }
}

/// An integer from its bytes in two's complement, little-endian.
fn long(digits: &[u8]) -> Value<'_> {
    let negative = digits.last().is_some_and(|&digit| digit >= 0x80);
    let mut bytes = [if negative { 0xff } else { 0 }; 8];
    match bytes.get_mut(..digits.len()) {
        Some(low) => low.copy_from_slice(digits),
        None => return Value::Long(digits),
    }
    Value::Integer(i64::from_le_bytes(bytes))
}

/// Converts a count of values, each of which takes a byte of a pickle.
fn index(count: usize) -> u32 {
    u32::try_from(count).expect("a pickle is shorter than that")
}

fn truncated(limit: usize) -> Error {
    syntax_error(format_args!("the pickle is truncated or exceeds the limit of {limit} bytes"))
}

fn inconsistent() -> Error {
    syntax_error("the pickle is damaged")
}
