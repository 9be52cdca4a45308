//! Reads pickles into inert values: calls are recorded, never executed.

use std::collections::HashMap;

use crate::bounds::check_limit;
use crate::error::Error;
use crate::import::pytorch::syntax_error::syntax_error;

/// Bytes of the pickle of tensors. A state dictionary takes some 200 bytes per tensor, but long
/// strings and arrays may lie beside it.
pub(super) const MAX_PICKLE: usize = 256 << 20;

/// Opcodes of a pickle. An opcode takes up to 100 bytes of memory once read.
const MAX_OPCODES: usize = 4 << 20;

/// Index of a value. Values refer to each other by index: a value may be part of several others,
/// and even of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Float, bytes or string that is not UTF-8, which no tensor needs.
    Inert,
    Tuple(Vec<Id>),
    /// List or set.
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
    objects: HashMap<Id, Object>,
    root: Id,
}

/// What a pickle gives the result of a call.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// Items of a class derived from dictionaries.
    pub(super) items: Vec<(Id, Id)>,
    /// State: usually a dictionary of attributes.
    pub(super) state: Option<Id>,
}

impl Id {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl<'a> Pickle<'a> {
    /// Reads a pickle of any protocol, of at most `limit` bytes (at most [`MAX_PICKLE`]), from the
    /// start of `bytes`. Returns it with the bytes after it.
    ///
    /// # Errors
    ///
    /// If the pickle is truncated, too long or inconsistent, or refers to a registry of extensions.
    pub(super) fn read(bytes: &'a [u8], limit: usize) -> Result<(Self, &'a [u8]), Error> {
        let rest = &bytes[..bytes.len().min(limit)];
        let mut machine = Machine {
            limit,
            rest,
            values: Vec::new(),
            objects: HashMap::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let mut opcodes = 0;
        while machine.step()? {
            opcodes += 1;
            check_limit("opcodes of the pickle", opcodes, MAX_OPCODES)?;
        }
        let root = machine.pop()?;
        let consumed = rest.len() - machine.rest.len();
        Ok((Self { values: machine.values, objects: machine.objects, root }, &bytes[consumed..]))
    }

    pub(super) fn root(&self) -> Id {
        self.root
    }

    /// The value at an index of [`values`](Self::values).
    pub(super) fn id(&self, index: usize) -> Id {
        Id(u32::try_from(index).expect("indices of values fit"))
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

    /// The items of a dictionary, also of a class derived from dictionaries.
    pub(super) fn dictionary(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.value(id) {
            Value::Dictionary(items) => Some(items),
            Value::Call(..) => self.object(id).map(|object| &*object.items).filter(|items| !items.is_empty()),
            _ => None,
        }
    }

    /// What a call's result was given.
    pub(super) fn object(&self, id: Id) -> Option<&Object> {
        self.objects.get(&id)
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
    objects: HashMap<Id, Object>,
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
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }

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
            0x8b => {
                let length = u32::from_le_bytes(self.array()?);
                let digits = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
                self.push(long(digits));
            }
            b'I' | b'L' => {
                let line = self.line()?;
                self.push(match line {
                    b"00" => Value::Boolean(false),
                    b"01" => Value::Boolean(true),
                    _ => {
                        let digits = str::from_utf8(line).unwrap_or_default();
                        digits.trim_end_matches('L').parse().map_or(Value::Inert, Value::Integer)
                    }
                });
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Inert);
            }
            b'F' => {
                self.line()?;
                self.push(Value::Inert);
            }
            b'X' | 0x8c | 0x8d => {
                // Python writes lone surrogates, which are not UTF-8.
                let text = str::from_utf8(self.bytes(opcode)?);
                self.push(text.map_or(Value::Inert, Value::Text));
            }
            b'T' | b'U' => {
                let text = str::from_utf8(self.bytes(opcode)?);
                self.push(text.map_or(Value::Inert, Value::Text));
            }
            b'S' | b'V' => {
                let line = self.line()?;
                let quoted = |quote: &[u8]| line.strip_prefix(quote)?.strip_suffix(quote);
                let text = if opcode == b'V' { Some(line) } else { quoted(b"'").or_else(|| quoted(b"\"")) };
                // Strings with escapes are not read.
                let text = text.filter(|text| !text.contains(&b'\\')).and_then(|text| str::from_utf8(text).ok());
                self.push(text.map_or(Value::Inert, Value::Text));
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                self.bytes(opcode)?;
                self.push(Value::Inert);
            }
            // A buffer outside the pickle, and that it is read-only.
            0x97 => self.push(Value::Inert),
            0x98 => {}

            b'}' => self.push(Value::Dictionary(Vec::new())),
            b']' | 0x8f => self.push(Value::List(Vec::new())),
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dictionary(Vec::new()));
                self.set_items(&items)?;
            }
            b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Value::List(items));
            }
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
            b'e' | 0x90 => {
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
            b'p' => {
                let index = self.memo_index()?;
                self.memoize(index)?;
            }
            b'g' => {
                let index = self.memo_index()?;
                self.recall(index)?;
            }
            b'h' => {
                let [index] = self.array()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?);
                self.recall(index)?;
            }

            b'c' => self.named_global()?,
            0x93 => self.global()?,
            b'P' => {
                let id = str::from_utf8(self.line()?);
                self.push(id.map_or(Value::Inert, Value::Text));
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            // With keyword arguments.
            0x92 => {
                let (_, arguments, function) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            // A class and its arguments after a mark, the class in the opcode or after the mark.
            b'i' => {
                let arguments = self.pop_mark()?;
                self.push(Value::Tuple(arguments));
                self.named_global()?;
                let (function, arguments) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            b'o' => {
                let mut arguments = self.pop_mark()?;
                if arguments.is_empty() {
                    return Err(inconsistent());
                }
                let function = arguments.remove(0);
                self.push(Value::Tuple(arguments));
                let arguments = self.pop()?;
                self.call(function, arguments)?;
            }
            // State of an object. That of state dictionaries is their versions.
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                if matches!(self.value(top), Value::Call(..)) {
                    self.objects.entry(top).or_default().state = Some(state);
                }
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
            0x8d | 0x8e | 0x96 => u64::from_le_bytes(self.array()?),
            _ => u64::from(u32::from_le_bytes(self.array()?)),
        };
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Result<&'a [u8], Error> {
        let length = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| truncated(self.limit))?;
        let line = self.take(length)?;
        self.take(1)?;
        Ok(line)
    }

    fn memo_index(&mut self) -> Result<u32, Error> {
        str::from_utf8(self.line()?).ok().and_then(|index| index.parse().ok()).ok_or_else(inconsistent)
    }

    /// A class or function whose module and name are in the opcode.
    fn named_global(&mut self) -> Result<(), Error> {
        for _ in 0..2 {
            let name = str::from_utf8(self.line()?).map_err(|_| inconsistent())?;
            self.push(Value::Text(name));
        }
        self.global()
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

    /// Records a call. The constructors of ordered dictionaries and of dictionaries with default
    /// values give dictionaries, in Python 2 with items from a list of pairs.
    fn call(&mut self, function: Id, arguments: Id) -> Result<(), Error> {
        let constructor = match self.value(function) {
            Value::Global(module, name) => match (self.value(*module), self.value(*name)) {
                (Value::Text("collections"), Value::Text(name @ ("OrderedDict" | "defaultdict"))) => Some(*name),
                _ => None,
            },
            _ => None,
        };
        let value = match (constructor, self.value(arguments)) {
            (Some("OrderedDict"), Value::Tuple(arguments)) if arguments.len() == 1 => {
                // The list is moved out, so that a hostile file cannot have it copied over and over.
                let list = arguments[0];
                let Value::List(list) = &mut self.values[list.0 as usize] else { return Err(inconsistent()) };
                let list = std::mem::take(list);
                let pair = |id: &Id| match self.value(*id) {
                    Value::List(pair) | Value::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
                    _ => Err(inconsistent()),
                };
                Value::Dictionary(list.iter().map(pair).collect::<Result<_, _>>()?)
            }
            (Some(_), _) => Value::Dictionary(Vec::new()),
            (None, _) => Value::Call(function, arguments),
        };
        self.push(value);
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), Error> {
        let (pairs, []) = items.as_chunks() else { return Err(inconsistent()) };
        let top = self.top()?;
        let items = match &mut self.values[top.0 as usize] {
            Value::Dictionary(items) => items,
            Value::Call(..) => &mut self.objects.entry(top).or_default().items,
            _ => return Err(inconsistent()),
        };
        items.extend(pairs.iter().map(|&[key, value]| (key, value)));
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
