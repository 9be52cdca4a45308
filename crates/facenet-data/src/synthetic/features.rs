//! The features of the face: eyes, brows, nose, mouth, glasses.

use super::canvas::{Area, Canvas};
use super::identity::{Glasses, Identity};
use super::picture::{Picture, Placed};
use super::shape::{capsule, edge, ellipse, mix_colour, ramp, squircle, tint};

/// Where an eye is seen; `side` is -1 for the left of the picture, 1 for the right.
fn place_eye(who: &Identity, how: &Picture, side: f32) -> Placed {
    how.place(&who.head, side * who.eyes.spacing, who.eyes.y, -0.02)
}

pub(super) fn paint_eyes(canvas: &mut Canvas, who: &Identity, how: &Picture) {
    let (eyes, soft) = (who.eyes, canvas.pixel());
    let lid_skin = [who.skin[0] * 0.80, who.skin[1] * 0.70, who.skin[2] * 0.70];
    let white = [0.96, 0.95, 0.94];
    let ink = [0.07, 0.05, 0.06];
    for side in [-1.0, 1.0] {
        let at = place_eye(who, how, side);
        let half = eyes.width;
        let open = half * eyes.opening;
        let (upper, lower) = (open * (1.0 - 1.1 * how.eyes_closed), open * 0.55 * (1.0 - 0.3 * how.eyes_closed));
        let iris = half * eyes.iris_size;
        let gaze = [side * how.gaze[0] * 0.5 * half, how.gaze[1] * 0.4 * half];
        let area = Area { centre: at.centre, radii: [half * 1.45, half * 1.6] };
        canvas.paint_with(area, |u, v| {
            // x points outwards, so that both eyes are mirror images.
            let x = side * (u - at.centre[0]) / at.scale[0];
            let y = (v - at.centre[1]) / at.scale[1] + eyes.tilt * x;
            let bow = 1.0 - (x / half) * (x / half);
            let (top, bottom) = (-upper * bow, lower * bow);
            let inside = edge(top - y, soft) * edge(y - bottom, soft) * ramp(bow, 0.0, 0.2);
            let disc = {
                let (dx, dy) = (x - gaze[0], y - gaze[1]);
                (dx * dx + dy * dy).sqrt()
            };
            let mut colour = mix_colour(white, tint(eyes.iris, 0.45), edge(disc - iris, soft));
            colour = mix_colour(colour, eyes.iris, edge(disc - 0.80 * iris, 0.5 * iris));
            colour = mix_colour(colour, ink, edge(disc - 0.42 * iris, soft));
            let glint = (x + side * 0.30 * iris - gaze[0], y + 0.35 * iris - gaze[1]);
            colour = mix_colour(colour, white, edge(ellipse(glint.0, glint.1, [0.22 * iris, 0.22 * iris]), soft));
            // The upper lid shades the eye.
            colour = tint(colour, 0.72 + 0.28 * ramp(y - top, 0.0, 0.05));
            let thickness = eyes.lashes * (0.6 + 0.4 * (x / half));
            let line = edge((y - top).abs() - thickness, soft) * ramp(bow, -0.22, 0.0);
            let socket = 0.55 * edge(ellipse(x, y + 0.25 * half, [1.25 * half, 1.0 * half]) + 0.03, 0.08);
            let cover = inside.max(line);
            let lit = mix_colour(colour, ink, line);
            let total = cover + socket * (1.0 - cover);
            (total, mix_colour(lid_skin, lit, cover / (total + 1e-6)))
        });
    }
}

pub(super) fn paint_brows(canvas: &mut Canvas, who: &Identity, how: &Picture) {
    let (brows, soft) = (who.brows, canvas.pixel());
    for side in [-1.0, 1.0] {
        let height = who.eyes.y - brows.height - how.brow_raise;
        let middle = who.eyes.spacing * 1.04;
        let at = how.place(&who.head, side * middle, height, 0.0);
        // Long brows end before they meet.
        let (reach, inner) = (brows.length, brows.length.min(middle - 0.035));
        let area = Area { centre: at.centre, radii: [reach + 0.04, 0.16] };
        canvas.paint(area, brows.colour, |u, v| {
            let x = side * (u - at.centre[0]) / at.scale[0];
            let along = x / reach;
            let y = (v - at.centre[1]) / at.scale[1] + brows.tilt * x + brows.arch * (1.0 - along * along);
            // Thick near the nose, thin outside.
            let thickness = brows.thickness * (0.85 - 0.35 * along);
            edge(y.abs() - thickness, 1.2 * soft) * edge((x - reach).max(-x - inner), 2.0 * soft) * 0.95
        });
    }
}

