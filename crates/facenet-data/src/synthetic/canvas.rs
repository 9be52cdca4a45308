//! The canvas: planar RGB, composed layer by layer in the coordinates of the face plane.

use crate::synthetic::shape::lerp;

/// Maps the face plane to the image: a rotation, a scale and a translation.
///
/// In the face plane x points right and y down, the origin is the center of the head, and 1 is half
/// the image's shorter side before scaling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Camera {
    /// Cosine and sine of the in-plane rotation.
    pub(super) roll: [f32; 2],
    /// Scale of the face.
    pub(super) scale: f32,
    /// Position of the plane's origin relative to the image center, in halves of the shorter side.
    pub(super) shift: [f32; 2],
}

/// An axis-aligned bounding box of a shape in the face plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoundingBox {
    /// The center.
    pub(super) center: [f32; 2],
    /// Half the width and half the height.
    pub(super) radii: [f32; 2],
}

/// An RGB image with values of about 0 to 1, and the fraction of each pixel that the person covers.
pub(super) struct Canvas {
    size: [usize; 2],
    camera: Camera,
    /// Pixels per unit of the face plane.
    density: f32,
    color: [Vec<f32>; 3],
    subject: Vec<f32>,
}

impl Canvas {
    /// A black canvas of `[height, width]` pixels.
    pub(super) fn new(size: [usize; 2], camera: Camera) -> Self {
        let pixels = size[0] * size[1];
        let density = 0.5 * size[0].min(size[1]) as f32 * camera.scale;
        Self { size, camera, density, color: [(); 3].map(|()| vec![0.0; pixels]), subject: vec![0.0; pixels] }
    }

    /// The size of a pixel in the face plane, which is the width of a sharp edge.
    pub(super) fn pixel(&self) -> f32 {
        1.0 / self.density
    }

    /// Composites one color with opacity `coverage`, a function of the plane coordinates.
    pub(super) fn fill(&mut self, area: BoundingBox, color: [f32; 3], coverage: impl Fn(f32, f32) -> f32) {
        self.fill_with(area, |x, y| (coverage(x, y), color));
    }

    /// Composites a pattern: opacity and color are functions of the plane coordinates.
    pub(super) fn fill_with(&mut self, area: BoundingBox, pattern: impl Fn(f32, f32) -> (f32, [f32; 3])) {
        let [[top, bottom], [left, right]] = self.pixel_bounds(area);
        let ([cos, sin], width) = (self.camera.roll, self.size[1]);
        let step = 1.0 / self.density;
        let origin = self.origin();
        for row in top..bottom {
            let span = row * width + left..row * width + right;
            let dy = (row as f32 + 0.5 - origin[1]) * step;
            let [red, green, blue] = &mut self.color;
            let (red, green, blue) = (&mut red[span.clone()], &mut green[span.clone()], &mut blue[span.clone()]);
            let pixels = red.iter_mut().zip(green).zip(blue).zip(&mut self.subject[span]);
            for (column, (((red, green), blue), subject)) in pixels.enumerate() {
                let dx = ((left + column) as f32 + 0.5 - origin[0]) * step;
                let (cover, color) = pattern(dx * cos + dy * sin, dy * cos - dx * sin);
                *red = lerp(*red, color[0], cover);
                *green = lerp(*green, color[1], cover);
                *blue = lerp(*blue, color[2], cover);
                *subject = lerp(*subject, 1.0, cover);
            }
        }
    }

    /// Marks everything drawn so far as background.
    pub(super) fn mark_background(&mut self) {
        self.subject.fill(0.0);
    }

