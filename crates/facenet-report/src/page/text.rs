//! Names and figures as text.

/// Limit on the length of a name, in characters.
pub(crate) const MAX_NAME: usize = 120;

/// The last `limit` characters of a name, since long names tend to share their start.
pub(crate) fn shortened(name: &str, limit: usize) -> String {
    match name.chars().count() {
        length if length > limit => format!("…{}", name.chars().skip(length - limit + 1).collect::<String>()),
        _ => name.to_owned(),
    }
}

/// "1 pair", "2 pairs", "12,345 pairs".
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// An integer with thousands separators.
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

/// A fraction in percent; only 0 and 1 are shown as 0 % and 100 %.
pub(crate) fn percent(fraction: f64) -> String {
    let percent = 100.0 * fraction;
    match percent {
        _ if percent > 0.0 && percent < 0.1 => "less than 0.1\u{a0}%".to_owned(),
        _ if percent > 99.9 && percent < 100.0 => "more than 99.9\u{a0}%".to_owned(),
        _ if (0.1..0.95).contains(&percent) || (99.05..=99.9).contains(&percent) => format!("{percent:.1}\u{a0}%"),
        _ => format!("{percent:.0}\u{a0}%"),
    }
}

/// "1 image", "2 images".
pub(crate) fn images(number: usize) -> String {
    count(number, "image", "images")
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
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn small_fractions_are_not_zero_and_large_ones_not_all() {
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
