//! Division of a large photo into tiles.

use facenet_data::{Crop, Landmarks};
use facenet_metrics::BoundingBox;
use ndarray::{Array3, ArrayView3};

use crate::detection::detect::DetectedFace;

/// The longest side of a tile, in pixels of the scaled photo.
const MAX_TILE_SIDE: usize = 1024;
/// Tiles overlap by this many pixels of the scaled photo.
const OVERLAP: usize = 160;
/// The longest side of a face in a tile, in pixels of the scaled photo. Larger ones may be cut; they are found at
/// coarser scales.
const MAX_FACE_SIDE: f64 = 80.0;
/// A face is taken from each tile that holds its center this far from the borders with other tiles, in pixels of
/// the scaled photo. Less than half the overlap, so that a face near the middle of an overlap is missed by no
/// tile if its centers differ.
const MIN_CENTER_DISTANCE: f64 = 72.0;

/// Sides of the cutout around a face in sides of the face.
pub(super) const CUTOUT_SIDES: usize = 2;

/// A rectangle of a photo that is searched by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tile {
    /// `[left, top]` in pixels of the photo.
    pub(super) origin: [usize; 2],
    /// `[height, width]` in pixels of the photo.
    pub(super) size: [usize; 2],
    /// `[height, width]` that the tile is scaled to.
    pub(super) scaled: [usize; 2],
    /// Whether the photo continues to the left of the tile, above, to the right and below.
    continues: [bool; 4],
}

impl Tile {
    /// The cutout of a photo of `[height, width]` around a face, scaled so that the longer side of the face has
    /// `face_side` pixels. `None` if it is empty.
    pub(super) fn around(face: &BoundingBox, [height, width]: [usize; 2], face_side: usize) -> Option<Self> {
        let (sides, [x, y]) = (face.sides(), face.center());
        let side = sides[0].max(sides[1]).max(1.0);
        let half = CUTOUT_SIDES as f64 * side / 2.0;
        let interval = |center: f64, length: usize| {
            let [start, end] = [center - half, center + half].map(|at| at.round().clamp(0.0, length as f64) as usize);
            (end > start).then(|| (start, end - start))
        };
        let ((left, width), (top, height)) = (interval(x, width)?, interval(y, height)?);
        let scaled = [height, width].map(|length| {
            ((length as f64 * face_side as f64 / side).round() as usize).clamp(1, CUTOUT_SIDES * face_side)
        });
        Some(Self { origin: [left, top], size: [height, width], scaled, continues: [false; 4] })
    }

    /// The tile of a photo, scaled.
    pub(super) fn cut(&self, photo: ArrayView3<'_, u8>) -> Array3<u8> {
        let ([left, top], [height, width]) = (self.origin, self.size);
        Crop::Rectangle { left, top, width, height }.apply(photo, self.scaled)
    }

    /// A face in pixels of the scaled tile in pixels of the photo.
    pub(super) fn enlarged(&self, face: &DetectedFace) -> DetectedFace {
        let [left, top] = self.origin.map(|start| start as f64);
        let [y, x] = [0, 1].map(|axis| self.size[axis] as f64 / self.scaled[axis] as f64);
        let edges = &face.bounding_box;
        let bounding_box = BoundingBox {
            left: left + x * edges.left,
            top: top + y * edges.top,
            right: left + x * edges.right,
            bottom: top + y * edges.bottom,
        };
        // Pixel centers are half a pixel from the edges of a photo.
        let at = |value: f32, factor: f64, start: f64| (start + factor * (f64::from(value) + 0.5) - 0.5) as f32;
        let landmarks = Landmarks(face.landmarks.0.map(|point| [at(point[0], x, left), at(point[1], y, top)]));
        DetectedFace { bounding_box, landmarks, ..*face }
    }

    /// Whether a face, in pixels of the scaled tile, is whole and is taken from this tile.
    pub(super) fn holds(&self, face: &BoundingBox) -> bool {
        let [height, width] = self.scaled.map(|side| side as f64);
        let [x, y] = face.center();
        let distances = [x, y, width - x, height - y];
        let is_inside = |(&continues, distance): (&bool, f64)| !continues || distance >= MIN_CENTER_DISTANCE;
        let is_small = face.sides().into_iter().all(|side| side <= MAX_FACE_SIDE);
        self.is_whole_photo() || (is_small && self.continues.iter().zip(distances).all(is_inside))
    }

