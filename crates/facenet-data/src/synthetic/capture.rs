//! Capture conditions: everything that varies between images of one person and says nothing about
//! their identity.

use crate::synthetic::canvas::Camera;
use crate::synthetic::identity::{Head, Identity};
use crate::synthetic::random_stream::{Purpose, RandomStream};

/// Strength of each variation: higher values make recognition harder.
mod strength {
    /// Largest sine of the yaw.
    pub(super) const YAW: f32 = 0.34;
    /// Largest sine of the pitch.
    pub(super) const PITCH: f32 = 0.18;
    /// Largest tangent of half the roll.
    pub(super) const ROLL: f32 = 0.10;
    /// Largest translation, in halves of the shorter side.
    pub(super) const SHIFT: f32 = 0.10;
    /// Mean scale of the face: at 1 the head takes a little more than half the image.
    pub(super) const SIZE: f32 = 1.25;
    /// Largest change of scale.
    pub(super) const SCALE: f32 = 0.10;
    /// Strength of expressions: mouth, brows, eyelids.
    pub(super) const EXPRESSION: f32 = 1.0;
    /// Largest fraction of directional light.
    pub(super) const DIRECTIONAL_LIGHT: f32 = 0.65;
    /// Largest relative change of red and, in the opposite direction, of blue.
    pub(super) const TEMPERATURE: f32 = 0.10;
    /// Lowest and highest exposure.
    pub(super) const EXPOSURE: [f32; 2] = [0.7, 1.2];
    /// Largest half-width of the box blur, as a fraction of the shorter side.
    pub(super) const BLUR: f32 = 0.008;
    /// Largest standard deviation of the sensor noise, full scale 1.
    pub(super) const NOISE: f32 = 0.035;
    /// Fraction of images with an occluded face.
    pub(super) const OCCLUSION: f32 = 0.05;
    /// Fraction of images in which a person with glasses does not wear them.
    pub(super) const GLASSES_OFF: f32 = 0.05;
}

/// Something in front of the face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Occlusion {
    None,
    /// A straight bar through a point, with a direction and a half-width.
    Bar {
        at: [f32; 2],
        direction: [f32; 2],
        radius: f32,
        color: [f32; 3],
    },
    /// A hand reaching up from below on one side (-1 or 1) to height `y`.
    Hand {
        side: f32,
        y: f32,
    },
    /// Sunglasses.
    Sunglasses,
    /// A mask over mouth and nose.
    Mask {
        color: [f32; 3],
    },
}

/// A shape in the background.
#[derive(Clone, Copy, Debug)]
pub(super) struct BackgroundShape {
    pub(super) center: [f32; 2],
    pub(super) radii: [f32; 2],
    pub(super) square: f32,
    pub(super) color: [f32; 3],
    pub(super) stripes: f32,
}

/// The capture conditions of one image.
#[derive(Clone, Debug)]
pub(super) struct Capture {
    pub(super) camera: Camera,
    /// Sine and cosine of the yaw.
    pub(super) yaw: [f32; 2],
    /// Sine and cosine of the pitch.
    pub(super) pitch: [f32; 2],
    pub(super) smile: f32,
    pub(super) mouth_open: f32,
    pub(super) brow_raise: f32,
    /// 0 for open eyes, 1 for closed eyes.
    pub(super) eyes_closed: f32,
    pub(super) gaze: [f32; 2],
    pub(super) light: Light,
    pub(super) blur: f32,
    pub(super) noise: f32,
    pub(super) occlusion: Occlusion,
    pub(super) wears_glasses: bool,
    pub(super) background: [[f32; 3]; 2],
    pub(super) background_shapes: Vec<BackgroundShape>,
    pub(super) shirt: [[f32; 3]; 2],
    pub(super) collar: f32,
}

/// The lighting of the scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// Unit vector from the face to the light: right, down, towards the camera.
    pub(super) direction: [f32; 3],
    /// The fraction of directional light.
    pub(super) directional: f32,
    /// Exposure and color temperature, per channel.
    pub(super) gain: [f32; 3],
}

/// The projection of a point of the face, with the local foreshortening.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProjectedPoint {
    pub(super) center: [f32; 2],
    pub(super) scale: [f32; 2],
}

