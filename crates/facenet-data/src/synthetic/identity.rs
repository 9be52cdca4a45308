//! Who a person is: everything that stays the same from picture to picture.

use super::draw::{Draw, Purpose};
use super::shape::{mix, mix_colour, tint};

/// The looks of one person. Lengths are in units of the face's plane (see `Camera`), angles are slopes, y runs down.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) head: Head,
    pub(super) skin: [f32; 3],
    pub(super) ears: Ears,
    pub(super) eyes: Eyes,
    pub(super) brows: Brows,
    pub(super) nose: Nose,
    pub(super) mouth: Mouth,
    pub(super) hair: Hair,
    pub(super) beard: Beard,
    pub(super) freckles: f32,
    pub(super) moles: Vec<[f32; 2]>,
    pub(super) blush: f32,
    pub(super) glasses: Option<Glasses>,
}

/// The outline of the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Half the width at the cheekbones.
    pub(super) width: f32,
    /// From the middle to the crown.
    pub(super) crown: f32,
    /// From the middle to the chin.
    pub(super) jaw: f32,
    /// How much narrower the jaw is than the cheekbones, 0 to 1.
    pub(super) taper: f32,
    /// 0 for a round chin, 1 for a square one.
    pub(super) square: f32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ears {
    pub(super) size: f32,
    pub(super) stick_out: f32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Eyes {
    pub(super) spacing: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    /// Height over width.
    pub(super) opening: f32,
    /// How far the outer corner is raised.
    pub(super) tilt: f32,
    pub(super) iris: [f32; 3],
    pub(super) iris_size: f32,
    pub(super) lashes: f32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Brows {
    pub(super) thickness: f32,
    pub(super) length: f32,
    /// Distance above the eye.
    pub(super) height: f32,
    pub(super) tilt: f32,
    pub(super) arch: f32,
    pub(super) colour: [f32; 3],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Nose {
    /// From the eyes' height to the tip.
    pub(super) length: f32,
    pub(super) width: f32,
    pub(super) bridge: f32,
    pub(super) lift: f32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Mouth {
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) upper: f32,
    pub(super) lower: f32,
    pub(super) colour: [f32; 3],
}

/// How the hair is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HairStyle {
    Bald,
    Wreath,
    Buzz,
    Short,
    Swept,
    Quiff,
    Curls,
    Bob,
    Parted,
    Long,
    Bun,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Hair {
    pub(super) style: HairStyle,
    pub(super) colour: [f32; 3],
    /// How far it stands off the head.
    pub(super) volume: f32,
    /// Height of the hairline.
    pub(super) line: f32,
    /// Where a parting lies, from -1 (left) to 1.
    pub(super) part: f32,
    /// Where long hair ends.
    pub(super) length: f32,
    /// Strength of the strands' pattern.
    pub(super) strands: f32,
}

/// Where facial hair grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BeardStyle {
    None,
    Stubble,
    Moustache,
    Goatee,
    Full,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Beard {
    pub(super) style: BeardStyle,
    pub(super) colour: [f32; 3],
    pub(super) size: f32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Glasses {
    pub(super) radii: [f32; 2],
    pub(super) square: f32,
    pub(super) thickness: f32,
    pub(super) colour: [f32; 3],
}

/// Skin from the lightest to the darkest.
const SKIN: [[f32; 3]; 5] =
    [[0.98, 0.84, 0.75], [0.93, 0.73, 0.58], [0.80, 0.58, 0.42], [0.58, 0.39, 0.27], [0.37, 0.24, 0.17]];

/// Hair as it grows.
const HAIR: [[f32; 3]; 9] = [
    [0.08, 0.07, 0.08],
    [0.20, 0.12, 0.08],
    [0.36, 0.22, 0.12],
    [0.48, 0.19, 0.09],
    [0.80, 0.40, 0.12],
    [0.85, 0.66, 0.34],
    [0.95, 0.88, 0.70],
    [0.55, 0.55, 0.57],
    [0.86, 0.86, 0.88],
];

/// Hair as it is dyed.
const DYE: [[f32; 3]; 4] = [[0.20, 0.32, 0.66], [0.82, 0.30, 0.52], [0.16, 0.52, 0.45], [0.48, 0.26, 0.62]];

const IRIS: [[f32; 3]; 6] = [
    [0.20, 0.11, 0.06],
    [0.42, 0.24, 0.10],
    [0.48, 0.42, 0.16],
    [0.22, 0.50, 0.26],
    [0.20, 0.46, 0.76],
    [0.50, 0.57, 0.62],
];

const FRAMES: [[f32; 3]; 5] =
    [[0.08, 0.08, 0.09], [0.36, 0.18, 0.08], [0.75, 0.60, 0.25], [0.70, 0.12, 0.14], [0.12, 0.22, 0.55]];

const HAIR_STYLES: [HairStyle; 11] = [
    HairStyle::Bald,
    HairStyle::Wreath,
    HairStyle::Buzz,
    HairStyle::Short,
    HairStyle::Swept,
    HairStyle::Quiff,
    HairStyle::Curls,
    HairStyle::Bob,
    HairStyle::Parted,
    HairStyle::Long,
    HairStyle::Bun,
];

const BEARD_STYLES: [BeardStyle; 8] = [
    BeardStyle::None,
    BeardStyle::None,
    BeardStyle::None,
    BeardStyle::None,
    BeardStyle::Stubble,
    BeardStyle::Moustache,
    BeardStyle::Goatee,
    BeardStyle::Full,
];

impl Identity {
    /// The person with this number.
    pub(super) fn draw(seed: u64, identity: u64) -> Self {
        let mut draw = Draw::new(seed, identity, Purpose::Identity, 0);
        let draw = &mut draw;
        let head = Head {
            width: draw.between(0.40, 0.53),
            crown: draw.between(0.58, 0.68),
            jaw: draw.between(0.56, 0.72),
            taper: draw.between(0.0, 0.42),
            square: draw.between(0.0, 0.85),
        };
        let skin = skin(draw);
        let hair = Hair {
            style: draw.choose(&HAIR_STYLES),
            colour: if draw.chance(0.22) { jitter(draw, DYE, 0.25) } else { jitter(draw, HAIR, 0.25) },
            volume: draw.between(0.05, 0.15),
            line: draw.between(-0.46, -0.26),
            part: draw.around_zero(0.65),
            length: draw.between(0.55, 1.1),
            strands: draw.between(0.05, 0.22),
        };
        let eyes = Eyes {
            spacing: head.width * draw.between(0.36, 0.52),
            y: draw.between(-0.09, 0.05),
            width: draw.between(0.085, 0.135),
            opening: draw.between(0.36, 0.85),
            tilt: draw.around_zero(0.28),
            iris: jitter(draw, IRIS, 0.2),
            iris_size: draw.between(0.46, 0.60),
            lashes: draw.between(0.010, 0.034),
        };
        let brow_colour = if draw.chance(0.35) { jitter(draw, HAIR, 0.25) } else { tint(hair.colour, 0.75) };
        let brows = Brows {
            thickness: draw.between(0.012, 0.045),
            length: draw.between(0.10, 0.16),
            height: draw.between(0.10, 0.19),
            tilt: draw.around_zero(0.35),
            arch: draw.between(0.0, 0.07),
            colour: brow_colour,
        };
        let nose = Nose {
            length: draw.between(0.18, 0.34),
            width: draw.between(0.055, 0.135),
            bridge: draw.between(0.02, 0.05),
            lift: draw.between(0.10, 0.22),
        };
        let mouth_room = head.jaw - 0.20 - (eyes.y + nose.length + 0.10);
        let natural = [skin[0] * 0.85, skin[1] * 0.58, skin[2] * 0.60];
        let painted = [draw.between(0.55, 0.85), draw.between(0.06, 0.25), draw.between(0.12, 0.35)];
        let mouth = Mouth {
            y: eyes.y + nose.length + 0.10 + mouth_room.max(0.0) * draw.between(0.2, 0.9),
            width: draw.between(0.10, 0.22),
            upper: draw.between(0.018, 0.055),
            lower: draw.between(0.025, 0.075),
            colour: mix_colour(natural, painted, if draw.chance(0.3) { draw.between(0.5, 1.0) } else { 0.1 }),
        };
        let beard = Beard {
            style: draw.choose(&BEARD_STYLES),
            colour: if draw.chance(0.25) { jitter(draw, HAIR, 0.25) } else { tint(hair.colour, 0.85) },
            size: draw.between(0.0, 1.0),
        };
        let moles = (0..draw.index(4)).map(|_| [draw.around_zero(0.28), draw.between(-0.25, 0.5)]).collect();
        let freckles = if draw.chance(0.25) { draw.between(0.4, 1.0) } else { 0.0 };
        let frame = draw.between(0.11, 0.16);
        let glasses = Glasses {
            radii: [frame, frame * draw.between(0.65, 1.0)],
            square: draw.between(0.0, 0.95),
            thickness: draw.between(0.010, 0.026),
            colour: jitter(draw, FRAMES, 0.25),
        };
        Self {
            head,
            skin,
            ears: Ears { size: draw.between(0.09, 0.17), stick_out: draw.between(0.0, 0.07) },
            eyes,
            brows,
            nose,
            mouth,
            hair,
            beard,
            freckles,
            moles,
            blush: draw.between(0.0, 0.5),
            glasses: draw.chance(0.42).then_some(glasses),
        }
    }
}

/// A tone between the lightest and the darkest, a little redder or yellower.
fn skin(draw: &mut Draw) -> [f32; 3] {
    let tone = draw.unit() * (SKIN.len() - 1) as f32;
    let (lower, warmth) = ((tone as usize).min(SKIN.len() - 2), draw.around_zero(0.09));
    let [red, green, blue] = mix_colour(SKIN[lower], SKIN[lower + 1], tone - lower as f32);
    [red * (1.0 + 0.5 * warmth), green, blue * (1.0 - warmth)]
}

/// One of the colours, varied by up to `spread` of itself.
fn jitter<const N: usize>(draw: &mut Draw, colours: [[f32; 3]; N], spread: f32) -> [f32; 3] {
    draw.choose(&colours).map(|channel| channel * mix(1.0 - spread, 1.0 + spread, draw.unit()))
}
