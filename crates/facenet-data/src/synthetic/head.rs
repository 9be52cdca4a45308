//! The head: outline, neck, ears, skin and beard.

use crate::synthetic::canvas::{BoundingBox, Canvas};
use crate::synthetic::capture::Capture;
use crate::synthetic::identity::{BeardStyle, Identity};
use crate::synthetic::shape::{edge, ellipse, lerp_color, ramp, scale_color, squircle, wave};

/// The outline of the head in the image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    width: f32,
    crown: f32,
    jaw: f32,
    taper: f32,
    square: f32,
    chin: f32,
}

impl Outline {
    pub(super) fn new(identity: &Identity, capture: &Capture) -> Self {
        let head = identity.head;
        Self {
            width: head.width,
            crown: head.crown * (1.0 - 0.25 * capture.pitch[0]),
            jaw: head.jaw * (1.0 + 0.15 * capture.pitch[0]) + 0.05 * capture.mouth_open,
            taper: head.taper,
            square: head.square,
            chin: 0.16 * capture.yaw[0],
        }
    }

    /// Signed distance from the outline.
    #[inline(always)]
    pub(super) fn distance(&self, x: f32, y: f32) -> f32 {
        let down = ramp(y, 0.0, self.jaw);
        let (height, square) = if y < 0.0 { (self.crown, 0.15) } else { (self.jaw, self.square) };
        squircle(x - self.chin * down, y, [self.width * (1.0 - self.taper * down * down), height], square)
    }

    /// The bounding box of the head.
    pub(super) fn area(&self) -> BoundingBox {
        let middle = 0.5 * (self.jaw - self.crown);
        BoundingBox {
            center: [0.5 * self.chin, middle],
            radii: [self.width + self.chin.abs() + 0.03, 0.5 * (self.jaw + self.crown) + 0.03],
        }
    }
}

/// Draws neck, shoulders and a collar around the neckline of the shirt.
pub(super) fn draw_body(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let soft = canvas.pixel();
    let (jaw, neck) = (identity.head.jaw, identity.head.width * 0.62);
    let shadow = [identity.skin[0] * 0.72, identity.skin[1] * 0.66, identity.skin[2] * 0.66];
    let shoulders = jaw + 0.16;
    let shirt = |x: f32, y: f32| squircle(x, y - shoulders - 0.9, [1.02, 0.92], 0.55);
    // Open at the top: only the lower half of the ellipse bounds the neckline.
    let opening = |x: f32, y: f32| ellipse(x, (y - shoulders + 0.12).max(0.0), [neck + 0.10, capture.collar + 0.10]);
    canvas.fill(BoundingBox { center: [0.0, jaw + 0.6], radii: [1.3, 0.7] }, capture.shirt[0], |x, y| {
        edge(shirt(x, y), soft)
    });
    canvas.fill(BoundingBox { center: [0.0, jaw], radii: [neck + 0.1, 0.5] }, shadow, |x, y| {
        let skin = squircle(x, y - jaw + 0.02, [neck, 0.34 + capture.collar * 0.4], 0.7);
        edge(skin.max(opening(x, y)), soft)
    });
    canvas.fill(BoundingBox { center: [0.0, jaw + 0.5], radii: [0.9, 0.5] }, capture.shirt[1], |x, y| {
        edge(opening(x, y).abs() - 0.03, soft) * edge(shirt(x, y), soft)
    });
}

/// Draws the ears; comes before the head, which covers their inner halves.
pub(super) fn draw_ears(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let soft = canvas.pixel();
    let inner = [identity.skin[0] * 0.80, identity.skin[1] * 0.68, identity.skin[2] * 0.66];
    for side in [-1.0, 1.0] {
        let x = side * (identity.head.width + identity.ears.stick_out) * capture.yaw[1] - 0.16 * capture.yaw[0];
        let y = identity.eyes.y + 0.10 + 0.1 * capture.pitch[0];
        let radii = [0.45 * identity.ears.size + 0.02, identity.ears.size];
        let area = BoundingBox { center: [x, y], radii: [radii[0] + 0.02, radii[1] + 0.02] };
        canvas.fill(area, scale_color(identity.skin, 0.95), |u, v| edge(ellipse(u - x, v - y, radii), soft));
        canvas.fill(area, inner, |u, v| {
            0.8 * edge(ellipse(u - x - side * 0.008, v - y + 0.01, [0.55 * radii[0], 0.62 * radii[1]]), 1.5 * soft)
        });
    }
}

