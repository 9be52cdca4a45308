//! Five points of a face, found by a network.

use facenet_data::{Crop, Landmarks, SimilarityTransform, warp};
use facenet_network::{FrozenNetwork, FrozenWorkspace, Network};
use ndarray::{Array3, Array4, ArrayView3, Axis};

use crate::error::Error;

/// Finds faces in pictures by a network that puts five points on a face, such as `landmarks-regression-retail-0009` of the
/// Open Model Zoo.
///
/// The network puts its points anywhere, whether there is a face or not. On a face they stay where they are when it is shown
/// another part of the picture; elsewhere they move along with that part. So a part of the picture is moved to where the
/// points of a face belong, again and again, and it is a face if the points hold still when the part is shifted, widened
/// and narrowed.
///
/// This is no detector: it begins in the middle of the picture and, if no face is there, looks on a coarse grid. Small faces
/// are not found.
#[derive(Clone, Debug)]
pub struct LandmarkNetwork {
    network: FrozenNetwork<f32>,
}

/// The faces that a picture seems to show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeenFaces {
    /// The points of the one that is looked at: in the middle of the picture if a face is there, else the largest.
    pub landmarks: Option<Landmarks>,
    /// How many there seem to be, apart from much smaller ones.
    pub count: usize,
}

/// Points as `[x, y]` in pixels of the picture.
type Points = [[f64; 2]; 5];

/// Where points belong in the part of a picture that the network is shown, as shares of its side: there it is most accurate.
/// (Their mean places over the training people of LFW's View 1, in the part around them for which the network's points are
/// nearest to those of LFW's list: about 0.04 eye distances away on average; rounded, and made symmetric.)
const TEMPLATE: Points = [[0.2926, 0.3569], [0.7074, 0.3569], [0.5, 0.579], [0.32, 0.795], [0.68, 0.795]];
/// How often a part is moved to where its points belong.
const ROUNDS: usize = 4;
/// Points that moved farther from one round to the next are on no face. In units of the spread of the five, as below.
const RESTLESS: f64 = 0.5;
/// Points that move less when the part is changed are on a face. (Of 794 training people's faces of LFW the steadiness is
/// 0.065 in the median, 0.15 for one of a hundred; of 400 corners of pictures without a face it is above 0.26 for 99 of a
/// hundred.)
const STEADY: f64 = 0.22;
/// How the part is changed for that: shifted by shares of its side, and its side multiplied.
const CHANGES: [([f64; 2], f64); 6] = [
    ([0.15, 0.0], 1.0),
    ([-0.15, 0.0], 1.0),
    ([0.0, 0.15], 1.0),
    ([0.0, -0.15], 1.0),
    ([0.0, 0.0], 1.25),
    ([0.0, 0.0], 0.85),
];
/// The shorter side of the picture that is searched, at most, in pixels.
const SEARCHED_SIDE: usize = 320;
/// The least side of a face's part there.
const LEAST_SIDE: f64 = 24.0;
/// The parts around the middle of the picture that are tried first, as shares of its shorter side.
const MIDDLE: [f64; 3] = [0.7, 1.0, 0.45];
/// The sides of the parts that are tried all over the picture then.
const GRID: [f64; 5] = [1.0, 0.67, 0.45, 0.3, 0.2];
/// From one of these to the next, as a share of the side.
const GRID_STEP: f64 = 0.5;
/// The most parts of one size.
const GRID_MOST: usize = 400;
/// Faces whose middles are nearer than this share of the larger one's side are the same.
const APART: f64 = 0.5;
/// Other faces count if their side is this share of the first one's at least.
const COUNTED: f64 = 0.5;

/// A square part of a picture, upright or not: from shares of its side to pixels.
#[derive(Clone, Copy)]
struct Part(SimilarityTransform);

/// A face: where its part and its points are, and how steady they are.
#[derive(Clone, Copy)]
struct Face {
    part: Part,
    points: Points,
    steadiness: f64,
}

impl LandmarkNetwork {
    /// Of a network for square pictures, without embeddings, that puts out ten numbers: x and y of each point as shares of
    /// the side.
    ///
    /// # Errors
    ///
    /// [`Error::NoLandmarks`] if it is another one.
    pub fn new(network: &Network<f32>) -> Result<Self, Error> {
        let description = network.description();
        let [height, width] = description.input;
        if description.embedding.is_some() || network.plan().dimension() != 10 || height != width {
            return Err(Error::NoLandmarks { network: description.name.clone() });
        }
        Ok(Self { network: FrozenNetwork::new(network) })
    }