pub(super) fn paint_nose(canvas: &mut Canvas, who: &Identity, how: &Picture) {
    let (nose, soft, skin) = (who.nose, canvas.pixel(), who.skin);
    let shade = [skin[0] * 0.76, skin[1] * 0.64, skin[2] * 0.62];
    let light = skin.map(|channel| channel + (1.0 - channel) * 0.30);
    let tip_y = who.eyes.y + nose.length;
    let root = how.place(&who.head, 0.0, who.eyes.y, 0.02).centre;
    let tip = how.place(&who.head, 0.0, tip_y, nose.lift);
    let [tx, ty] = tip.centre;
    let along = [root[0] - tx, root[1] - ty];
    let area = Area {
        centre: [0.5 * (root[0] + tx), 0.5 * (root[1] + ty)],
        radii: [0.5 * along[0].abs() + nose.width + 0.08, 0.5 * along[1].abs() + 0.12],
    };
    // The bridge: a shadow on the side turned away from the light, then a highlight.
    let shadow_side = if how.light.direction[0] > 0.0 { -0.5 } else { 0.5 } * nose.bridge * 2.0;
    canvas.paint(area, shade, |x, y| {
        0.85 * edge(capsule(x - tx - shadow_side, y - ty, [along[0] * 0.9, along[1] * 0.9], nose.bridge), 0.045)
    });
    canvas.paint(area, light, |x, y| {
        0.55 * edge(capsule(x - tx, y - ty, [along[0] * 0.8, along[1] * 0.8], nose.bridge * 0.7), 0.04)
    });
    // Wings and tip with a dark lower edge, then the nostrils.
    let radii = [nose.width * tip.scale[0].max(0.75), 0.032 + 0.22 * nose.width];
    canvas.paint(area, shade, |x, y| edge(ellipse(x - tx, y - ty - 0.018, radii), 1.5 * soft));
    canvas.paint(area, mix_colour(skin, light, 0.35), |x, y| {
        edge(ellipse(x - tx, y - ty + 0.012, [radii[0] * 0.88, radii[1]]), 2.0 * soft)
    });
    let dark = [skin[0] * 0.35, skin[1] * 0.24, skin[2] * 0.22];
    for side in [-1.0, 1.0] {
        let x = tx + side * radii[0] * 0.48;
        let y = ty + radii[1] * 0.62;
        canvas.paint(area, dark, |u, v| {
            0.9 * edge(ellipse(u - x, v - y, [radii[0] * 0.26, 0.016 + 0.05 * nose.width]), soft)
        });
    }
}

