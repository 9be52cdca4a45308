//! Antialiased shapes in exactly rounded arithmetic.
//!
//! A shape is an implicit function `f` that is 1 on its edge. Near the edge `(f - 1) / |gradient
//! f|` is the signed distance. A ramp one pixel wide across it gives a sharp edge, a wider ramp a
//! soft one. The functions are polynomials, so the only irrational operation is the square root.

/// Coverage of a pixel at signed distance `distance` from an edge (negative inside) that is
/// `softness` wide.
#[inline(always)]
pub(super) fn edge(distance: f32, softness: f32) -> f32 {
    (0.5 - distance / softness).clamp(0.0, 1.0)
}

/// Signed distance to an axis-aligned ellipse at the origin, exact to first order at its edge.
#[inline(always)]
pub(super) fn ellipse(x: f32, y: f32, [a, b]: [f32; 2]) -> f32 {
    squircle(x, y, [a, b], 0.0)
}

/// Signed distance to a squircle, from an ellipse at `squareness` 0 to a rectangle at 1.
///
/// ```text
/// f = X^2 + Y^2 - squareness X^2 Y^2,   X = x / a,  Y = y / b
/// ```
#[inline(always)]
pub(super) fn squircle(x: f32, y: f32, [a, b]: [f32; 2], squareness: f32) -> f32 {
    let (x, y) = (x / a, y / b);
    let (xx, yy) = (x * x, y * y);
    // Outside the bounding rectangle the polynomial would curve inwards again.
    let (cx, cy) = (1.0 - squareness * yy.min(1.0), 1.0 - squareness * xx.min(1.0));
    let f = xx + yy - squareness * xx.min(1.0) * yy.min(1.0);
    let (gx, gy) = (x * cx / a, y * cy / b);
    (f - 1.0) / (2.0 * (gx * gx + gy * gy).sqrt() + 1e-6)
}

/// Signed distance to a capsule of half-width `radius` around the segment from the origin to `end`.
#[inline(always)]
pub(super) fn capsule(x: f32, y: f32, end: [f32; 2], radius: f32) -> f32 {
    let along = (x * end[0] + y * end[1]) / (end[0] * end[0] + end[1] * end[1]);
    let along = along.clamp(0.0, 1.0);
    let (dx, dy) = (x - along * end[0], y - along * end[1]);
    (dx * dx + dy * dy).sqrt() - radius
}

/// A parabolic approximation of `sin(2 pi turns)`, between -1 and 1.
#[inline(always)]
pub(super) fn wave(turns: f32) -> f32 {
    let phase = turns - ((turns + 4096.5) as i32 - 4096) as f32;
    8.0 * phase * (1.0 - 2.0 * phase.abs())
}

/// 0 below `low`, 1 above `high`, linear between.
#[inline(always)]
pub(super) fn ramp(value: f32, low: f32, high: f32) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

/// Linear interpolation: `a` at `t` = 0, `b` at `t` = 1.
#[inline(always)]
pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// [`lerp`] of each channel.
#[inline(always)]
pub(super) fn lerp_color(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [lerp(a[0], b[0], t), lerp(a[1], b[1], t), lerp(a[2], b[2], t)]
}

/// Brightens (`gain` above 1) or darkens a color.
#[inline(always)]
pub(super) fn scale_color(color: [f32; 3], gain: f32) -> [f32; 3] {
    color.map(|channel| channel * gain)
}