    /// Looks for faces.
    ///
    /// # Shapes
    ///
    /// `picture`: `[height, width, 3]`, RGB, in standard layout.
    ///
    /// # Panics
    ///
    /// If the picture has no pixels or another number of channels.
    #[must_use]
    #[track_caller]
    pub fn find(&self, picture: ArrayView3<'_, u8>) -> SeenFaces {
        let (shrunk, scale) = shrink(picture);
        let picture = shrunk.as_ref().map_or_else(|| picture.reborrow(), Array3::view);
        let [height, width] = [picture.dim().0 as f64, picture.dim().1 as f64];
        let side = height.min(width);
        let middle = [(width - 1.0) / 2.0, (height - 1.0) / 2.0];
        let workspace = &mut self.network.workspace();
        let mut first = None;
        for share in MIDDLE {
            let found = self.faces(picture, vec![Part::upright(middle, share * side)], workspace);
            first = found.into_iter().next();
            if first.is_some() {
                break;
            }
        }
        if first.is_none() {
            let sides = GRID.iter().map(|share| share * side).filter(|side| *side >= LEAST_SIDE);
            let grid = sides.flat_map(|side| grid([height, width], side)).collect();
            let found = self.faces(picture, grid, workspace);
            first = found.into_iter().max_by(|one, other| one.side().total_cmp(&other.side()));
        }
        let Some(first) = first else { return SeenFaces { landmarks: None, count: 0 } };
        let elsewhere = grid([height, width], first.side()).filter(|part| !first.is_at(part.middle(), part.side()));
        let others = self.faces(picture, elsewhere.collect(), workspace);
        let others = others.iter().filter(|face| face.side() >= COUNTED * first.side());
        let count = 1 + others.filter(|face| !first.is_at(face.part.middle(), face.side())).count();
        let point = |point: [f64; 2]| [0, 1].map(|axis| ((point[axis] + 0.5) * scale[axis] - 0.5) as f32);
        SeenFaces { landmarks: Some(Landmarks(first.points.map(point))), count }
    }

    /// The different faces that are found from some parts of a picture, the steadiest of each.
    fn faces(&self, picture: ArrayView3<'_, u8>, parts: Vec<Part>, workspace: &mut FrozenWorkspace<f32>) -> Vec<Face> {
        let mut candidates: Vec<(Part, Option<Points>)> = parts.into_iter().map(|part| (part, None)).collect();
        for _ in 0..ROUNDS {
            let parts: Vec<Part> = candidates.iter().map(|(part, _)| *part).collect();
            let found = self.points(picture, &parts, workspace).into_iter().zip(candidates);
            let moved = found.filter_map(|(points, (_, before))| {
                let restless = before.is_some_and(|before| movement(&before, &points) > RESTLESS);
                let part = Part::around(&points).filter(|part| part.fits(picture))?;
                if restless || !lie_in(&points, picture) {
                    return None;
                }
                Some((part, Some(points)))
            });
            candidates = moved.collect();
        }
        let changed: Vec<Part> =
            candidates.iter().flat_map(|(part, _)| CHANGES.map(|(shift, zoom)| part.changed(shift, zoom))).collect();
        let changed = self.points(picture, &changed, workspace);
        let mut faces: Vec<Face> = candidates
            .iter()
            .zip(changed.chunks(CHANGES.len()))
            .filter_map(|(&(part, points), changed)| {
                let points = points?;
                let squares = changed.iter().map(|other| movement(&points, other).powi(2));
                let steadiness = (squares.sum::<f64>() / CHANGES.len() as f64).sqrt();
                (steadiness < STEADY).then_some(Face { part, points, steadiness })
            })
            .collect();
        faces.sort_by(|one, other| one.steadiness.total_cmp(&other.steadiness));
        let mut different: Vec<Face> = Vec::new();
        for face in faces {
            if !different.iter().any(|other| other.is_at(face.part.middle(), face.side())) {
                different.push(face);
            }
        }
        different
    }

    /// The points that the network puts on parts of a picture.
    fn points(&self, picture: ArrayView3<'_, u8>, parts: &[Part], workspace: &mut FrozenWorkspace<f32>) -> Vec<Points> {
        let description = self.network.description();
        let [side, _] = description.input;
        let mut points = Vec::with_capacity(parts.len());
        for parts in parts.chunks(32) {
            let mut faces = Array4::zeros((parts.len(), side, side, 3));
            for (part, mut face) in parts.iter().zip(faces.outer_iter_mut()) {
                face.assign(&warp(picture, &part.pixels(side), [side; 2]));
            }
            let mut x = Array4::zeros(faces.dim());
            description.preprocessing.apply(faces.view(), x.view_mut());
            let found = self.network.forward(x.view(), workspace);
            points.extend(found.axis_iter(Axis(0)).zip(parts).map(|(row, part)| {
                [0, 1, 2, 3, 4].map(|point| part.0.apply([row[2 * point].into(), row[2 * point + 1].into()]))
            }));
        }
        points
    }
}

