//! The appearance of a person: everything that is the same in all their images.

use crate::synthetic::random_stream::{Purpose, RandomStream};
use crate::synthetic::shape::{lerp, lerp_color, scale_color};

/// The appearance of one person. Lengths are in units of the face plane (see `Camera`), angles are
/// slopes, y points down.
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
    /// From the center to the crown.
    pub(super) crown: f32,
    /// From the center to the chin.
    pub(super) jaw: f32,
    /// Relative narrowing from cheekbones to jaw, 0 to 1.
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
    /// Slope that raises the outer corner.
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
    pub(super) color: [f32; 3],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Nose {
    /// From the level of the eyes to the tip.
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
    pub(super) color: [f32; 3],
}

/// The hairstyle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HairStyle {
    Bald,
    Horseshoe,
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
    pub(super) color: [f32; 3],
    /// Thickness above the head.
    pub(super) volume: f32,
    /// Height of the hairline.
    pub(super) line: f32,
    /// Position of the parting, from -1 (left) to 1.
    pub(super) part: f32,
    /// Lower end of long hair.
    pub(super) length: f32,
    /// Contrast of the strand pattern.
    pub(super) strands: f32,
}

/// The style of facial hair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BeardStyle {
    None,
    Stubble,
    Mustache,
    Goatee,
    Full,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Beard {
    pub(super) style: BeardStyle,
    pub(super) color: [f32; 3],
    pub(super) size: f32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Glasses {
    pub(super) radii: [f32; 2],
    pub(super) square: f32,
    pub(super) thickness: f32,
    pub(super) color: [f32; 3],
}

/// Skin tones from the lightest to the darkest.
const SKIN_TONES: [[f32; 3]; 5] =
    [[0.98, 0.84, 0.75], [0.93, 0.73, 0.58], [0.80, 0.58, 0.42], [0.58, 0.39, 0.27], [0.37, 0.24, 0.17]];

/// Natural hair colors.
const HAIR_COLORS: [[f32; 3]; 9] = [
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

/// Dyed hair colors.
const DYED_HAIR_COLORS: [[f32; 3]; 4] =
    [[0.20, 0.32, 0.66], [0.82, 0.30, 0.52], [0.16, 0.52, 0.45], [0.48, 0.26, 0.62]];

const IRIS_COLORS: [[f32; 3]; 6] = [
    [0.20, 0.11, 0.06],
    [0.42, 0.24, 0.10],
    [0.48, 0.42, 0.16],
    [0.22, 0.50, 0.26],
    [0.20, 0.46, 0.76],
    [0.50, 0.57, 0.62],
];

const FRAME_COLORS: [[f32; 3]; 5] =
    [[0.08, 0.08, 0.09], [0.36, 0.18, 0.08], [0.75, 0.60, 0.25], [0.70, 0.12, 0.14], [0.12, 0.22, 0.55]];

const HAIR_STYLES: [HairStyle; 11] = [
    HairStyle::Bald,
    HairStyle::Horseshoe,
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
    BeardStyle::Mustache,
    BeardStyle::Goatee,
    BeardStyle::Full,
];

impl Identity {
    /// The appearance of a person.
    pub(super) fn sample(seed: u64, person: u64) -> Self {
        let mut random = RandomStream::new(seed, person, Purpose::Identity, 0);
        let random = &mut random;
        let head = Head {
            width: random.uniform(0.40, 0.53),
            crown: random.uniform(0.58, 0.68),
            jaw: random.uniform(0.56, 0.72),
            taper: random.uniform(0.0, 0.42),
            square: random.uniform(0.0, 0.85),
        };
        let skin = skin(random);
        let hair = Hair {
            style: random.choose(&HAIR_STYLES),
            color: if random.chance(0.22) {
                jitter(random, DYED_HAIR_COLORS, 0.25)
            } else {
                jitter(random, HAIR_COLORS, 0.25)
            },
            volume: random.uniform(0.05, 0.15),
            line: random.uniform(-0.46, -0.26),
            part: random.symmetric(0.65),
            length: random.uniform(0.55, 1.1),
            strands: random.uniform(0.05, 0.22),
        };
        let eyes = Eyes {
            spacing: head.width * random.uniform(0.36, 0.52),
            y: random.uniform(-0.09, 0.05),
            width: random.uniform(0.085, 0.135),
            opening: random.uniform(0.36, 0.85),
            tilt: random.symmetric(0.28),
            iris: jitter(random, IRIS_COLORS, 0.2),
            iris_size: random.uniform(0.46, 0.60),
            lashes: random.uniform(0.010, 0.034),
        };
        let brow_color =
            if random.chance(0.35) { jitter(random, HAIR_COLORS, 0.25) } else { scale_color(hair.color, 0.75) };
        let brows = Brows {
            thickness: random.uniform(0.012, 0.045),
            length: random.uniform(0.10, 0.16),
            height: random.uniform(0.10, 0.19),
            tilt: random.symmetric(0.35),
            arch: random.uniform(0.0, 0.07),
            color: brow_color,
        };
        let nose = Nose {
            length: random.uniform(0.18, 0.34),
            width: random.uniform(0.055, 0.135),
            bridge: random.uniform(0.02, 0.05),
            lift: random.uniform(0.10, 0.22),
        };
        let mouth_room = head.jaw - 0.20 - (eyes.y + nose.length + 0.10);
        let natural = [skin[0] * 0.85, skin[1] * 0.58, skin[2] * 0.60];
        let lipstick = [random.uniform(0.55, 0.85), random.uniform(0.06, 0.25), random.uniform(0.12, 0.35)];
        let mouth = Mouth {
            y: eyes.y + nose.length + 0.10 + mouth_room.max(0.0) * random.uniform(0.2, 0.9),
            width: random.uniform(0.10, 0.22),
            upper: random.uniform(0.018, 0.055),
            lower: random.uniform(0.025, 0.075),
            color: lerp_color(natural, lipstick, if random.chance(0.3) { random.uniform(0.5, 1.0) } else { 0.1 }),
        };
        let beard = Beard {
            style: random.choose(&BEARD_STYLES),
            color: if random.chance(0.25) { jitter(random, HAIR_COLORS, 0.25) } else { scale_color(hair.color, 0.85) },
            size: random.uniform(0.0, 1.0),
        };
        let moles = (0..random.index(4)).map(|_| [random.symmetric(0.28), random.uniform(-0.25, 0.5)]).collect();
        let freckles = if random.chance(0.25) { random.uniform(0.4, 1.0) } else { 0.0 };
        let frame = random.uniform(0.11, 0.16);
        let glasses = Glasses {
            radii: [frame, frame * random.uniform(0.65, 1.0)],
            square: random.uniform(0.0, 0.95),
            thickness: random.uniform(0.010, 0.026),
            color: jitter(random, FRAME_COLORS, 0.25),
        };
        Self {
            head,
            skin,
            ears: Ears { size: random.uniform(0.09, 0.17), stick_out: random.uniform(0.0, 0.07) },
            eyes,
            brows,
            nose,
            mouth,
            hair,
            beard,
            freckles,
            moles,
            blush: random.uniform(0.0, 0.5),
            glasses: random.chance(0.42).then_some(glasses),
        }
    }
}

/// A tone between the lightest and the darkest, slightly redder or yellower.
fn skin(random: &mut RandomStream) -> [f32; 3] {
    let tone = random.unit() * (SKIN_TONES.len() - 1) as f32;
    let (lower, warmth) = ((tone as usize).min(SKIN_TONES.len() - 2), random.symmetric(0.09));
    let [red, green, blue] = lerp_color(SKIN_TONES[lower], SKIN_TONES[lower + 1], tone - lower as f32);
    [red * (1.0 + 0.5 * warmth), green, blue * (1.0 - warmth)]
}

/// One of the colors, each channel scaled by up to `1 - spread` to `1 + spread`.
fn jitter<const N: usize>(random: &mut RandomStream, colors: [[f32; 3]; N], spread: f32) -> [f32; 3] {
    random.choose(&colors).map(|channel| channel * lerp(1.0 - spread, 1.0 + spread, random.unit()))
}
