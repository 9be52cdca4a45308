//! What the pages that one looks at have in common: one HTML file each that opens anywhere, without scripts.

mod thumbnail;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) use thumbnail::{Room, Thumbnail};

/// The longest name that is shown, in characters.
pub(crate) const NAME: usize = 120;

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

/// The end of a long name, since its start is the same for many; at most `most` characters.
pub(crate) fn shortened(name: &str, most: usize) -> String {
    match name.chars().count() {
        length if length > most => format!("…{}", name.chars().skip(length - most + 1).collect::<String>()),
        _ => name.to_owned(),
    }
}

/// "1 pair", "2 pairs", "12,345 pairs".
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number with its digits in threes.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_lose_their_start() {
        assert_eq!(shortened("s31/4.pgm", 22), "s31/4.pgm");
        assert_eq!(shortened("somebody/0001.jpg", 9), "…0001.jpg");
    }

    #[test]
    fn digits_are_in_threes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