pub(super) fn paint_mouth(canvas: &mut Canvas, who: &Identity, how: &Picture) {
    let (mouth, soft) = (who.mouth, canvas.pixel());
    let at = how.place(&who.head, 0.0, mouth.y, 0.04);
    let half = mouth.width * (1.0 + 0.14 * how.smile);
    let curve = 0.065 * how.smile;
    let gap = 0.085 * how.mouth_open;
    let (inside, teeth) = ([0.22, 0.04, 0.05], [0.95, 0.94, 0.90]);
    let (lip, seam) = (mouth.colour, tint(mouth.colour, 0.45));
    let area = Area { centre: at.centre, radii: [half + 0.04, 0.30] };
    canvas.paint_with(area, |u, v| {
        let x = (u - at.centre[0]) / at.scale[0];
        let q = (x / half) * (x / half);
        let bow = 1.0 - q;
        // The corners go up with a smile.
        let y = (v - at.centre[1]) / at.scale[1] + curve * (q - 0.4);
        let (inner_top, inner_bottom) = (-0.3 * gap * bow, gap * bow);
        let cupid = 1.0 - 0.35 * (1.0 - ramp(x.abs(), 0.0, 0.25 * half));
        let outer_top = inner_top - mouth.upper * bow * cupid;
        let outer_bottom = inner_bottom + mouth.lower * bow;
        let cover = edge(outer_top - y, soft) * edge(y - outer_bottom, soft) * ramp(bow, -0.02, 0.08);
        let opening = edge(inner_top - y, soft) * edge(y - inner_bottom, soft) * ramp(gap, 0.0, 0.02);
        let bite = edge(y - inner_top - 0.45 * gap, soft) * ramp(how.smile, -0.2, 0.3);
        let line = edge((y - 0.5 * (inner_top + inner_bottom)).abs() - 0.006, soft) * (1.0 - ramp(gap, 0.0, 0.02));
        let shaded = tint(lip, if y < 0.0 { 0.86 } else { 1.06 });
        let colour = mix_colour(shaded, mix_colour(inside, teeth, bite), opening);
        (cover.max(line * ramp(bow, -0.1, 0.0)), mix_colour(colour, seam, line))
    });
    // The shadow under the lower lip.
    let under = [who.skin[0] * 0.80, who.skin[1] * 0.70, who.skin[2] * 0.68];
    let y = at.centre[1] + gap + mouth.lower + 0.035 - 0.4 * curve;
    canvas.paint(Area { centre: [at.centre[0], y], radii: [half * 0.6, 0.05] }, under, |u, v| {
        0.5 * edge(ellipse(u - at.centre[0], v - y, [half * 0.5, 0.022]), 0.035)
    });
}

/// The person's own glasses.
pub(super) fn paint_glasses(canvas: &mut Canvas, who: &Identity, how: &Picture, glasses: &Glasses) {
    paint_frames(canvas, who, how, glasses, [0.85, 0.92, 0.97], 0.14);
}

/// Somebody's dark glasses.
pub(super) fn paint_sunglasses(canvas: &mut Canvas, who: &Identity, how: &Picture) {
    let glasses = Glasses { radii: [0.155, 0.125], square: 0.45, thickness: 0.014, colour: [0.04, 0.04, 0.05] };
    paint_frames(canvas, who, how, &glasses, [0.05, 0.05, 0.07], 0.97);
}

fn paint_frames(canvas: &mut Canvas, who: &Identity, how: &Picture, worn: &Glasses, lens: [f32; 3], opacity: f32) {
    let soft = canvas.pixel();
    let bridge = how.place(&who.head, 0.0, who.eyes.y, 0.12).centre;
    for side in [-1.0, 1.0] {
        let at = how.place(&who.head, side * who.eyes.spacing.max(worn.radii[0] + 0.02), who.eyes.y + 0.01, 0.06);
        let radii = [worn.radii[0] * at.scale[0], worn.radii[1]];
        let [cx, cy] = at.centre;
        let reach = worn.thickness + 2.0 * soft;
        canvas.paint_with(Area { centre: at.centre, radii: [radii[0] + reach, radii[1] + reach] }, |x, y| {
            let distance = squircle(x - cx, y - cy, radii, worn.square);
            let rim = edge(distance.abs() - worn.thickness, soft);
            let glass = opacity * edge(distance, soft);
            let cover = rim.max(glass);
            (cover, mix_colour(lens, worn.colour, rim / (cover + 1e-6)))
        });
        let inner = cx - side * radii[0];
        let outer = cx + side * radii[0];
        let temple = [side * who.head.width * how.yaw[1] - 0.1 * how.yaw[0] - outer, -0.02];
        for (x, y, end) in [(inner, cy - 0.02, [bridge[0] - inner, -0.02]), (outer, cy - 0.03, temple)] {
            // A temple that the head hides has no length to show.
            if end[0] * side * if x == inner { -1.0 } else { 1.0 } > 0.0 {
                let area = Area {
                    centre: [x + 0.5 * end[0], y + 0.5 * end[1]],
                    radii: [0.5 * end[0].abs() + reach, 0.5 * end[1].abs() + reach],
                };
                canvas.paint(area, worn.colour, |u, v| edge(capsule(u - x, v - y, end, 0.8 * worn.thickness), soft));
            }
        }
    }
}
