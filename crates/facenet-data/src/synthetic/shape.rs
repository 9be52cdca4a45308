//! Antialiased shapes: how much of a pixel lies inside, from exactly rounded arithmetic alone.
//!
//! A shape is an implicit function `f` that is 1 on its edge. Near the edge, `(f - 1) / |gradient f|` is the signed
//! distance; a ramp of one pixel across it gives
//! the edge, a wider ramp a soft one. The functions are polynomials, so a square root is all that is needed.

/// The part of a pixel inside an edge at signed distance `distance` (negative inside) for an edge `softness` wide.
#[inline(always)]
pub(super) fn edge(distance: f32, softness: f32) -> f32 {
    (0.5 - distance / softness).clamp(0.0, 1.0)
}

/// The signed distance to an axis-aligned ellipse at the origin, exact to first order at its edge.
#[inline(always)]
pub(super) fn ellipse(x: f32, y: f32, [a, b]: [f32; 2]) -> f32 {
    squircle(x, y, [a, b], 0.0)
}

/// The signed distance to an ellipse whose corners are filled up to a rectangle as `squareness` goes from 0 to 1.
///
/// ```text
/// f = X^2 + Y^2 - squareness X^2 Y^2,   X = x / a,  Y = y / b
/// ```
#[inline(always)]
pub(super) fn squircle(x: f32, y: f32, [a, b]: [f32; 2], squareness: f32) -> f32 {
    let (x, y) = (x / a, y / b);
    let (xx, yy) = (x * x, y * y);
    // Beyond the enclosing rectangle the polynomial would turn inwards again.
    let (cx, cy) = (1.0 - squareness * yy.min(1.0), 1.0 - squareness * xx.min(1.0));
    let f = xx + yy - squareness * xx.min(1.0) * yy.min(1.0);
    let (gx, gy) = (x * cx / a, y * cy / b);
    (f - 1.0) / (2.0 * (gx * gx + gy * gy).sqrt() + 1e-6)
}

/// The signed distance to a segment from the origin to `end`, `radius` thick.
#[inline(always)]
pub(super) fn capsule(x: f32, y: f32, end: [f32; 2], radius: f32) -> f32 {
    let along = (x * end[0] + y * end[1]) / (end[0] * end[0] + end[1] * end[1]);
    let along = along.clamp(0.0, 1.0);
    let (dx, dy) = (x - along * end[0], y - along * end[1]);
    (dx * dx + dy * dy).sqrt() - radius
}

/// A smooth wave of period 1 through the origin, between -1 and 1: parabolas in place of a sine.
#[inline(always)]
pub(super) fn wave(turns: f32) -> f32 {
    let phase = turns - ((turns + 4096.5) as i32 - 4096) as f32;
    8.0 * phase * (1.0 - 2.0 * phase.abs())
}

/// 0 below `low`, 1 above `high`, a straight ramp between.
#[inline(always)]
pub(super) fn ramp(value: f32, low: f32, high: f32) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

/// `a` for `t` = 0, `b` for `t` = 1.
#[inline(always)]
pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// [`mix`] for colours.
#[inline(always)]
pub(super) fn mix_colour(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)]
}

/// A colour made brighter (above 1) or darker.
#[inline(always)]
pub(super) fn tint(colour: [f32; 3], gain: f32) -> [f32; 3] {
    colour.map(|channel| channel * gain)
}
