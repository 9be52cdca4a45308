//! Affine maps of a face.

/// Maps each pixel of the result to its source position: `source = matrix * (column, row) +
/// origin`, in coordinates of pixel centers.
pub(super) struct AffineMap {
    matrix: [[f64; 2]; 2],
    origin: [f64; 2],
}

impl AffineMap {
    /// The inverse of: flip horizontally, rotate (from the x axis towards the y axis) and scale
    /// about the center, then translate by `[x, y]` pixels.
    pub(super) fn new([height, width]: [usize; 2], flipped: bool, shift: [f64; 2], scale: f64, degrees: f64) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (sin, cos) = (sin / scale, cos / scale);
        let mirror = if flipped { -1.0 } else { 1.0 };
        let matrix = [[mirror * cos, mirror * sin], [-sin, cos]];
        let center = [(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0];
        let moved = [center[0] + shift[0], center[1] + shift[1]];
        let origin = [0, 1].map(|axis| center[axis] - matrix[axis][0] * moved[0] - matrix[axis][1] * moved[1]);
        Self { matrix, origin }
    }

    /// Samples bilinearly, replicating edge pixels. `packed` is scratch memory.
    ///
    /// Positions have 32 fractional bits, of which 12 are used as interpolation weights; a map onto
    /// whole pixels copies them exactly. The channels of a pixel are packed 21 bits apart into one
    /// word, so that sums of four products of 8 and 12 bits do not overlap.
    pub(super) fn apply(&self, face: &[u8], [height, width]: [usize; 2], packed: &mut Vec<u64>, augmented: &mut [u8]) {
        const ONE: f64 = (1_u64 << 32) as f64;
        const HALVES: u64 = 1 << 11 | 1 << 32 | 1 << 53;
        let fixed = |value: f64| (value * ONE).round() as i64;
        let [step_x, step_y] = [fixed(self.matrix[0][0]), fixed(self.matrix[1][0])];
        let (last_column, last_row) = (width as i64 - 1, height as i64 - 1);
        packed.clear();
        packed
            .extend(face.as_chunks().0.iter().map(|&[r, g, b]| u64::from(r) | u64::from(g) << 21 | u64::from(b) << 42));
        for (row, out) in augmented.chunks_exact_mut(width * 3).enumerate() {
            let start = |axis: usize| fixed(self.matrix[axis][1] * row as f64 + self.origin[axis]);
            let (mut x, mut y) = (start(0), start(1));
            for pixel in out.as_chunks_mut::<3>().0 {
                let (column, line) = (x >> 32, y >> 32);
                let corners = if (0..last_column).contains(&column) && (0..last_row).contains(&line) {
                    let at = line as usize * width + column as usize;
                    [at, at + 1, at + width, at + width + 1]
                } else {
                    let [left, right] = [column, column + 1].map(|column| column.clamp(0, last_column) as usize);
                    let [upper, lower] = [line, line + 1].map(|line| line.clamp(0, last_row) as usize * width);
                    [upper + left, upper + right, lower + left, lower + right]
                };
                let (fx, fy) = (x as u64 >> 20 & 4095, y as u64 >> 20 & 4095);
                let both = (fx * fy + 2048) >> 12;
                let weights = [4096 + both - fx - fy, fx - both, fy - both, both];
                let sum = HALVES + (0..4).map(|corner| packed[corners[corner]] * weights[corner]).sum::<u64>();
                *pixel = [(sum >> 12) as u8, (sum >> 33) as u8, (sum >> 54) as u8];
                x += step_x;
                y += step_y;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bilinear sampling in f64, edges replicated.
    fn sample(face: &[u8], [height, width]: [usize; 2], [x, y]: [f64; 2], channel: usize) -> f64 {
        let at = |row: f64, column: f64| {
            let (row, column) = (row.clamp(0.0, height as f64 - 1.0), column.clamp(0.0, width as f64 - 1.0));
            f64::from(face[(row as usize * width + column as usize) * 3 + channel])
        };
        let (left, upper) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - upper);
        let above = at(upper, left) * (1.0 - fx) + at(upper, left + 1.0) * fx;
        let below = at(upper + 1.0, left) * (1.0 - fx) + at(upper + 1.0, left + 1.0) * fx;
        above * (1.0 - fy) + below * fy
    }

    proptest! {
        /// Compares with each step inverted one by one and bilinear sampling in f64.
        #[test]
        fn agrees_with_sampling_in_f64(
            size in prop::array::uniform2(1..30_usize),
            flipped: bool,
            shift in prop::array::uniform2(-12.0..12.0),
            scale in 0.1..1.9,
            degrees in -180.0..180.0,
            seed: u64,
        ) {
            let [height, width] = size;
            let noise = |index: u64| (seed.wrapping_add(index).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            let face: Vec<u8> = (0..height as u64 * width as u64 * 3).map(noise).collect();
            let mut augmented = vec![0; face.len()];
            AffineMap::new(size, flipped, shift, scale, degrees).apply(&face, size, &mut Vec::new(), &mut augmented);

            let center = [width as f64 / 2.0 - 0.5, height as f64 / 2.0 - 0.5];
            let (sin, cos) = f64::to_radians(degrees).sin_cos();
            for (index, &value) in augmented.iter().enumerate() {
                let (row, column, channel) = (index / 3 / width, index / 3 % width, index % 3);
                // Undo translation, scale, rotation, flip.
                let [x, y] = [column as f64 - shift[0] - center[0], row as f64 - shift[1] - center[1]].map(|at| at / scale);
                let [x, y] = [cos * x + sin * y, cos * y - sin * x];
                let x = if flipped { -x } else { x };
                let expected = sample(&face, size, [x + center[0], y + center[1]], channel);
                // Half a level for rounding the result; truncation to 12 bits shifts each axis by
                // up to 1/4096 of a difference of 255, and so does the rounding of the weights.
                prop_assert!((f64::from(value) - expected).abs() < 0.7, "{value} for {expected} at {row}, {column}");
            }
        }
    }
}
