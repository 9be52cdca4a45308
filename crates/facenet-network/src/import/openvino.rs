//! OpenVINO networks: an XML file that describes layers, and a binary file with their constants.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::bounds::check_limit;
use crate::error::Error;
use crate::import::foreign_tensors::{FloatType, ForeignTensors};

/// Limits on the XML file, which is read tag by tag.
mod limit {
    /// Bytes.
    pub(super) const XML: usize = 1 << 26;
    pub(super) const DEPTH: usize = 64;
    /// Constants may share bytes, but their total size must not exceed twice the size of the binary
    /// file by more than this, so that a small file does not allocate much memory.
    pub(super) const SHARED: usize = 1 << 20;
}

/// An open element of the XML file.
enum Element {
    /// A constant whose `data` has not been read yet.
    Constant(String),
    /// A constant whose `data` has been read.
    Read(String),
    /// Anything else.
    Other,
}

impl ForeignTensors {
    /// Reads the constants of an OpenVINO network, IR versions 10 and 11, from its XML and binary
    /// file. f16, bf16, f32 and f64 are converted to `f32`; of integers and booleans only names and
    /// types are kept. Names are those of the `Const` layers. (A constant in half precision is
    /// followed by a `Convert` layer of another name.)
    ///
    /// ```text
    /// <layer name="conv1/weights" type="Const"><data element_type="f32" shape="64,3,3,3" offset="8" size="6912"/></layer>
    /// ```
    ///
    /// # Errors
    ///
    /// If the XML file is malformed or has a document type declaration; if a constant does not have
    /// exactly one `data` element, or has an unsupported element type, a size that does not match
    /// its shape, or bytes outside the binary file; if the constants are more than about twice as
    /// large as the binary file.
    pub fn from_openvino(xml: &[u8], bin: &[u8]) -> Result<Self, Error> {
        check_limit("bytes of XML", xml.len(), limit::XML)?;
        let mut reader = Reader::from_str(str::from_utf8(xml).map_err(syntax)?);
        reader.config_mut().expand_empty_elements = true;
        let (mut tensors, mut open, mut found_net, mut total) = (Self::default(), Vec::new(), false, 0);
        loop {
            match reader.read_event().map_err(syntax)? {
                Event::Start(tag) => {
                    check_limit("nested XML elements", open.len() + 1, limit::DEPTH)?;
                    let mut element = Element::Other;
                    match (tag.name().as_ref(), open.last_mut()) {
                        ("net", None) if !found_net => {
                            found_net = true;
                            let version = attribute(&tag, "version")?.unwrap_or_default();
                            if version != "10" && version != "11" {
                                return Err(syntax(format_args!("the version is {version:?}, not 10 or 11")));
                            }
                        }
                        (name, None) => return Err(syntax(format_args!("found element {name} instead of net"))),
                        ("layer", _) if attribute(&tag, "type")?.as_deref() == Some("Const") => {
                            let name = attribute(&tag, "name")?.ok_or_else(|| syntax("a constant without a name"))?;
                            element = Element::Constant(name);
                        }
                        ("data", Some(layer)) => match std::mem::replace(layer, Element::Other) {
                            Element::Constant(name) => {
                                total += tensors.constant(name.clone(), &tag, bin)?;
                                check_limit("bytes of constants", total, 2 * bin.len() + limit::SHARED)?;
                                *layer = Element::Read(name);
                            }
                            Element::Read(name) => {
                                let reason = "it has more than one data element".to_owned();
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
                        return Err(Error::MalformedTensor { name, reason: "it has no data element".to_owned() });
                    }
                }
                Event::DocType(_) => return Err(syntax("document type declarations are not supported")),
                Event::Eof => break,
                _ => {}
            }
        }
        if !found_net || !open.is_empty() {
            return Err(syntax("the file ends within its net element"));
        }
        Ok(tensors)
    }

    /// Adds a constant and returns its size in bytes.
    fn constant(&mut self, name: String, data: &BytesStart<'_>, bin: &[u8]) -> Result<usize, Error> {
        let malformed = |reason: String| Error::MalformedTensor { name: name.clone(), reason };
        let field = |field: &str| {
            attribute(data, field)?.ok_or_else(|| malformed(format!("its data element has no attribute {field}")))
        };
        let number = |text: &str| text.trim().parse().map_err(|_| malformed(format!("{text:?} is not a length")));
        let (element, shape) = (field("element_type")?, field("shape")?);
        let (offset, size): (usize, usize) = (number(&field("offset")?)?, number(&field("size")?)?);
        let bytes = offset.checked_add(size).and_then(|end| bin.get(offset..end)).ok_or_else(|| {
            malformed(format!("its {size} bytes at offset {offset} exceed the {} bytes of the binary file", bin.len()))
        })?;
        let float = match &*element {
            "f16" => FloatType::F16,
            "bf16" => FloatType::BF16,
            "f32" => FloatType::F32,
            "f64" => FloatType::F64,
            "boolean" | "i4" | "i8" | "i16" | "i32" | "i64" | "u1" | "u2" | "u3" | "u4" | "u6" | "u8" | "u16"
            | "u32" | "u64" => {
                self.insert_non_float(name, element)?;
                return Ok(0);
            }
            _ => return Err(malformed(format!("element type {element} is not supported"))),
        };
        let shape = shape.trim();
        let sides =
            if shape.is_empty() { Vec::new() } else { shape.split(',').map(number).collect::<Result<_, _>>()? };
        self.insert(name, sides, float, bytes)?;
        Ok(size)
    }
}

/// The value of an attribute, which must not occur twice. Only the requested attribute is checked,
/// since checking all of them for duplicates takes quadratic time.
fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, Error> {
    let mut found = None;
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(syntax)?;
        if attribute.key.as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(syntax)?;
            if found.replace(value.into_owned()).is_some() {
                return Err(syntax(format_args!("an element has two attributes {name}")));
            }
        }
    }
    Ok(found)
}

fn syntax(reason: impl ToString) -> Error {
    Error::ForeignSyntax { format: "OpenVINO", reason: reason.to_string() }
}
