//! Networks of OpenVINO: an XML file that describes layers, and a file of the bytes of their constants.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::foreign_tensors::{FloatType, ForeignTensors};
use crate::Error;
use crate::plan::at_most;

/// Limits on what the XML file may ask for. It is read tag by tag.
mod limit {
    pub(super) const XML: usize = 1 << 26;
    pub(super) const DEPTH: usize = 64;
    /// Constants may share their bytes, but not so often that a small file becomes a large one.
    pub(super) const SHARED: usize = 1 << 20;
}

/// An open element of the XML file.
enum Element {
    /// A layer that is a constant, until its `data` is read.
    Constant(String),
    /// A constant whose `data` is read.
    Read(String),
    /// Anything else.
    Other,
}

impl ForeignTensors {
    /// Reads the constants of an OpenVINO network, versions 10 and 11 of its format, from its two files: f16, bf16, f32 and
    /// f64 become `f32`; integers and truth values are none of a network's numbers, and are only named. The names are those
    /// of the constants' own layers: a constant in half precision has a layer behind it that converts it, of another name.
    ///
    /// ```text
    /// <layer name="conv1/weights" type="Const"><data element_type="f32" shape="64,3,3,3" offset="8" size="6912"/></layer>
    /// ```
    ///
    /// # Errors
    ///
    /// If the first file is not such XML, or has a document type; if a constant has no data or more than one, another element
    /// type, another size than its shape asks for, or bytes that are not in the second file; if constants share their bytes
    /// more than twice over.
    pub fn from_openvino(xml: &[u8], bin: &[u8]) -> Result<Self, Error> {
        at_most("bytes of XML", xml.len(), limit::XML)?;
        let mut reader = Reader::from_str(str::from_utf8(xml).map_err(syntax)?);
        reader.config_mut().expand_empty_elements = true;
        let (mut tensors, mut open, mut found_net, mut total) = (Self::default(), Vec::new(), false, 0);
        loop {
            match reader.read_event().map_err(syntax)? {
                Event::Start(tag) => {
                    at_most("XML elements within each other", open.len() + 1, limit::DEPTH)?;
                    let mut element = Element::Other;
                    match (tag.name().as_ref(), open.last_mut()) {
                        ("net", None) if !found_net => {
                            found_net = true;
                            let version = attribute(&tag, "version")?.unwrap_or_default();
                            if version != "10" && version != "11" {
                                return Err(syntax(format_args!("its version is {version:?}, not 10 or 11")));
                            }
                        }
                        (name, None) => return Err(syntax(format_args!("{name} where one net was expected"))),
                        ("layer", _) if attribute(&tag, "type")?.as_deref() == Some("Const") => {
                            let name = attribute(&tag, "name")?.ok_or_else(|| syntax("a constant without a name"))?;
                            element = Element::Constant(name);
                        }
                        ("data", Some(layer)) => match std::mem::replace(layer, Element::Other) {
                            Element::Constant(name) => {
                                total += tensors.constant(name.clone(), &tag, bin)?;
                                at_most("bytes of constants", total, 2 * bin.len() + limit::SHARED)?;
                                *layer = Element::Read(name);
                            }
                            Element::Read(name) => {
                                let reason = "it has data more than once".to_owned();
                                return Err(Error::MalformedTensor { name, reason });
                            }
                            Element::Other => {}
                        },
                        _ => {}
                    }
                    open.push(element);
                }
                Event::End(_) => {
                    if let Some(Element::Constant(name)) = open.pop() {
                        return Err(Error::MalformedTensor { name, reason: "it has no data".to_owned() });
                    }
                }
                Event::DocType(_) => return Err(syntax("it has a document type, which networks have not")),
                Event::Eof => break,
                _ => {}
            }
        }
        if !found_net || !open.is_empty() {
            return Err(syntax("it ends before its net does"));
        }
        Ok(tensors)
    }

    /// Takes in a constant; returns its length in bytes.
    fn constant(&mut self, name: String, data: &BytesStart<'_>, bin: &[u8]) -> Result<usize, Error> {
        let malformed = |reason: String| Error::MalformedTensor { name: name.clone(), reason };
        let field = |field: &str| attribute(data, field)?.ok_or_else(|| malformed(format!("its data has no {field}")));
        let number = |text: &str| text.trim().parse().map_err(|_| malformed(format!("{text:?} is not a length")));
        let (element, shape) = (field("element_type")?, field("shape")?);
        let (offset, size): (usize, usize) = (number(&field("offset")?)?, number(&field("size")?)?);
        let bytes = offset.checked_add(size).and_then(|end| bin.get(offset..end)).ok_or_else(|| {
            malformed(format!("its {size} bytes from {offset} on are not within the {} of the other file", bin.len()))
        })?;
        let float = match &*element {
            "f16" => FloatType::F16,
            "bf16" => FloatType::BF16,
            "f32" => FloatType::F32,
            "f64" => FloatType::F64,
            "boolean" | "i4" | "i8" | "i16" | "i32" | "i64" | "u1" | "u2" | "u3" | "u4" | "u6" | "u8" | "u16"
            | "u32" | "u64" => {
                self.insert_other(name, element)?;
                return Ok(0);
            }
            _ => return Err(malformed(format!("its element type {element} is not read"))),
        };
        let shape = shape.trim();
        let sides =
            if shape.is_empty() { Vec::new() } else { shape.split(',').map(number).collect::<Result<_, _>>()? };
        self.insert(name, sides, float, bytes)?;
        Ok(size)
    }
}

/// An attribute, which may not be there twice. Only the one asked for is looked at, since to compare all with each other
/// takes time that grows with the square of their number.
fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, Error> {
    let mut found = None;
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(syntax)?;
        if attribute.key.as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(syntax)?;
            if found.replace(value.into_owned()).is_some() {
                return Err(syntax(format_args!("an element has the attribute {name} twice")));
            }
        }
    }
    Ok(found)
}

fn syntax(reason: impl ToString) -> Error {
    Error::ForeignSyntax { format: "OpenVINO", reason: reason.to_string() }
}
