//! Facial features: eyes, brows, nose, mouth, glasses.

use crate::synthetic::canvas::{BoundingBox, Canvas};
use crate::synthetic::capture::{Capture, ProjectedPoint};
use crate::synthetic::identity::{Glasses, Identity};
use crate::synthetic::shape::{capsule, edge, ellipse, lerp_color, ramp, scale_color, squircle};

/// Projects the center of an eye; `side` is -1 on the left of the image, 1 on the right.
fn project_eye(identity: &Identity, capture: &Capture, side: f32) -> ProjectedPoint {
    capture.project(&identity.head, side * identity.eyes.spacing, identity.eyes.y, -0.02)
}

pub(super) fn draw_eyes(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let (eyes, soft) = (identity.eyes, canvas.pixel());
    let lid_skin = [identity.skin[0] * 0.80, identity.skin[1] * 0.70, identity.skin[2] * 0.70];
    let white = [0.96, 0.95, 0.94];
    let ink = [0.07, 0.05, 0.06];
    for side in [-1.0, 1.0] {
        let at = project_eye(identity, capture, side);
        let half = eyes.width;
        let open = half * eyes.opening;
        let (upper, lower) =
            (open * (1.0 - 1.1 * capture.eyes_closed), open * 0.55 * (1.0 - 0.3 * capture.eyes_closed));
        let iris = half * eyes.iris_size;
        let gaze = [side * capture.gaze[0] * 0.5 * half, capture.gaze[1] * 0.4 * half];
        let area = BoundingBox { center: at.center, radii: [half * 1.45, half * 1.6] };
        canvas.fill_with(area, |u, v| {
            // x points outwards, so that the eyes mirror each other.
            let x = side * (u - at.center[0]) / at.scale[0];
            let y = (v - at.center[1]) / at.scale[1] + eyes.tilt * x;
            let bow = 1.0 - (x / half) * (x / half);
            let (top, bottom) = (-upper * bow, lower * bow);
            let inside = edge(top - y, soft) * edge(y - bottom, soft) * ramp(bow, 0.0, 0.2);
            let disc = {
                let (dx, dy) = (x - gaze[0], y - gaze[1]);
                (dx * dx + dy * dy).sqrt()
            };
            let mut color = lerp_color(white, scale_color(eyes.iris, 0.45), edge(disc - iris, soft));
            color = lerp_color(color, eyes.iris, edge(disc - 0.80 * iris, 0.5 * iris));
            color = lerp_color(color, ink, edge(disc - 0.42 * iris, soft));
            let glint = (x + side * 0.30 * iris - gaze[0], y + 0.35 * iris - gaze[1]);
            color = lerp_color(color, white, edge(ellipse(glint.0, glint.1, [0.22 * iris, 0.22 * iris]), soft));
            // Shadow of the upper lid.
            color = scale_color(color, 0.72 + 0.28 * ramp(y - top, 0.0, 0.05));
            let thickness = eyes.lashes * (0.6 + 0.4 * (x / half));
            let line = edge((y - top).abs() - thickness, soft) * ramp(bow, -0.22, 0.0);
            let socket = 0.55 * edge(ellipse(x, y + 0.25 * half, [1.25 * half, 1.0 * half]) + 0.03, 0.08);
            let cover = inside.max(line);
            let lit = lerp_color(color, ink, line);
            let total = cover + socket * (1.0 - cover);
            (total, lerp_color(lid_skin, lit, cover / (total + 1e-6)))
        });
    }
}

pub(super) fn draw_brows(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let (brows, soft) = (identity.brows, canvas.pixel());
    for side in [-1.0, 1.0] {
        let height = identity.eyes.y - brows.height - capture.brow_raise;
        let middle = identity.eyes.spacing * 1.04;
        let at = capture.project(&identity.head, side * middle, height, 0.0);
        // Long brows stop before they meet.
        let (reach, inner) = (brows.length, brows.length.min(middle - 0.035));
        let area = BoundingBox { center: at.center, radii: [reach + 0.04, 0.16] };
        canvas.fill(area, brows.color, |u, v| {
            let x = side * (u - at.center[0]) / at.scale[0];
            let along = x / reach;
            let y = (v - at.center[1]) / at.scale[1] + brows.tilt * x + brows.arch * (1.0 - along * along);
            // Tapering outwards.
            let thickness = brows.thickness * (0.85 - 0.35 * along);
            edge(y.abs() - thickness, 1.2 * soft) * edge((x - reach).max(-x - inner), 2.0 * soft) * 0.95
        });
    }
}

