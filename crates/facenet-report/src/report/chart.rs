//! Charts: axes, ticks, paths.

use std::fmt::Write;

use maud::{Markup, html};

/// Width of a chart, in units of which the text is 12 high.
pub(super) const WIDTH: f64 = 440.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 14.0;

/// A range of values along one side of a chart.
pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// A chart with two axes.
pub(super) struct Chart {
    height: f64,
    x: Axis,
    y: Axis,
}

impl Chart {
    /// Creates a chart with a height in units of [`WIDTH`].
    pub(super) fn new(height: f64, x: Axis, y: Axis) -> Self {
        Self { height, x, y }
    }

    pub(super) fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * position(&self.x, value)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.bottom() - (self.bottom() - TOP) * position(&self.y, value)
    }

    fn bottom(&self) -> f64 {
        self.height - BOTTOM
    }

    /// The axes with `content` between them; `title` describes the chart to those who can't see it.
    pub(super) fn draw(&self, title: &str, content: &Markup) -> Markup {
        let (x_ticks, y_ticks) = (ticks(self.x.from, self.x.to, 6), ticks(self.y.from, self.y.to, 5));
        html! {
            svg.chart role="img" aria-label=(title) viewBox=(format!("0 0 {WIDTH} {}", self.height)) {
                @for &(value, ref label) in &y_ticks {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(coordinate(self.y(value))) y2=(coordinate(self.y(value))) {}
                    text.tick x=(LEFT - 6.0) y=(coordinate(self.y(value) + 4.0)) text-anchor="end" { (label) }
                }
                @for &(value, ref label) in &x_ticks {
                    line.grid x1=(coordinate(self.x(value))) x2=(coordinate(self.x(value))) y1=(self.bottom()) y2=(self.bottom() + 4.0) {}
                    text.tick x=(coordinate(self.x(value))) y=(self.bottom() + 17.0) text-anchor="middle" { (label) }
                }
                (content)
                line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(self.bottom()) y2=(self.bottom()) {}
                text.axis-label x=(coordinate((LEFT + WIDTH - RIGHT) / 2.0)) y=(self.height - 6.0) text-anchor="middle" { (self.x.label) }
                text.axis-label transform=(format!("translate(12 {}) rotate(-90)", coordinate((TOP + self.bottom()) / 2.0))) text-anchor="middle" {
                    (self.y.label)
                }
            }
        }
    }

    /// The path through points, without consecutive duplicates at the resolution of the chart.
    pub(super) fn path(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        let mut last = None;
        for (x, y) in points {
            let point = (coordinate(self.x(x)), coordinate(self.y(y)));
            if last.as_ref() == Some(&point) {
                continue;
            }
            let _ = write!(path, "{}{} {}", if last.is_none() { 'M' } else { 'L' }, point.0, point.1);
            last = Some(point);
        }
        path
    }
}

/// The position of a value on an axis: 0 at its start, 1 at its end.
fn position(axis: &Axis, value: f64) -> f64 {
    ((value - axis.from) / (axis.to - axis.from)).clamp(0.0, 1.0)
}

/// A coordinate rounded to tenths.
pub(super) fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// About `count` round values from `from` to `to`, with their labels.
pub(super) fn ticks(from: f64, to: f64, count: usize) -> Vec<(f64, String)> {
    let rough = (to - from) / count as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return Vec::new();
    }
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * 0.999).unwrap_or(10.0);
    let step = factor * power;
    let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let first = (from / step - 1e-9).ceil();
    (0..=2 * count)
        .map(|index| (first + index as f64) * step)
        .take_while(|&value| value <= to + step * 1e-9)
        .map(|value| (value, label(if value == 0.0 { 0.0 } else { value }, step, decimals)))
        .collect()
}

/// A short label: thousands as `20k`, small values as `2e-5`.
fn label(value: f64, step: f64, decimals: usize) -> String {
    match decimals {
        _ if step >= 1000.0 => format!("{}k", value / 1000.0),
        _ if decimals > 4 && value != 0.0 => format!("{value:.0e}"),
        _ if decimals > 4 => "0".to_owned(),
        _ => format!("{value:.decimals$}"),
    }
}

/// The smallest round value that is at least `value`: the end of an axis.
pub(super) fn round_up(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|&step| step >= value * 0.9999).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_values_on_the_axis() {
        let labels =
            |from, to, count| -> Vec<String> { ticks(from, to, count).into_iter().map(|tick| tick.1).collect() };
        assert_eq!(labels(0.0, 4.0, 5), ["0", "1", "2", "3", "4"]);
        assert_eq!(labels(0.0, 0.3, 5), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(0.0, 900.0, 6), ["0", "200", "400", "600", "800"]);
        assert_eq!(labels(-0.1, 0.1, 4), ["-0.10", "-0.05", "0.00", "0.05", "0.10"]);
        assert_eq!(labels(0.0, 6e6, 3), ["0k", "2000k", "4000k", "6000k"]);
        assert_eq!(labels(0.0, 4e-5, 2), ["0", "2e-5", "4e-5"]);
        assert!(labels(1.0, 1.0, 5).is_empty() && labels(0.0, f64::NAN, 5).is_empty());
    }

    #[test]
    fn an_axis_ends_at_a_round_value() {
        assert_eq!([0.0, 0.19, 0.2, 3.1, 97.0, 1.0].map(round_up), [1.0, 0.2, 0.2, 4.0, 100.0, 1.0]);
    }

    #[test]
    fn a_path_skips_duplicate_points() {
        let axis = |to| Axis { label: "", from: 0.0, to };
        let chart = Chart::new(100.0, axis(1.0), axis(1.0));
        let path = chart.path([(0.0, 0.0), (0.000_01, 0.0), (1.0, 1.0), (2.0, 9.0)]);
        assert_eq!(path, "M52 60L426 14");
    }
}