impl Part {
    /// The upright square around a point.
    fn upright([x, y]: [f64; 2], side: f64) -> Self {
        let half = side / 2.0;
        let corners = [[x - half, y - half], [x + half, y + half]];
        Self(SimilarityTransform::fit(&[[0.0; 2], [1.0; 2]], &corners).expect("a square has a side"))
    }

    /// The one in which points are where they belong.
    fn around(points: &Points) -> Option<Self> {
        SimilarityTransform::fit(&TEMPLATE, points).map(Self)
    }

    fn side(&self) -> f64 {
        self.0.scale()
    }

    fn middle(&self) -> [f64; 2] {
        self.0.apply([0.5; 2])
    }

    /// Its side is neither too small nor much larger than the picture.
    fn fits(&self, picture: ArrayView3<'_, u8>) -> bool {
        let shorter = picture.dim().0.min(picture.dim().1) as f64;
        (LEAST_SIDE..=1.5 * shorter).contains(&self.side())
    }

    /// Shifted by shares of its side, and widened.
    fn changed(&self, [right, down]: [f64; 2], zoom: f64) -> Self {
        let corner = |side: f64| self.0.apply([0.5 + right + side * zoom / 2.0, 0.5 + down + side * zoom / 2.0]);
        let map = SimilarityTransform::fit(&[[0.0; 2], [1.0; 2]], &[corner(-1.0), corner(1.0)]);
        Self(map.expect("a part has a side"))
    }

    /// From the pixels of the network's input, of so many a side, to those of the picture.
    fn pixels(&self, side: usize) -> SimilarityTransform {
        let corners = [[-0.5; 2], [side as f64 - 0.5; 2]];
        let map = SimilarityTransform::fit(&corners, &[self.0.apply([0.0; 2]), self.0.apply([1.0; 2])]);
        map.expect("a part has a side")
    }
}

impl Face {
    fn side(&self) -> f64 {
        self.part.side()
    }

    /// Whether a part around that middle shows this face.
    fn is_at(&self, middle: [f64; 2], side: f64) -> bool {
        let [x, y] = self.part.middle();
        (middle[0] - x).hypot(middle[1] - y) < APART * self.side().max(side)
    }
}

fn mean(points: &Points) -> [f64; 2] {
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / 5.0)
}

/// Whether the middle of points is in a picture.
fn lie_in(points: &Points, picture: ArrayView3<'_, u8>) -> bool {
    let [x, y] = mean(points);
    (0.0..picture.dim().1 as f64 - 1.0).contains(&x) && (0.0..picture.dim().0 as f64 - 1.0).contains(&y)
}

/// How far points are from others on average, in units of their own spread:
///
/// ```text
/// sqrt(Σ |p_i - q_i|² / Σ |p_i - mean p|²)
/// ```
fn movement(points: &Points, others: &Points) -> f64 {
    let mean = mean(points);
    let square = |one: &[f64; 2], other: &[f64; 2]| (one[0] - other[0]).powi(2) + (one[1] - other[1]).powi(2);
    let spread: f64 = points.iter().map(|point| square(point, &mean)).sum();
    let moved: f64 = points.iter().zip(others).map(|(point, other)| square(point, other)).sum();
    (moved / spread.max(f64::MIN_POSITIVE)).sqrt()
}

/// The parts of one size all over a picture of `[height, width]`.
fn grid([height, width]: [f64; 2], side: f64) -> impl Iterator<Item = Part> {
    let most = (GRID_MOST as f64).sqrt() as usize;
    let positions = move |length: f64| {
        let room = (length - side).max(0.0);
        let steps = ((room / (GRID_STEP * side)).ceil() as usize).min(most - 1);
        (0..=steps).map(move |step| {
            let at = if steps == 0 { room / 2.0 } else { room * step as f64 / steps as f64 };
            at + side.min(length) / 2.0 - 0.5
        })
    };
    positions(height).flat_map(move |y| positions(width).map(move |x| Part::upright([x, y], side)))
}

/// A picture small enough to be searched, if it isn't, and how many pixels of the picture one of it is, right and down.
fn shrink(picture: ArrayView3<'_, u8>) -> (Option<Array3<u8>>, [f64; 2]) {
    let (height, width, _) = picture.dim();
    let zoom = SEARCHED_SIDE as f64 / height.min(width) as f64;
    if zoom >= 1.0 {
        return (None, [1.0; 2]);
    }
    let [rows, columns] = [height, width].map(|side| ((side as f64 * zoom).round() as usize).max(1));
    let scale = [width as f64 / columns as f64, height as f64 / rows as f64];
    (Some(Crop::Whole.apply(picture, [rows, columns])), scale)
}