impl Capture {
    /// The conditions of image number `image` of a person.
    pub(super) fn sample(seed: u64, person: u64, image: u64) -> Self {
        let mut random = RandomStream::new(seed, person, Purpose::Capture, image);
        let random = &mut random;
        let sine_and_cosine = |sine: f32| [sine, (1.0 - sine * sine).sqrt()];
        let half = random.triangular(strength::ROLL);
        let roll = [(1.0 - half * half) / (1.0 + half * half), 2.0 * half / (1.0 + half * half)];
        let camera = Camera {
            roll,
            scale: strength::SIZE + random.symmetric(strength::SCALE),
            shift: [random.symmetric(strength::SHIFT), random.symmetric(strength::SHIFT)],
        };
        let blink = random.unit();
        Self {
            camera,
            yaw: sine_and_cosine(random.symmetric(strength::YAW)),
            pitch: sine_and_cosine(random.symmetric(strength::PITCH)),
            smile: random.uniform(-0.35, 1.0) * strength::EXPRESSION,
            mouth_open: (random.uniform(-0.8, 1.0) * strength::EXPRESSION).max(0.0),
            brow_raise: random.triangular(0.05) * strength::EXPRESSION,
            eyes_closed: if blink < 0.08 { 0.9 } else { random.uniform(0.0, 0.35) } * strength::EXPRESSION,
            gaze: [random.triangular(0.3), random.triangular(0.15)],
            light: light(random),
            blur: random.unit() * random.unit() * strength::BLUR,
            noise: random.unit() * random.unit() * strength::NOISE,
            occlusion: occlusion(random),
            wears_glasses: !random.chance(strength::GLASSES_OFF),
            background: [random.color(), random.color()],
            background_shapes: (0..3 + random.index(5)).map(|_| background_shape(random)).collect(),
            shirt: [random.color(), random.color()],
            collar: random.uniform(0.10, 0.32),
        }
    }

    /// Projects a point of the face: `x` and `y` in the frontal view, `lift` its height above the
    /// head's ellipsoid.
    pub(super) fn project(&self, head: &Head, x: f32, y: f32, lift: f32) -> ProjectedPoint {
        const DEPTH: f32 = 0.46;
        let height = if y < 0.0 { head.crown } else { head.jaw } * 1.05;
        let (across, along) = (x / (head.width * 1.05), y / height);
        let depth = DEPTH * (1.0 - across * across - along * along).max(0.12).sqrt();
        let slope = -across * DEPTH * DEPTH / (head.width * 1.05 * depth);
        let ([sin_yaw, cos_yaw], [sin_pitch, cos_pitch]) = (self.yaw, self.pitch);
        // The head rotates about an axis behind the face; the camera follows a part of the
        // resulting motion.
        let depth = depth + lift - 0.22;
        ProjectedPoint {
            center: [x * cos_yaw + depth * sin_yaw, y * cos_pitch + depth * sin_pitch],
            scale: [(cos_yaw + sin_yaw * slope).max(0.35), cos_pitch],
        }
    }

    /// Whether the person wears their own glasses in this image.
    pub(super) fn shows_glasses(&self, identity: &Identity) -> bool {
        self.wears_glasses && identity.glasses.is_some() && self.occlusion != Occlusion::Sunglasses
    }
}

fn light(random: &mut RandomStream) -> Light {
    let (x, y, z) = (random.symmetric(1.0), random.uniform(-0.9, 0.35), random.uniform(0.25, 0.9));
    let length = (x * x + y * y + z * z).sqrt();
    let exposure = random.uniform(strength::EXPOSURE[0], strength::EXPOSURE[1]);
    let temperature = random.symmetric(strength::TEMPERATURE);
    Light {
        direction: [x / length, y / length, z / length],
        directional: random.unit() * strength::DIRECTIONAL_LIGHT,
        gain: [exposure * (1.0 + temperature), exposure, exposure * (1.0 - temperature)],
    }
}

fn occlusion(random: &mut RandomStream) -> Occlusion {
    if !random.chance(strength::OCCLUSION) {
        return Occlusion::None;
    }
    match random.index(6) {
        0 => Occlusion::Sunglasses,
        1 => Occlusion::Mask { color: random.color() },
        2 | 3 => Occlusion::Hand { side: random.choose(&[-1.0, 1.0]), y: random.uniform(0.05, 0.45) },
        _ => Occlusion::Bar {
            at: [random.symmetric(0.5), random.symmetric(0.55)],
            direction: [random.symmetric(1.0), random.symmetric(1.0)],
            radius: random.uniform(0.05, 0.12),
            color: random.color(),
        },
    }
}

fn background_shape(random: &mut RandomStream) -> BackgroundShape {
    BackgroundShape {
        center: [random.symmetric(1.2), random.symmetric(1.2)],
        radii: [random.uniform(0.1, 0.8), random.uniform(0.1, 0.8)],
        square: if random.chance(0.6) { 0.98 } else { 0.0 },
        color: random.color(),
        stripes: if random.chance(0.4) { random.uniform(1.5, 6.0) } else { 0.0 },
    }
}