    /// Multiplies each pixel by a gain per channel, a function of x, y and the fraction of the
    /// pixel that the person covers.
    pub(super) fn multiply(&mut self, gain: impl Fn(f32, f32, f32) -> [f32; 3]) {
        let ([cos, sin], [height, width]) = (self.camera.roll, self.size);
        let step = 1.0 / self.density;
        let origin = self.origin();
        let [red, green, blue] = &mut self.color;
        for row in 0..height {
            let dy = (row as f32 + 0.5 - origin[1]) * step;
            let span = row * width..(row + 1) * width;
            let (red, green, blue) = (&mut red[span.clone()], &mut green[span.clone()], &mut blue[span.clone()]);
            let pixels = red.iter_mut().zip(green).zip(blue).zip(&self.subject[span]);
            for (column, (((red, green), blue), subject)) in pixels.enumerate() {
                let dx = (column as f32 + 0.5 - origin[0]) * step;
                let gain = gain(dx * cos + dy * sin, dy * cos - dx * sin, *subject);
                *red *= gain[0];
                *green *= gain[1];
                *blue *= gain[2];
            }
        }
    }

    /// Blurs by two passes of a box filter of half-width `radius` pixels (fractions are weighted)
    /// along each axis.
    pub(super) fn blur(&mut self, radius: f32) {
        let [height, width] = self.size;
        let mut line = vec![0.0; height.max(width)];
        for plane in &mut self.color {
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

    /// Adds noise and rounds to 8 bits: writes `[height, width, 3]` to `image`.
    ///
    /// `noise` holds four random bytes per value; their sum is approximately normal with standard
    /// deviation 147.8.
    pub(super) fn add_noise_and_quantize(&self, noise: &[u8], strength: f32, image: &mut [u8]) {
        let gain = strength * 255.0 / 147.8;
        let pixels = image.chunks_exact_mut(3).zip(noise.chunks_exact(12));
        for (index, (pixel, noise)) in pixels.enumerate() {
            for channel in 0..3 {
                let sum: i32 = noise[4 * channel..4 * channel + 4].iter().map(|&byte| i32::from(byte)).sum();
                // The conversion saturates.
                pixel[channel] = (self.color[channel][index] * 255.0 + (sum - 510) as f32 * gain + 0.5) as u8;
            }
        }
    }

    /// The origin of the face plane, in pixels.
    fn origin(&self) -> [f32; 2] {
        let half = 0.5 * self.size[0].min(self.size[1]) as f32;
        [
            0.5 * self.size[1] as f32 + self.camera.shift[0] * half,
            0.5 * self.size[0] as f32 + self.camera.shift[1] * half,
        ]
    }

    /// The ranges of rows and columns that a bounding box may touch.
    fn pixel_bounds(&self, area: BoundingBox) -> [[usize; 2]; 2] {
        let ([cos, sin], [x, y], [rx, ry]) = (self.camera.roll, area.center, area.radii);
        let origin = self.origin();
        let span = |center: f32, radius: f32, length: usize| {
            let radius = radius * self.density + 1.0;
            // The casts clamp negative values to 0.
            [((center - radius) as usize).min(length), ((center + radius + 1.0) as usize).min(length)]
        };
        let rows = (x * sin + y * cos) * self.density + origin[1];
        let columns = (x * cos - y * sin) * self.density + origin[0];
        let (cos, sin) = (cos.abs(), sin.abs());
        [span(rows, rx * sin + ry * cos, self.size[0]), span(columns, rx * cos + ry * sin, self.size[1])]
    }
}

/// Averages `line` over a box of half-width `radius` around each position, replicating its ends.
fn box_filter(line: &[f32], radius: f32, mut put: impl FnMut(usize, f32)) {
    let (last, integer) = (line.len() - 1, radius as usize);
    let (fraction, scale) = (radius - integer as f32, 1.0 / (2.0 * radius + 1.0));
    for position in 0..line.len() {
        let at = |offset: usize| line[position.saturating_sub(offset)] + line[(position + offset).min(last)];
        let mut sum = line[position];
        for offset in 1..=integer {
            sum += at(offset);
        }
        put(position, (sum + fraction * at(integer + 1)) * scale);
    }
}
