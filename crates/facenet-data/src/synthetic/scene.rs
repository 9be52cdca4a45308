//! The picture around the face: background, things in front of it, light.

use super::canvas::{Area, Canvas};
use super::identity::{HairStyle, Identity};
use super::picture::{Occlusion, Picture};
use super::shape::{capsule, edge, ellipse, mix_colour, ramp, squircle, tint, wave};

/// All that a camera turned and shifted as far as it goes can see.
const EVERYWHERE: Area = Area { centre: [0.0, 0.0], radii: [1e4, 1e4] };

/// A gradient with shapes before it.
pub(super) fn paint_backdrop(canvas: &mut Canvas, how: &Picture) {
    let (soft, [top, bottom]) = (canvas.pixel(), how.backdrop);
    canvas.paint_with(EVERYWHERE, |x, y| (1.0, mix_colour(top, bottom, ramp(y + 0.4 * x, -1.0, 1.0))));
    for prop in &how.props {
        let other = tint(prop.colour, 0.6);
        canvas.paint_with(Area { centre: prop.centre, radii: [prop.radii[0] + soft, prop.radii[1] + soft] }, |x, y| {
            let cover = edge(squircle(x - prop.centre[0], y - prop.centre[1], prop.radii, prop.square), soft);
            (cover, mix_colour(prop.colour, other, ramp(wave(x * prop.stripes + 0.25), -0.1, 0.1)))
        });
    }
}

/// Whatever hides a part of the face.
pub(super) fn paint_occlusion(canvas: &mut Canvas, who: &Identity, how: &Picture) {
    let soft = canvas.pixel();
    match how.occlusion {
        Occlusion::None => {}
        Occlusion::Sunglasses => super::features::paint_sunglasses(canvas, who, how),
        Occlusion::Bar { at, direction, radius, colour } => {
            let length = (direction[0] * direction[0] + direction[1] * direction[1] + 1e-4).sqrt();
            let normal = [-direction[1] / length, direction[0] / length];
            canvas.paint_with(EVERYWHERE, |x, y| {
                let distance = (x - at[0]) * normal[0] + (y - at[1]) * normal[1];
                (edge(distance.abs() - radius, soft), tint(colour, 0.9 - 0.35 * distance / radius))
            });
        }
        Occlusion::Hand { side, y } => {
            let skin = tint(who.skin, 0.93);
            let palm = [side * 0.42, y + 0.42];
            canvas.paint(Area { centre: [palm[0], palm[1] + 0.3], radii: [0.4, 0.8] }, skin, |u, v| {
                let hand = edge(squircle(u - palm[0], v - palm[1], [0.19, 0.20], 0.6), soft);
                hand.max(edge(capsule(u - palm[0], v - palm[1], [side * 0.15, 0.9], 0.13), soft))
            });
            for finger in 0..4 {
                let x = palm[0] - side * (0.135 - 0.09 * finger as f32);
                let end = [-side * 0.10, -0.26 - 0.05 * wave(finger as f32 / 6.0 + 0.05)];
                let area = Area { centre: [x - side * 0.05, palm[1] - 0.28], radii: [0.14, 0.30] };
                for (radius, gain) in [(0.05, 0.72), (0.04, 1.0)] {
                    canvas.paint(area, tint(skin, gain), |u, v| {
                        edge(capsule(u - x, v - palm[1] + 0.12, end, radius), soft)
                    });
                }
            }
        }
        Occlusion::Mask { colour } => {
            let nose = how.place(&who.head, 0.0, who.eyes.y + 0.7 * who.nose.length, 0.1).centre;
            let outline = super::head::Outline::new(who, how);
            let mut area = outline.area();
            area.radii[1] += 0.04;
            canvas.paint_with(area, |x, y| {
                let across = (x - nose[0]) / who.head.width;
                let top = nose[1] + 0.16 * across * across;
                let fold = 0.90 + 0.10 * wave((y - top) * 5.0);
                (edge(outline.distance(x, y - 0.02) - 0.01, soft) * edge(top - y, soft), tint(colour, fold))
            });
        }
    }
}

/// Light from one side on the person, as on an ellipsoid, then exposure and colour temperature on everything.
pub(super) fn shine(canvas: &mut Canvas, who: &Identity, how: &Picture) {
    let (light, head) = (how.light, who.head);
    let (width, height) = (head.width * 1.15, (head.crown + head.jaw) * 0.56);
    let middle = 0.5 * (head.jaw - head.crown);
    let [lx, ly, lz] = light.direction;
    canvas.multiply(|x, y, subject| {
        let (x, y) = (x / width, (y - middle) / height);
        let square = x * x + y * y;
        let length = (square + (1.0 - square).max(0.0)).sqrt();
        let facing = (x * lx + y * ly + (1.0 - square).max(0.0).sqrt() * lz) / length;
        // Scattered light wraps around the head, so the far side is dim but not black.
        let wrapped = ((facing + 0.5) / 1.5).max(0.0);
        let shade = 1.0 + subject * light.share * (1.45 * wrapped - 0.95);
        light.gain.map(|gain| gain * shade)
    });
}

/// A soft shadow of the hair at the top of the face.
pub(super) fn paint_forehead_shadow(canvas: &mut Canvas, who: &Identity, how: &Picture) {
    if matches!(who.hair.style, HairStyle::Bald | HairStyle::Wreath | HairStyle::Buzz) {
        return;
    }
    let at = how.place(&who.head, 0.0, who.hair.line, 0.0).centre;
    let dark = tint(who.skin, 0.55);
    let radii = [who.head.width * 0.8, 0.10];
    canvas
        .paint(Area { centre: at, radii }, dark, |x, y| 0.35 * edge(ellipse(x - at[0], y - at[1], radii) + 0.05, 0.10));
}
