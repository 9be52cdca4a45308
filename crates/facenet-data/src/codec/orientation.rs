//! Applying the EXIF orientation to pixels.

use image::RgbImage;
use image::imageops;
use image::metadata::Orientation;

/// Whether an orientation exchanges width and height.
pub(crate) fn exchanges_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

/// Turns and mirrors an image as its orientation says (EXIF 2.3, tag 0x112).
pub(crate) fn orient(mut image: RgbImage, orientation: Orientation) -> RgbImage {
    match orientation {
        Orientation::NoTransforms => {}
        Orientation::FlipHorizontal => imageops::flip_horizontal_in_place(&mut image),
        Orientation::FlipVertical => imageops::flip_vertical_in_place(&mut image),
        Orientation::Rotate180 => imageops::rotate180_in_place(&mut image),
        Orientation::Rotate90FlipH => return transposed(&image, Order::Ascending, Order::Ascending),
        Orientation::Rotate90 => return transposed(&image, Order::Descending, Order::Ascending),
        Orientation::Rotate270FlipH => return transposed(&image, Order::Descending, Order::Descending),
        Orientation::Rotate270 => return transposed(&image, Order::Ascending, Order::Descending),
    }
    image
}

#[derive(Clone, Copy)]
enum Order {
    Ascending,
    Descending,
}

impl Order {
    fn index(self, index: usize, length: usize) -> usize {
        match self {
            Self::Ascending => index,
            Self::Descending => length - 1 - index,
        }
    }
}

/// Rows become columns, in this order, and columns rows.
fn transposed(image: &RgbImage, rows: Order, columns: Order) -> RgbImage {
    /// Pixels a side of the squares that are transposed one after the other, so that they stay in
    /// the cache.
    const SQUARE: usize = 32;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut turned = RgbImage::new(image.height(), image.width());
    let source: &[[u8; 3]] = image.as_raw().as_chunks().0;
    let target: &mut [[u8; 3]] = turned.as_flat_samples_mut().samples.as_chunks_mut().0;
    for top in (0..width).step_by(SQUARE) {
        for left in (0..height).step_by(SQUARE) {
            for row in top..width.min(top + SQUARE) {
                let column = columns.index(row, width);
                let pixels = &mut target[row * height + left..][..SQUARE.min(height - left)];
                for (at, pixel) in (left..).zip(pixels) {
                    *pixel = source[rows.index(at, height) * width + column];
                }
            }
        }
    }
    turned
}