    /// Whether the photo has no other tile.
    pub(super) fn is_whole_photo(&self) -> bool {
        !self.continues.contains(&true)
    }
}

/// The tiles of a photo of `[height, width]` at a scale: one if that fits, else overlapping ones of equal size.
pub(super) fn tiles(size: [usize; 2], scale: f64) -> Vec<Tile> {
    let [rows, columns] = size.map(|length| intervals(length, scale));
    let starts = |intervals: &Intervals| intervals.starts.clone().into_iter().enumerate();
    let mut tiles = Vec::with_capacity(rows.starts.len() * columns.starts.len());
    for (row, top) in starts(&rows) {
        for (column, left) in starts(&columns) {
            let continues = [column > 0, row > 0, column + 1 < columns.starts.len(), row + 1 < rows.starts.len()];
            let (size, scaled) = ([rows.length, columns.length], [rows.scaled, columns.scaled]);
            tiles.push(Tile { origin: [left, top], size, scaled, continues });
        }
    }
    tiles
}

/// Equal intervals that cover a side of a photo.
struct Intervals {
    /// In pixels of the photo.
    starts: Vec<usize>,
    length: usize,
    scaled: usize,
}

fn intervals(side: usize, scale: f64) -> Intervals {
    let whole = ((side as f64 * scale).round() as usize).max(1);
    if whole <= MAX_TILE_SIDE {
        return Intervals { starts: vec![0], length: side, scaled: whole };
    }
    let count = (whole - OVERLAP).div_ceil(MAX_TILE_SIDE - OVERLAP);
    // The least length with which so many intervals overlap enough, in whole strides of the network.
    let scaled = ((whole - OVERLAP).div_ceil(count) + OVERLAP).next_multiple_of(32);
    let length = ((scaled as f64 / scale).round() as usize).min(side);
    let starts = (0..count).map(|index| index * (side - length) / (count - 1)).collect();
    Intervals { starts, length, scaled }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face([x, y]: [f64; 2], side: f64) -> BoundingBox {
        let half = side / 2.0;
        BoundingBox { left: x - half, top: y - half, right: x + half, bottom: y + half }
    }

    #[test]
    fn a_small_photo_is_one_tile() {
        let [tile] = &*tiles([3000, 4000], 0.24) else { panic!("several tiles") };
        assert_eq!((tile.origin, tile.size, tile.scaled), ([0, 0], [3000, 4000], [720, 960]));
        assert!(tile.holds(&face([1.0, 1.0], 900.0)), "no face is cut");
    }

    /// Each position of a face lies far enough inside a tile, as far as it may be off.
    #[test]
    fn tiles_hold_each_face() {
        for (size, scale) in [([3000, 4000], 0.8), ([1500, 4000], 1.0), ([3000, 700], 1.7), ([1300, 1301], 0.79)] {
            let tiles = tiles(size, scale);
            assert!(tiles.len() > 1);
            for tile in &tiles {
                assert!(tile.scaled.iter().all(|&side| side <= MAX_TILE_SIDE), "{tile:?}");
                assert!((0..2).all(|axis| tile.origin[1 - axis] + tile.size[axis] <= size[axis]), "{tile:?}");
                assert!(!tile.holds(&face([500.0, 500.0], 100.0)), "larger faces may be cut");
            }
            for y in (0..size[0]).step_by(7) {
                for x in (0..size[1]).step_by(7) {
                    let is_held = |tile: &Tile, shift: f64| {
                        let at = |axis: usize, value: usize| {
                            let length = tile.size[1 - axis] as f64;
                            (value as f64 - tile.origin[axis] as f64) * tile.scaled[1 - axis] as f64 / length + shift
                        };
                        let [x, y] = [at(0, x), at(1, y)];
                        let [height, width] = tile.scaled.map(|side| side as f64);
                        (-4.0..=width + 4.0).contains(&x)
                            && (-4.0..=height + 4.0).contains(&y)
                            && tile.holds(&face([x, y], 50.0))
                    };
                    // The center is found up to four pixels off, in another direction in each tile.
                    let holders = tiles.iter().filter(|tile| is_held(tile, -4.0) && is_held(tile, 4.0)).count();
                    assert!((1..=4).contains(&holders), "{holders} at {x}, {y}");
                }
            }
        }
    }
}
