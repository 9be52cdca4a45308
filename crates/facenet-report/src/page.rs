//! What all pages share: a self-contained HTML file without scripts.

pub(crate) mod text;
pub(crate) mod thumbnail;

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A page with its style sheet.
pub(crate) fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "FaceNet: " (title) }
                style { (PreEscaped(include_str!("page/style.css"))) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// A line of a run card.
pub(crate) struct Fact {
    name: &'static str,
    value: Value,
}

enum Value {
    Text(String),
    Code(String),
}

impl Fact {
    /// A value in words.
    pub(crate) fn text(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: Value::Text(value.into()) }
    }

    /// A value that is set as code.
    pub(crate) fn code(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: Value::Code(value.into()) }
    }
}

/// The list of a run card.
pub(crate) fn facts(facts: &[Fact]) -> Markup {
    html! {
        dl {
            @for Fact { name, value } in facts {
                dt { (name) }
                dd { @match value { Value::Text(text) => (text), Value::Code(code) => code { (code) } } }
            }
        }
    }
}

/// The last line of a page.
pub(crate) fn privacy_notice() -> Markup {
    html! { p.order { "This page contains photos of people. Share it only with those who may see them." } }
}
