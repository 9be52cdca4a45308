//! The picture under construction: planar colour, painted layer by layer in the face's own coordinates.

use super::shape::mix;

/// Where the face's plane lies in the picture: a rotation, a scale and a shift.
///
/// In the plane's coordinates x runs right and y down, the origin is the middle of the head, and 1 is half the
/// picture's shorter side before scaling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Camera {
    /// Cosine and sine of the rotation in the picture's plane.
    pub(super) roll: [f32; 2],
    /// Enlargement of the face.
    pub(super) scale: f32,
    /// Where the plane's origin lies in the picture, from its middle, in halves of the shorter side.
    pub(super) shift: [f32; 2],
}

/// An axis-aligned rectangle in the face's plane that bounds a shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    /// The middle.
    pub(super) centre: [f32; 2],
    /// Half the width and half the height.
    pub(super) radii: [f32; 2],
}

/// An RGB picture with values around 0 to 1, and how much of each pixel the person covers.
pub(super) struct Canvas {
    size: [usize; 2],
    camera: Camera,
    /// Pixels per unit of the face's plane.
    density: f32,
    colour: [Vec<f32>; 3],
    subject: Vec<f32>,
}

impl Canvas {
    /// A black picture of `[height, width]` pixels.
    pub(super) fn new(size: [usize; 2], camera: Camera) -> Self {
        let pixels = size[0] * size[1];
        let density = 0.5 * size[0].min(size[1]) as f32 * camera.scale;
        Self { size, camera, density, colour: [(); 3].map(|()| vec![0.0; pixels]), subject: vec![0.0; pixels] }
    }

    /// The size of a pixel in the face's plane: the width of a sharp edge.
    pub(super) fn pixel(&self) -> f32 {
        1.0 / self.density
    }

    /// Paints one colour wherever `coverage`, a function of the plane's coordinates, is above 0.
    pub(super) fn paint(&mut self, area: Area, colour: [f32; 3], coverage: impl Fn(f32, f32) -> f32) {
        self.paint_with(area, |x, y| (coverage(x, y), colour));
    }

    /// Paints a pattern: coverage and colour are functions of the plane's coordinates.
    pub(super) fn paint_with(&mut self, area: Area, pattern: impl Fn(f32, f32) -> (f32, [f32; 3])) {
        let [[top, bottom], [left, right]] = self.bounds(area);
        let ([cos, sin], width) = (self.camera.roll, self.size[1]);
        let step = 1.0 / self.density;
        let middle = self.middle();
        for row in top..bottom {
            let span = row * width + left..row * width + right;
            let dy = (row as f32 + 0.5 - middle[1]) * step;
            let [red, green, blue] = &mut self.colour;
            let (red, green, blue) = (&mut red[span.clone()], &mut green[span.clone()], &mut blue[span.clone()]);
            let pixels = red.iter_mut().zip(green).zip(blue).zip(&mut self.subject[span]);
            for (column, (((red, green), blue), subject)) in pixels.enumerate() {
                let dx = ((left + column) as f32 + 0.5 - middle[0]) * step;
                let (cover, colour) = pattern(dx * cos + dy * sin, dy * cos - dx * sin);
                *red = mix(*red, colour[0], cover);
                *green = mix(*green, colour[1], cover);
                *blue = mix(*blue, colour[2], cover);
                *subject = mix(*subject, 1.0, cover);
            }
        }
    }

    /// Declares what has been painted so far to be background.
    pub(super) fn clear_subject(&mut self) {
        self.subject.fill(0.0);
    }

