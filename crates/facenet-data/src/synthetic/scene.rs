//! The scene around the face: background, occlusions, light.

use crate::synthetic::canvas::{BoundingBox, Canvas};
use crate::synthetic::capture::{Capture, Occlusion};
use crate::synthetic::features::draw_sunglasses;
use crate::synthetic::head::Outline;
use crate::synthetic::identity::{HairStyle, Identity};
use crate::synthetic::shape::{capsule, edge, ellipse, lerp_color, ramp, scale_color, squircle, wave};

/// Covers everything that the camera can see.
const EVERYWHERE: BoundingBox = BoundingBox { center: [0.0, 0.0], radii: [1e4, 1e4] };

/// Draws a gradient with shapes in front of it.
pub(super) fn draw_background(canvas: &mut Canvas, capture: &Capture) {
    let (soft, [top, bottom]) = (canvas.pixel(), capture.background);
    canvas.fill_with(EVERYWHERE, |x, y| (1.0, lerp_color(top, bottom, ramp(y + 0.4 * x, -1.0, 1.0))));
    for shape in &capture.background_shapes {
        let other = scale_color(shape.color, 0.6);
        canvas.fill_with(
            BoundingBox { center: shape.center, radii: [shape.radii[0] + soft, shape.radii[1] + soft] },
            |x, y| {
                let cover = edge(squircle(x - shape.center[0], y - shape.center[1], shape.radii, shape.square), soft);
                (cover, lerp_color(shape.color, other, ramp(wave(x * shape.stripes + 0.25), -0.1, 0.1)))
            },
        );
    }
}

/// Draws the occlusion of the face, if any.
pub(super) fn draw_occlusion(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let soft = canvas.pixel();
    match capture.occlusion {
        Occlusion::None => {}
        Occlusion::Sunglasses => draw_sunglasses(canvas, identity, capture),
        Occlusion::Bar { at, direction, radius, color } => {
            let length = (direction[0] * direction[0] + direction[1] * direction[1] + 1e-4).sqrt();
            let normal = [-direction[1] / length, direction[0] / length];
            canvas.fill_with(EVERYWHERE, |x, y| {
                let distance = (x - at[0]) * normal[0] + (y - at[1]) * normal[1];
                (edge(distance.abs() - radius, soft), scale_color(color, 0.9 - 0.35 * distance / radius))
            });
        }
        Occlusion::Hand { side, y } => {
            let skin = scale_color(identity.skin, 0.93);
            let palm = [side * 0.42, y + 0.42];
            canvas.fill(BoundingBox { center: [palm[0], palm[1] + 0.3], radii: [0.4, 0.8] }, skin, |u, v| {
                let hand = edge(squircle(u - palm[0], v - palm[1], [0.19, 0.20], 0.6), soft);
                hand.max(edge(capsule(u - palm[0], v - palm[1], [side * 0.15, 0.9], 0.13), soft))
            });
            for finger in 0..4 {
                let x = palm[0] - side * (0.135 - 0.09 * finger as f32);
                let end = [-side * 0.10, -0.26 - 0.05 * wave(finger as f32 / 6.0 + 0.05)];
                let area = BoundingBox { center: [x - side * 0.05, palm[1] - 0.28], radii: [0.14, 0.30] };
                for (radius, gain) in [(0.05, 0.72), (0.04, 1.0)] {
                    canvas.fill(area, scale_color(skin, gain), |u, v| {
                        edge(capsule(u - x, v - palm[1] + 0.12, end, radius), soft)
                    });
                }
            }
        }
        Occlusion::Mask { color } => {
            let nose = capture.project(&identity.head, 0.0, identity.eyes.y + 0.7 * identity.nose.length, 0.1).center;
            let outline = Outline::new(identity, capture);
            let mut area = outline.area();
            area.radii[1] += 0.04;
            canvas.fill_with(area, |x, y| {
                let across = (x - nose[0]) / identity.head.width;
                let top = nose[1] + 0.16 * across * across;
                let fold = 0.90 + 0.10 * wave((y - top) * 5.0);
                (edge(outline.distance(x, y - 0.02) - 0.01, soft) * edge(top - y, soft), scale_color(color, fold))
            });
        }
    }
}

/// Applies directional light to the person, shaded as an ellipsoid, then exposure and color
/// temperature to everything.
pub(super) fn apply_light(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let (light, head) = (capture.light, identity.head);
    let (width, height) = (head.width * 1.15, (head.crown + head.jaw) * 0.56);
    let middle = 0.5 * (head.jaw - head.crown);
    let [lx, ly, lz] = light.direction;
    canvas.multiply(|x, y, subject| {
        let (x, y) = (x / width, (y - middle) / height);
        let square = x * x + y * y;
        let length = (square + (1.0 - square).max(0.0)).sqrt();
        let facing = (x * lx + y * ly + (1.0 - square).max(0.0).sqrt() * lz) / length;
        // Scattered light wraps around the head, so that the far side is dim but not black.
        let wrapped = ((facing + 0.5) / 1.5).max(0.0);
        let shade = 1.0 + subject * light.directional * (1.45 * wrapped - 0.95);
        light.gain.map(|gain| gain * shade)
    });
}

/// Draws a soft shadow of the hair on the forehead.
pub(super) fn draw_forehead_shadow(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    if matches!(identity.hair.style, HairStyle::Bald | HairStyle::Horseshoe | HairStyle::Buzz) {
        return;
    }
    let at = capture.project(&identity.head, 0.0, identity.hair.line, 0.0).center;
    let dark = scale_color(identity.skin, 0.55);
    let radii = [identity.head.width * 0.8, 0.10];
    canvas.fill(BoundingBox { center: at, radii }, dark, |x, y| {
        0.35 * edge(ellipse(x - at[0], y - at[1], radii) + 0.05, 0.10)
    });
}