/// Draws the face without its features: skin, cheeks, freckles, moles.
pub(super) fn draw_skin(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let (soft, outline, skin) = (canvas.pixel(), Outline::new(identity, capture), identity.skin);
    let rim = [skin[0] * 0.80, skin[1] * 0.70, skin[2] * 0.70];
    canvas.fill_with(outline.area(), |x, y| {
        let distance = outline.distance(x, y);
        // Slightly darker towards the edge, so that the head looks round in flat light too.
        (edge(distance, soft), lerp_color(skin, rim, 0.75 * ramp(distance, -0.16, 0.02)))
    });
    let rosy = [skin[0] * 1.02, skin[1] * 0.72, skin[2] * 0.74];
    for side in [-1.0, 1.0] {
        let at = capture.project(
            &identity.head,
            side * identity.head.width * 0.55,
            identity.eyes.y + identity.nose.length * 0.95,
            0.0,
        );
        let radii = [0.13 * at.scale[0], 0.11];
        let strength = identity.blush * 0.8;
        canvas.fill(BoundingBox { center: at.center, radii }, rosy, |x, y| {
            strength * edge(ellipse(x - at.center[0], y - at.center[1], radii) + 0.06, 0.12)
        });
    }
    if identity.freckles > 0.0 {
        for spot in 0..14 {
            // A fixed pattern over nose and cheeks.
            let (x, y) = ((spot * 5 % 14) as f32 / 13.0 - 0.5, (spot * 3 % 7) as f32 / 6.0 - 0.5);
            let (x, y) = (x * identity.head.width * 1.25, identity.eyes.y + identity.nose.length * (0.75 + 0.5 * y));
            draw_spot(canvas, identity, capture, [x, y], 0.014, 0.75 * identity.freckles);
        }
    }
    for &mole in &identity.moles {
        draw_spot(canvas, identity, capture, mole, 0.024, 1.0);
    }
}

/// Draws a small dark spot on the skin.
fn draw_spot(
    canvas: &mut Canvas,
    identity: &Identity,
    capture: &Capture,
    [x, y]: [f32; 2],
    radius: f32,
    strength: f32,
) {
    let (soft, at) = (canvas.pixel(), capture.project(&identity.head, x, y, 0.0));
    let dark = [identity.skin[0] * 0.52, identity.skin[1] * 0.40, identity.skin[2] * 0.36];
    let radii = [radius * at.scale[0], radius];
    canvas.fill(BoundingBox { center: at.center, radii: [radius + soft, radius + soft] }, dark, |u, v| {
        strength * edge(ellipse(u - at.center[0], v - at.center[1], radii), soft)
    });
}

/// Draws facial hair below the nose; the mouth comes on top.
pub(super) fn draw_beard(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let (beard, head, mouth) = (identity.beard, identity.head, identity.mouth);
    let (soft, outline) = (canvas.pixel(), Outline::new(identity, capture));
    // The center of the mouth.
    let at = capture.project(&head, 0.0, mouth.y, 0.04);
    let [cx, cy] = at.center;
    let texture = |x: f32, y: f32| scale_color(beard.color, 1.0 + 0.12 * wave(x * 14.0 + 0.4 * wave(y * 3.0)));
    match beard.style {
        BeardStyle::None => {}
        BeardStyle::Stubble | BeardStyle::Full => {
            let full = beard.style == BeardStyle::Full;
            let (strength, grow) = if full { (0.96, 0.02 + 0.10 * beard.size) } else { (0.42, 0.0) };
            let mut area = outline.area();
            area.radii[1] += grow;
            let top = cy - mouth.upper - 0.05;
            canvas.fill_with(area, |x, y| {
                let across = (x - cx) / head.width;
                // Up to the ears at the sides, under the nose in the middle.
                let line = top + 0.10 - 0.42 * across * across;
                // Down to the beard around the corners of the mouth.
                let lip = edge(mustache(x - cx, y - top, [mouth.width * 1.2, 0.055]), 2.0 * soft);
                let inside = edge(outline.distance(x, y - grow * ramp(y, cy - 0.2, cy + 0.2)), soft);
                (strength * inside * lip.max(ramp(y, line - 0.02, line + 0.03)), texture(x, y))
            });
        }
        BeardStyle::Mustache => {
            // Between the mouth and the nose, which protrudes more.
            let at = capture.project(&head, 0.0, mouth.y - mouth.upper - 0.04, 0.08);
            let ([cx, cy], radii) = (at.center, [mouth.width * (0.9 + 0.4 * beard.size), 0.045 + 0.02 * beard.size]);
            canvas.fill_with(BoundingBox { center: [cx, cy], radii: [radii[0] + 0.05, 0.2] }, |u, v| {
                (edge(mustache((u - cx) / at.scale[0], v - cy, radii), soft), texture(u, v))
            });
        }
        BeardStyle::Goatee => {
            // A ring around the lips, filled below them.
            let gap = 0.085 * capture.mouth_open;
            let (top, bottom) =
                (cy - mouth.upper - 0.07, capture.project(&head, 0.0, head.jaw * 0.97, 0.02).center[1] + gap);
            let (middle, half) = (0.5 * (top + bottom), mouth.width * (0.95 + 0.2 * beard.size) + 0.05);
            let radii = [half, 0.5 * (bottom - top) + 0.02];
            let (bare, lips) =
                (cy + 0.5 * (mouth.lower + gap - mouth.upper) + 0.01, 0.5 * (mouth.upper + mouth.lower + gap));
            let hollow = [half - 0.055, lips + 0.015];
            canvas.fill_with(
                BoundingBox { center: [cx, middle], radii: [radii[0] + 0.02, radii[1] + 0.02] },
                |u, v| {
                    let x = (u - cx) / at.scale[0];
                    let outside = 1.0 - edge(squircle(x, v - bare, hollow, 0.5), soft);
                    (edge(squircle(x, v - middle, radii, 0.6), soft) * outside, texture(u, v))
                },
            );
        }
    }
}

/// The signed distance to a mustache: an ellipse whose ends droop.
#[inline(always)]
fn mustache(x: f32, y: f32, radii: [f32; 2]) -> f32 {
    let droop = 0.09 * (x / radii[0]) * (x / radii[0]);
    ellipse(x, y - droop, radii)
}
