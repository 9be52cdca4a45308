//! How one picture of a person was taken: everything that says nothing about who it is.

use super::canvas::Camera;
use super::draw::{Draw, Purpose};
use super::identity::{Head, Identity};

/// How strong each disturbance is: raise these to make recognition harder, lower them to make it easier.
mod strength {
    /// Largest sine of the turn to the left or right.
    pub(super) const YAW: f32 = 0.34;
    /// Largest sine of the nod.
    pub(super) const PITCH: f32 = 0.18;
    /// Largest tangent of half the tilt in the picture's plane.
    pub(super) const ROLL: f32 = 0.10;
    /// Largest shift, in halves of the shorter side.
    pub(super) const SHIFT: f32 = 0.10;
    /// Mean enlargement of the face: at 1 the head takes a little more than half the picture.
    pub(super) const SIZE: f32 = 1.25;
    /// Largest change of it.
    pub(super) const SCALE: f32 = 0.10;
    /// How strongly the face moves: mouth, brows, eyelids.
    pub(super) const EXPRESSION: f32 = 1.0;
    /// Largest share of the light that comes from one direction.
    pub(super) const DIRECTION: f32 = 0.65;
    /// Largest relative change of red against blue.
    pub(super) const TEMPERATURE: f32 = 0.10;
    /// Lowest and highest exposure.
    pub(super) const EXPOSURE: [f32; 2] = [0.7, 1.2];
    /// Largest half-width of the blur's box, as a share of the shorter side.
    pub(super) const BLUR: f32 = 0.008;
    /// Largest standard deviation of the sensor's noise, full scale 1.
    pub(super) const NOISE: f32 = 0.035;
    /// Share of pictures in which something covers part of the face.
    pub(super) const OCCLUSION: f32 = 0.05;
    /// Share of pictures in which people with glasses have taken them off.
    pub(super) const GLASSES_OFF: f32 = 0.05;
}

/// Something in front of the face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Occlusion {
    None,
    /// A straight object: a point on it, its direction, its half-width.
    Bar {
        at: [f32; 2],
        direction: [f32; 2],
        radius: f32,
        colour: [f32; 3],
    },
    /// A hand that comes up from below on one side (-1 or 1), up to a height.
    Hand {
        side: f32,
        y: f32,
    },
    /// Dark glasses.
    Sunglasses,
    /// A cloth over mouth and nose.
    Mask {
        colour: [f32; 3],
    },
}

/// One shape of the background.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prop {
    pub(super) centre: [f32; 2],
    pub(super) radii: [f32; 2],
    pub(super) square: f32,
    pub(super) colour: [f32; 3],
    pub(super) stripes: f32,
}

/// How one picture was taken.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) camera: Camera,
    /// Sine and cosine of the turn to the side.
    pub(super) yaw: [f32; 2],
    /// Sine and cosine of the nod.
    pub(super) pitch: [f32; 2],
    pub(super) smile: f32,
    pub(super) mouth_open: f32,
    pub(super) brow_raise: f32,
    /// 0 for open eyes, 1 for closed ones.
    pub(super) eyes_closed: f32,
    pub(super) gaze: [f32; 2],
    pub(super) light: Light,
    pub(super) blur: f32,
    pub(super) noise: f32,
    pub(super) occlusion: Occlusion,
    pub(super) wears_glasses: bool,
    pub(super) backdrop: [[f32; 3]; 2],
    pub(super) props: Vec<Prop>,
    pub(super) shirt: [[f32; 3]; 2],
    pub(super) collar: f32,
}

/// The light on the scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// Unit vector from the face to the light: right, down, towards the camera.
    pub(super) direction: [f32; 3],
    /// The share of the light that comes from there.
    pub(super) share: f32,
    /// Exposure and colour temperature, per channel.
    pub(super) gain: [f32; 3],
}

/// A point of the face as the camera sees it, with the foreshortening there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) centre: [f32; 2],
    pub(super) scale: [f32; 2],
}

