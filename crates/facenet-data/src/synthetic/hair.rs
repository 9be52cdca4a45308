//! Hair behind the head and on it.

use crate::synthetic::canvas::{BoundingBox, Canvas};
use crate::synthetic::capture::Capture;
use crate::synthetic::identity::{Hair, HairStyle, Identity};
use crate::synthetic::shape::{edge, ellipse, lerp, ramp, scale_color, squircle, wave};

/// Draws the hair behind the head; comes before the head.
pub(super) fn draw_back_hair(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let (hair, head, soft) = (identity.hair, identity.head, canvas.pixel());
    let x = -0.10 * capture.yaw[0];
    let color = scale_color(hair.color, 0.80);
    match hair.style {
        HairStyle::Bob | HairStyle::Parted | HairStyle::Long => {
            let bottom = if hair.style == HairStyle::Bob { 0.30 + 0.25 * hair.length } else { hair.length };
            let top = -head.crown - 0.8 * hair.volume;
            let (middle, height) = (0.5 * (top + bottom), 0.5 * (bottom - top));
            let width = head.width + hair.volume;
            canvas.fill_with(BoundingBox { center: [x, middle], radii: [width + 0.12, height + 0.04] }, |u, v| {
                // Wider towards the ends.
                let spread = width * (1.0 + 0.12 * ramp(v, 0.0, 1.0)) + 0.02 * wave(v * 2.3);
                let distance = squircle(u - x, v - middle, [spread, height], if v < middle { 0.25 } else { 0.9 });
                (edge(distance, soft), scale_color(color, 1.0 + hair.strands * strands(u * 4.0, v)))
            });
        }
        HairStyle::Curls => {
            let (radii, y) = ([head.width + 1.5 * hair.volume, head.crown * 0.85 + 1.3 * hair.volume], -0.17);
            canvas.fill_with(BoundingBox { center: [x, y], radii: [radii[0] + 0.06, radii[1] + 0.06] }, |u, v| {
                let bumps = wave(u * 4.6 + 0.3) * wave(v * 4.6);
                let distance = ellipse(u - x, v - y, radii) + 0.035 * bumps;
                (edge(distance, soft), scale_color(color, 1.0 + 1.4 * hair.strands * bumps))
            });
        }
        HairStyle::Bun => {
            let (radius, y) = (0.16 + 0.5 * hair.volume, -head.crown - 0.10);
            canvas.fill(BoundingBox { center: [x, y], radii: [radius, radius] }, color, |u, v| {
                edge(ellipse(u - x, v - y, [radius, radius * 0.85]), soft)
            });
        }
        _ => {}
    }
}

/// Draws the hair on the head, over skin and brows.
pub(super) fn draw_front_hair(canvas: &mut Canvas, identity: &Identity, capture: &Capture) {
    let (hair, head, soft) = (identity.hair, identity.head, canvas.pixel());
    if hair.style == HairStyle::Bald {
        return;
    }
    let (over, opacity) = match hair.style {
        HairStyle::Buzz | HairStyle::Horseshoe => (0.012, 0.82),
        HairStyle::Bun => (0.03, 1.0),
        _ => (hair.volume, 1.0),
    };
    let tall = if hair.style == HairStyle::Quiff { 1.8 } else { 1.0 };
    let radii = [head.width + 0.5 * over, head.crown * (1.0 - 0.25 * capture.pitch[0]) + tall * over];
    let forehead = capture.project(&head, 0.0, hair.line, 0.0).center;
    let back = -0.06 * capture.yaw[0];
    let low = side_end(&hair, identity.eyes.y);
    let height = 0.5 * (low + radii[1]) + 0.05;
    canvas.fill_with(BoundingBox { center: [back, low + 0.05 - height], radii: [radii[0] + 0.12, height] }, |x, y| {
        let across = (x - forehead[0]) / head.width;
        let bumps = if hair.style == HairStyle::Curls { 0.04 * wave(x * 4.6 + 0.3) * wave(y * 4.6) } else { 0.0 };
        // Below the temples the sides go straight down.
        let cap = ellipse(x - back, if y < 0.0 { y } else { 0.0 }, radii) + bumps;
        let side = ramp(across.abs(), 0.74, 0.90);
        let line = lerp(hairline(&hair, across, forehead[1]), low, side) + bumps;
        let mut cover = edge(cap, soft) * edge(y - line, 1.3 * soft);
        if hair.style == HairStyle::Horseshoe {
            cover *= ramp(y, -0.36, -0.22) * ramp(across.abs(), 0.6, 0.8);
        }
        // Strands fan out from the crown.
        let strand = strands(3.0 * across * (1.2 + 0.6 * y), y);
        // A highlight over the crown, darker at the hairline.
        let gloss = 0.14 * (1.0 - ramp((y + 0.62 - 0.25 * across * across).abs(), 0.0, 0.14));
        let root = 0.22 * ramp(y, line - 0.10, line);
        (opacity * cover, scale_color(hair.color, 1.0 + hair.strands * strand + gloss - root))
    });
}

/// The pattern of strands, -1 to 1: two waves of incommensurate periods, to avoid even stripes.
#[inline(always)]
fn strands(across: f32, along: f32) -> f32 {
    0.6 * wave(across + 0.3 * wave(along * 0.9)) + 0.4 * wave(2.37 * across + 0.2 + 0.2 * wave(along * 1.7))
}

/// The lower end of the hair in front of the ears.
fn side_end(hair: &Hair, eyes: f32) -> f32 {
    match hair.style {
        HairStyle::Bob => 0.24 + 0.22 * hair.length,
        HairStyle::Parted | HairStyle::Long => 0.40 + 0.25 * hair.length,
        HairStyle::Curls => eyes + 0.16,
        HairStyle::Horseshoe => eyes + 0.10,
        HairStyle::Bun | HairStyle::Quiff => eyes - 0.06,
        _ => eyes + 0.02 + 0.1 * hair.length,
    }
}

/// The height of the hairline; `across` runs from -1 at one cheekbone to 1 at the other.
#[inline(always)]
fn hairline(hair: &Hair, across: f32, height: f32) -> f32 {
    let square = across * across;
    match hair.style {
        // A straight fringe with a jagged edge.
        HairStyle::Bob | HairStyle::Long => height + 0.06 + 0.05 * square + 0.025 * wave(across * 3.0),
        // Sweeps down to the side away from the parting.
        HairStyle::Swept => {
            let from = across - hair.part;
            height - 0.10 + 0.26 * (from * if hair.part > 0.0 { -1.0 } else { 1.0 }).max(-0.4 * from.abs())
        }
        // Two curtains that meet at the parting.
        HairStyle::Parted => height - 0.12 + 0.36 * (across - 0.5 * hair.part).abs(),
        // Two bays beside a peak.
        HairStyle::Buzz | HairStyle::Quiff => height - 0.06 - 0.10 * wave(square * 0.9) + 0.12 * square,
        _ => height - 0.03 + 0.18 * square,
    }
}
