//! What the pages that one looks at have in common: one HTML file each that opens anywhere, without scripts.

pub(crate) mod text;
pub(crate) mod thumbnail;

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A page with its style within.
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

/// What was run: names of facts, the facts, and whether they are code.
pub(crate) fn facts(facts: &[(&str, String, bool)]) -> Markup {
    html! {
        dl {
            @for (name, fact, code) in facts {
                dt { (name) }
                dd { @if *code { code { (fact) } } @else { (fact) } }
            }
        }
    }
}

/// The last line of a page.
pub(crate) fn who_may_see_it() -> Markup {
    html! { p.order { "This page holds pictures of people: pass it on to those alone who may see them." } }
}