    /// Multiplies each pixel by a gain per channel, a function of (x, y, how much of the pixel the person covers).
    pub(super) fn multiply(&mut self, gain: impl Fn(f32, f32, f32) -> [f32; 3]) {
        let ([cos, sin], [height, width]) = (self.camera.roll, self.size);
        let step = 1.0 / self.density;
        let middle = self.middle();
        let [red, green, blue] = &mut self.colour;
        for row in 0..height {
            let dy = (row as f32 + 0.5 - middle[1]) * step;
            let span = row * width..(row + 1) * width;
            let (red, green, blue) = (&mut red[span.clone()], &mut green[span.clone()], &mut blue[span.clone()]);
            let pixels = red.iter_mut().zip(green).zip(blue).zip(&self.subject[span]);
            for (column, (((red, green), blue), subject)) in pixels.enumerate() {
                let dx = (column as f32 + 0.5 - middle[0]) * step;
                let gain = gain(dx * cos + dy * sin, dy * cos - dx * sin, *subject);
                *red *= gain[0];
                *green *= gain[1];
                *blue *= gain[2];
            }
        }
    }

    /// Blurs by two passes of a box of half-width `radius` pixels (a fraction counts in part) along each axis.
    pub(super) fn blur(&mut self, radius: f32) {
        let [height, width] = self.size;
        let mut line = vec![0.0; height.max(width)];
        for plane in &mut self.colour {
            for row in plane.chunks_exact_mut(width) {
                for _ in 0..2 {
                    line[..width].copy_from_slice(row);
                    box_filter(&line[..width], radius, |column, value| row[column] = value);
                }
            }
            for column in 0..width {
                for _ in 0..2 {
                    for row in 0..height {
                        line[row] = plane[row * width + column];
                    }
                    box_filter(&line[..height], radius, |row, value| plane[row * width + column] = value);
                }
            }
        }
    }

    /// Adds noise and rounds to bytes, `[height, width, RGB]`.
    ///
    /// `noise` holds four random bytes per value; their sum is close to a normal deviate of standard deviation 147.8.
    pub(super) fn develop(&self, noise: &[u8], strength: f32, picture: &mut [u8]) {
        let gain = strength * 255.0 / 147.8;
        let pixels = picture.chunks_exact_mut(3).zip(noise.chunks_exact(12));
        for (index, (pixel, noise)) in pixels.enumerate() {
            for channel in 0..3 {
                let sum: i32 = noise[4 * channel..4 * channel + 4].iter().map(|&byte| i32::from(byte)).sum();
                // The conversion saturates.
                pixel[channel] = (self.colour[channel][index] * 255.0 + (sum - 510) as f32 * gain + 0.5) as u8;
            }
        }
    }

    /// The origin of the face's plane, in pixels.
    fn middle(&self) -> [f32; 2] {
        let half = 0.5 * self.size[0].min(self.size[1]) as f32;
        [
            0.5 * self.size[1] as f32 + self.camera.shift[0] * half,
            0.5 * self.size[0] as f32 + self.camera.shift[1] * half,
        ]
    }

    /// The rows and columns that an area may touch.
    fn bounds(&self, area: Area) -> [[usize; 2]; 2] {
        let ([cos, sin], [x, y], [rx, ry]) = (self.camera.roll, area.centre, area.radii);
        let middle = self.middle();
        let span = |centre: f32, radius: f32, length: usize| {
            let radius = radius * self.density + 1.0;
            // Negative values become 0.
            [((centre - radius) as usize).min(length), ((centre + radius + 1.0) as usize).min(length)]
        };
        let rows = (x * sin + y * cos) * self.density + middle[1];
        let columns = (x * cos - y * sin) * self.density + middle[0];
        let (cos, sin) = (cos.abs(), sin.abs());
        [span(rows, rx * sin + ry * cos, self.size[0]), span(columns, rx * cos + ry * sin, self.size[1])]
    }
}

/// Averages `line` over a box of half-width `radius` around each place, repeating its ends.
fn box_filter(line: &[f32], radius: f32, mut put: impl FnMut(usize, f32)) {
    let (last, whole) = (line.len() - 1, radius as usize);
    let (part, scale) = (radius - whole as f32, 1.0 / (2.0 * radius + 1.0));
    for place in 0..line.len() {
        let at = |offset: usize| line[place.saturating_sub(offset)] + line[(place + offset).min(last)];
        let mut sum = line[place];
        for offset in 1..=whole {
            sum += at(offset);
        }
        put(place, (sum + part * at(whole + 1)) * scale);
    }
}
