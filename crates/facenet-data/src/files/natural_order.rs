//! Natural sort order of names.

use std::cmp::Ordering;

/// Compares names with runs of digits compared as integers: `s2` sorts before `s10`.
///
/// This is a total order: names that differ only in leading zeros (`s2`, `s02`) are ordered by
/// their bytes. Digits are ASCII, and runs of them may be of any length.
///
/// ```
/// use facenet_data::natural_order;
///
/// let mut names = ["s10", "s2", "s1"];
/// names.sort_by(|left, right| natural_order(left, right));
/// assert_eq!(names, ["s1", "s2", "s10"]);
/// ```
pub fn natural_order(left: &str, right: &str) -> Ordering {
    natural_order_bytes(left.as_bytes(), right.as_bytes())
}

/// [`natural_order`] for names that need not be UTF-8.
pub(crate) fn natural_order_bytes(left: &[u8], right: &[u8]) -> Ordering {
    let (mut a, mut b) = (left, right);
    loop {
        let order = match (a.first(), b.first()) {
            (None, _) | (_, None) => return a.len().cmp(&b.len()).then_with(|| left.cmp(right)),
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (x, y) = (take_digits(&mut a), take_digits(&mut b));
                x.len().cmp(&y.len()).then_with(|| x.cmp(y))
            }
            (Some(x), Some(y)) => {
                let order = x.cmp(y);
                (a, b) = (&a[1..], &b[1..]);
                order
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Splits off the leading run of digits and strips its leading zeros.
fn take_digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    &digits[zeros..]
}