pub(super) fn draw_nose(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let (nose, soft, skin) = (identity.nose, canvas.pixel(), identity.skin);
    let shade = [skin[0] * 0.76, skin[1] * 0.64, skin[2] * 0.62];
    let light = skin.map(|channel| channel + (1.0 - channel) * 0.30);
    let tip_y = identity.eyes.y + nose.length;
    let root = capture.project(&identity.head, 0.0, identity.eyes.y, 0.02).center;
    let tip = capture.project(&identity.head, 0.0, tip_y, nose.lift);
    let [tx, ty] = tip.center;
    let along = [root[0] - tx, root[1] - ty];
    let area = BoundingBox {
        center: [0.5 * (root[0] + tx), 0.5 * (root[1] + ty)],
        radii: [0.5 * along[0].abs() + nose.width + 0.08, 0.5 * along[1].abs() + 0.12],
    };
    // The bridge: a shadow on the unlit side, then a highlight.
    let shadow_side = if capture.light.direction[0] > 0.0 { -0.5 } else { 0.5 } * nose.bridge * 2.0;
    canvas.fill(area, shade, |x, y| {
        0.85 * edge(capsule(x - tx - shadow_side, y - ty, [along[0] * 0.9, along[1] * 0.9], nose.bridge), 0.045)
    });
    canvas.fill(area, light, |x, y| {
        0.55 * edge(capsule(x - tx, y - ty, [along[0] * 0.8, along[1] * 0.8], nose.bridge * 0.7), 0.04)
    });
    // Alae and tip with a dark lower edge, then the nostrils.
    let radii = [nose.width * tip.scale[0].max(0.75), 0.032 + 0.22 * nose.width];
    canvas.fill(area, shade, |x, y| edge(ellipse(x - tx, y - ty - 0.018, radii), 1.5 * soft));
    canvas.fill(area, lerp_color(skin, light, 0.35), |x, y| {
        edge(ellipse(x - tx, y - ty + 0.012, [radii[0] * 0.88, radii[1]]), 2.0 * soft)
    });
    let dark = [skin[0] * 0.35, skin[1] * 0.24, skin[2] * 0.22];
    for side in [-1.0, 1.0] {
        let x = tx + side * radii[0] * 0.48;
        let y = ty + radii[1] * 0.62;
        canvas.fill(area, dark, |u, v| {
            0.9 * edge(ellipse(u - x, v - y, [radii[0] * 0.26, 0.016 + 0.05 * nose.width]), soft)
        });
    }
}

