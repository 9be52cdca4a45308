//! Pickles as inert values: what a pickle would call is noted, never called.

use std::collections::HashMap;

use super::syntax;
use crate::Error;

/// The longest pickle of tensors in bytes: a state dictionary takes some 200 per tensor, and a hostile one some 100 times its
/// length of memory once read.
pub(super) const LONGEST: usize = 4 << 20;

/// A value's number. Values refer to each other by number: one may be part of several, and even of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u32);

/// What a pickle holds.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Boolean(bool),
    Integer(i64),
    /// An integer of any length, little-endian.
    Long(&'a [u8]),
    /// A text, also one of Python 2.
    Text(&'a str),
    /// A number or bytes that no tensor needs.
    Inert,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// A dictionary, ordered or not.
    Dictionary(Vec<(Id, Id)>),
    /// A class or a function by the texts of its module and its name.
    Global(Id, Id),
    /// What a function would give for a tuple of arguments, or a class for those of its constructor.
    Call(Id, Id),
    /// Something outside the pickle, by what it says about it.
    Persistent(Id),
}

/// A pickle that has been read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Reads one pickle of at most `longest` bytes, [`LONGEST`] or less, from the start of `bytes` and gives what follows it.
    ///
    /// # Errors
    ///
    /// If the pickle is cut off, too long or not consistent, or if it has an opcode that state dictionaries don't need.
    pub(super) fn read(bytes: &'a [u8], longest: usize) -> Result<(Self, &'a [u8]), Error> {
        let rest = &bytes[..bytes.len().min(longest)];
        let mut machine =
            Machine { longest, rest, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
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

/// The stack machine whose program a pickle is.
struct Machine<'a> {
    longest: usize,
    rest: &'a [u8],
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack, below which nothing is taken until the mark is.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// One opcode. False at the end.
    fn step(&mut self) -> Result<bool, Error> {
        let [opcode] = self.array()?;
        match opcode {
            // Protocol and frame length, which change nothing.
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
                let text = str::from_utf8(text).map_err(|_| syntax("its pickle has a text that is not UTF-8"))?;
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
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.array()?);
                self.remember(index)?;
            }
            0x94 => self.remember(number(self.memo.len()))?,
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
                let what = self.pop()?;
                self.push(Value::Persistent(what));
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let value = self.call(function, arguments)?;
                self.push(value);
            }
            // The state of an object: of those that are understood, only what a state dictionary says about versions.
            b'b' => {
                self.pop()?;
                self.top()?;
            }
            _ => return Err(syntax(format_args!("its pickle has the opcode {opcode:#04x}, which is not read"))),
        }
        Ok(true)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| cut(self.longest))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| cut(self.longest))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Bytes after their length, whose width the opcode tells.
    fn bytes(&mut self, opcode: u8) -> Result<&'a [u8], Error> {
        let length = match opcode {
            b'C' | b'U' | 0x8c => u64::from(u8::from_le_bytes(self.array()?)),
            0x8d => u64::from_le_bytes(self.array()?),
            _ => u64::from(u32::from_le_bytes(self.array()?)),
        };
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Result<&'a str, Error> {
        let length = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| cut(self.longest))?;
        let line = self.take(length)?;
        self.take(1)?;
        str::from_utf8(line).map_err(|_| syntax("its pickle has a name that is not UTF-8"))
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(Id(number(self.values.len())));
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

    fn remember(&mut self, index: u32) -> Result<(), Error> {
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

    /// A call. That of an ordered dictionary is one, with the items that Python 2 gives it as a list of pairs.
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
            // The list is taken, so that a hostile file can't have it copied over and over.
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

/// An integer from its digits in base 256, in two's complement.
fn long(digits: &[u8]) -> Value<'_> {
    let negative = digits.last().is_some_and(|&digit| digit >= 0x80);
    let mut bytes = [if negative { 0xff } else { 0 }; 8];
    match bytes.get_mut(..digits.len()) {
        Some(low) => low.copy_from_slice(digits),
        None => return Value::Long(digits),
    }
    Value::Integer(i64::from_le_bytes(bytes))
}

/// A count of things that each took a byte of a pickle.
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a pickle is shorter than that")
}

fn cut(longest: usize) -> Error {
    syntax(format_args!("its pickle is cut off, or longer than the {longest} bytes allowed"))
}

fn inconsistent() -> Error {
    syntax("its pickle is damaged")
}