impl Picture {
    /// The picture with this number.
    pub(super) fn draw(seed: u64, identity: u64, picture: u64) -> Self {
        let mut draw = Draw::new(seed, identity, Purpose::Picture, picture);
        let draw = &mut draw;
        let turn = |sine: f32| [sine, (1.0 - sine * sine).sqrt()];
        let half = draw.mostly_small(strength::ROLL);
        let roll = [(1.0 - half * half) / (1.0 + half * half), 2.0 * half / (1.0 + half * half)];
        let camera = Camera {
            roll,
            scale: strength::SIZE + draw.around_zero(strength::SCALE),
            shift: [draw.around_zero(strength::SHIFT), draw.around_zero(strength::SHIFT)],
        };
        let blink = draw.unit();
        Self {
            camera,
            yaw: turn(draw.around_zero(strength::YAW)),
            pitch: turn(draw.around_zero(strength::PITCH)),
            smile: draw.between(-0.35, 1.0) * strength::EXPRESSION,
            mouth_open: (draw.between(-0.8, 1.0) * strength::EXPRESSION).max(0.0),
            brow_raise: draw.mostly_small(0.05) * strength::EXPRESSION,
            eyes_closed: if blink < 0.08 { 0.9 } else { draw.between(0.0, 0.35) } * strength::EXPRESSION,
            gaze: [draw.mostly_small(0.3), draw.mostly_small(0.15)],
            light: light(draw),
            blur: draw.unit() * draw.unit() * strength::BLUR,
            noise: draw.unit() * draw.unit() * strength::NOISE,
            occlusion: occlusion(draw),
            wears_glasses: !draw.chance(strength::GLASSES_OFF),
            backdrop: [draw.colour(), draw.colour()],
            props: (0..3 + draw.index(5)).map(|_| prop(draw)).collect(),
            shirt: [draw.colour(), draw.colour()],
            collar: draw.between(0.10, 0.32),
        }
    }

    /// Where a point of the face is seen: `x` and `y` on the face seen from the front, `lift` its height above the
    /// head's ellipsoid.
    pub(super) fn place(&self, head: &Head, x: f32, y: f32, lift: f32) -> Placed {
        const DEPTH: f32 = 0.46;
        let height = if y < 0.0 { head.crown } else { head.jaw } * 1.05;
        let (across, along) = (x / (head.width * 1.05), y / height);
        let depth = DEPTH * (1.0 - across * across - along * along).max(0.12).sqrt();
        let slope = -across * DEPTH * DEPTH / (head.width * 1.05 * depth);
        let ([sin_yaw, cos_yaw], [sin_pitch, cos_pitch]) = (self.yaw, self.pitch);
        // The head turns about an axis behind the face, so a part of the shift is the camera's, which follows the face.
        let depth = depth + lift - 0.22;
        Placed {
            centre: [x * cos_yaw + depth * sin_yaw, y * cos_pitch + depth * sin_pitch],
            scale: [(cos_yaw + sin_yaw * slope).max(0.35), cos_pitch],
        }
    }

    /// Whether the person wears their own glasses in this picture.
    pub(super) fn shows_glasses(&self, identity: &Identity) -> bool {
        self.wears_glasses && identity.glasses.is_some() && self.occlusion != Occlusion::Sunglasses
    }
}

fn light(draw: &mut Draw) -> Light {
    let (x, y, z) = (draw.around_zero(1.0), draw.between(-0.9, 0.35), draw.between(0.25, 0.9));
    let length = (x * x + y * y + z * z).sqrt();
    let exposure = draw.between(strength::EXPOSURE[0], strength::EXPOSURE[1]);
    let temperature = draw.around_zero(strength::TEMPERATURE);
    Light {
        direction: [x / length, y / length, z / length],
        share: draw.unit() * strength::DIRECTION,
        gain: [exposure * (1.0 + temperature), exposure, exposure * (1.0 - temperature)],
    }
}

fn occlusion(draw: &mut Draw) -> Occlusion {
    if !draw.chance(strength::OCCLUSION) {
        return Occlusion::None;
    }
    match draw.index(6) {
        0 => Occlusion::Sunglasses,
        1 => Occlusion::Mask { colour: draw.colour() },
        2 | 3 => Occlusion::Hand { side: draw.choose(&[-1.0, 1.0]), y: draw.between(0.05, 0.45) },
        _ => Occlusion::Bar {
            at: [draw.around_zero(0.5), draw.around_zero(0.55)],
            direction: [draw.around_zero(1.0), draw.around_zero(1.0)],
            radius: draw.between(0.05, 0.12),
            colour: draw.colour(),
        },
    }
}

fn prop(draw: &mut Draw) -> Prop {
    Prop {
        centre: [draw.around_zero(1.2), draw.around_zero(1.2)],
        radii: [draw.between(0.1, 0.8), draw.between(0.1, 0.8)],
        square: if draw.chance(0.6) { 0.98 } else { 0.0 },
        colour: draw.colour(),
        stripes: if draw.chance(0.4) { draw.between(1.5, 6.0) } else { 0.0 },
    }
}