pub(super) fn draw_mouth(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let (mouth, soft) = (identity.mouth, canvas.pixel());
    let at = capture.project(&identity.head, 0.0, mouth.y, 0.04);
    let half = mouth.width * (1.0 + 0.14 * capture.smile);
    let curve = 0.065 * capture.smile;
    let gap = 0.085 * capture.mouth_open;
    let (inside, teeth) = ([0.22, 0.04, 0.05], [0.95, 0.94, 0.90]);
    let (lip, seam) = (mouth.color, scale_color(mouth.color, 0.45));
    let area = BoundingBox { center: at.center, radii: [half + 0.04, 0.30] };
    canvas.fill_with(area, |u, v| {
        let x = (u - at.center[0]) / at.scale[0];
        let q = (x / half) * (x / half);
        let bow = 1.0 - q;
        // A smile raises the corners.
        let y = (v - at.center[1]) / at.scale[1] + curve * (q - 0.4);
        let (inner_top, inner_bottom) = (-0.3 * gap * bow, gap * bow);
        let cupid = 1.0 - 0.35 * (1.0 - ramp(x.abs(), 0.0, 0.25 * half));
        let outer_top = inner_top - mouth.upper * bow * cupid;
        let outer_bottom = inner_bottom + mouth.lower * bow;
        let cover = edge(outer_top - y, soft) * edge(y - outer_bottom, soft) * ramp(bow, -0.02, 0.08);
        let opening = edge(inner_top - y, soft) * edge(y - inner_bottom, soft) * ramp(gap, 0.0, 0.02);
        let bite = edge(y - inner_top - 0.45 * gap, soft) * ramp(capture.smile, -0.2, 0.3);
        let line = edge((y - 0.5 * (inner_top + inner_bottom)).abs() - 0.006, soft) * (1.0 - ramp(gap, 0.0, 0.02));
        let shaded = scale_color(lip, if y < 0.0 { 0.86 } else { 1.06 });
        let color = lerp_color(shaded, lerp_color(inside, teeth, bite), opening);
        (cover.max(line * ramp(bow, -0.1, 0.0)), lerp_color(color, seam, line))
    });
    // The shadow under the lower lip.
    let under = [identity.skin[0] * 0.80, identity.skin[1] * 0.70, identity.skin[2] * 0.68];
    let y = at.center[1] + gap + mouth.lower + 0.035 - 0.4 * curve;
    canvas.fill(BoundingBox { center: [at.center[0], y], radii: [half * 0.6, 0.05] }, under, |u, v| {
        0.5 * edge(ellipse(u - at.center[0], v - y, [half * 0.5, 0.022]), 0.035)
    });
}

/// The person's own glasses.
pub(super) fn draw_glasses(canvas: &mut Canvas, identity: &Identity, capture: &Capture, glasses: &Glasses) {
    draw_glasses_with(canvas, identity, capture, glasses, [0.85, 0.92, 0.97], 0.14);
}

/// Sunglasses that occlude the eyes.
pub(super) fn draw_sunglasses(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let glasses = Glasses { radii: [0.155, 0.125], square: 0.45, thickness: 0.014, color: [0.04, 0.04, 0.05] };
    draw_glasses_with(canvas, identity, capture, &glasses, [0.05, 0.05, 0.07], 0.97);
}

fn draw_glasses_with(
    canvas: &mut Canvas,
    identity: &Identity,
    capture: &Capture,
    worn: &Glasses,
    lens: [f32; 3],
    opacity: f32,
) {
    let soft = canvas.pixel();
    let bridge = capture.project(&identity.head, 0.0, identity.eyes.y, 0.12).center;
    for side in [-1.0, 1.0] {
        let at = capture.project(
            &identity.head,
            side * identity.eyes.spacing.max(worn.radii[0] + 0.02),
            identity.eyes.y + 0.01,
            0.06,
        );
        let radii = [worn.radii[0] * at.scale[0], worn.radii[1]];
        let [cx, cy] = at.center;
        let reach = worn.thickness + 2.0 * soft;
        canvas.fill_with(BoundingBox { center: at.center, radii: [radii[0] + reach, radii[1] + reach] }, |x, y| {
            let distance = squircle(x - cx, y - cy, radii, worn.square);
            let rim = edge(distance.abs() - worn.thickness, soft);
            let glass = opacity * edge(distance, soft);
            let cover = rim.max(glass);
            (cover, lerp_color(lens, worn.color, rim / (cover + 1e-6)))
        });
        let inner = cx - side * radii[0];
        let outer = cx + side * radii[0];
        let temple = [side * identity.head.width * capture.yaw[1] - 0.1 * capture.yaw[0] - outer, -0.02];
        for (x, y, end) in [(inner, cy - 0.02, [bridge[0] - inner, -0.02]), (outer, cy - 0.03, temple)] {
            // Skip temples hidden by the head.
            if end[0] * side * if x == inner { -1.0 } else { 1.0 } > 0.0 {
                let area = BoundingBox {
                    center: [x + 0.5 * end[0], y + 0.5 * end[1]],
                    radii: [0.5 * end[0].abs() + reach, 0.5 * end[1].abs() + reach],
                };
                canvas.fill(area, worn.color, |u, v| edge(capsule(u - x, v - y, end, 0.8 * worn.thickness), soft));
            }
        }
    }
}
