//! Names and figures as text.

/// The longest name that is shown, in characters.
pub(crate) const NAME: usize = 120;

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

/// A share in percent: what is neither none nor all never looks so.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        _ if percent > 0.0 && percent < 0.1 => "less than 0.1\u{a0}%".to_owned(),
        _ if percent > 99.9 && percent < 100.0 => "more than 99.9\u{a0}%".to_owned(),
        _ if (0.1..0.95).contains(&percent) || (99.05..=99.9).contains(&percent) => format!("{percent:.1}\u{a0}%"),
        _ => format!("{percent:.0}\u{a0}%"),
    }
}

/// "1 picture", "2 pictures".
pub(crate) fn pictures(number: usize) -> String {
    count(number, "picture", "pictures")
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

    #[test]
    fn some_is_not_none_and_most_is_not_all() {
        let texts = [0.0, 0.0002, 0.0062, 0.12, 0.994, 0.9996, 1.0].map(percent);
        let expected = [
            "0\u{a0}%",
            "less than 0.1\u{a0}%",
            "0.6\u{a0}%",
            "12\u{a0}%",
            "99.4\u{a0}%",
            "more than 99.9\u{a0}%",
            "100\u{a0}%",
        ];
        assert_eq!(texts, expected);
    }
}
