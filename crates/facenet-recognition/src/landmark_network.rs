//! Finding faces and their landmarks with a landmark network.

use facenet_data::{Crop, Landmarks, SimilarityTransform, warp};
use facenet_network::{FrozenNetwork, FrozenWorkspace, Network};
use ndarray::{Array3, Array4, ArrayView3, Axis};

use crate::error::Error;

/// Finds faces with a network that regresses the five landmarks of a face crop, such as
/// `landmarks-regression-retail-0009` of the Open Model Zoo.
///
/// The network returns landmarks for any crop, whether it shows a face or not. On a face they are
/// stable: they stay at the same pixels of the image if the crop changes. Elsewhere they move with
/// the crop. So a crop is refined by repeatedly aligning it with its landmarks, and accepted as a
/// face if the landmarks barely move when the crop is shifted, enlarged and shrunk.
///
/// This is not a detector: it starts at the center of the image and, if there is no face, searches
/// a coarse grid. Small faces are not found.
#[derive(Clone, Debug)]
pub struct LandmarkNetwork {
    network: FrozenNetwork<f32>,
}

/// The faces found in an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundFaces {
    /// The landmarks of the main face: one at the center of the image, else the largest.
    pub landmarks: Option<Landmarks>,
    /// Estimated number of faces, not counting those much smaller than the main one.
    pub count: usize,
}

/// Landmarks as `[x, y]` in pixels of the image.
type Points = [[f64; 2]; 5];

/// Where the network is most accurate: the landmarks' positions in a crop, as fractions of its
/// side. (The mean positions over the training people of LFW's View 1, in the crops for which the
/// network's landmarks are nearest to those of LFW's list, about 0.04 eye distances away on
/// average; rounded and made symmetric.)
const TEMPLATE: Points = [[0.2926, 0.3569], [0.7074, 0.3569], [0.5, 0.579], [0.32, 0.795], [0.68, 0.795]];
/// Number of times that a crop is aligned with its landmarks.
const REFINEMENTS: usize = 4;
/// A crop is dropped if its landmarks move farther than this between refinements:
/// [`relative_displacement`].
const MAX_REFINEMENT_STEP: f64 = 0.5;
/// A crop shows a face if its instability is less than this. (Of the faces of 794 training people
/// of LFW the median instability is 0.065 and the 99th percentile 0.15; of 400 corners of images
/// without a face, 99 % exceed 0.26.)
const MAX_INSTABILITY: f64 = 0.22;
/// The perturbed crops that instability is measured on: shifts as fractions of the side, and
/// factors on the side.
const PERTURBATIONS: [([f64; 2], f64); 6] = [
    ([0.15, 0.0], 1.0),
    ([-0.15, 0.0], 1.0),
    ([0.0, 0.15], 1.0),
    ([0.0, -0.15], 1.0),
    ([0.0, 0.0], 1.25),
    ([0.0, 0.0], 0.85),
];
/// Larger images are shrunk until their shorter side has this length, in pixels.
const SEARCH_SIDE: usize = 320;
/// The smallest side of a crop, in pixels of the shrunk image.
const MIN_CROP_SIDE: f64 = 24.0;
/// Sides of the central crops that are tried first, as fractions of the image's shorter side.
const CENTRAL_SIDES: [f64; 3] = [0.7, 1.0, 0.45];
/// Sides of the crops on the grid, as fractions of the image's shorter side.
const GRID_SIDES: [f64; 5] = [1.0, 0.67, 0.45, 0.3, 0.2];
/// Spacing of the grid, as a fraction of the side of its crops.
const GRID_SPACING: f64 = 0.5;
/// Limit on the number of crops of a grid.
const MAX_GRID_CROPS: usize = 400;
/// Two crops show the same face if their centers are nearer than this fraction of the larger side.
const SAME_FACE_DISTANCE: f64 = 0.5;
/// Further faces count if their side is at least this fraction of the main face's.
const MIN_RELATIVE_SIDE: f64 = 0.5;
/// Crops per forward pass.
const BATCH: usize = 32;

/// A square crop of an image, rotated or upright: the map from fractions of its side to pixels.
#[derive(Clone, Copy)]
struct SquareCrop(SimilarityTransform);

/// A crop that shows a face.
#[derive(Clone, Copy)]
struct Face {
    crop: SquareCrop,
    points: Points,
    /// Root mean square of the [`relative_displacement`] over the [`PERTURBATIONS`].
    instability: f64,
}

impl LandmarkNetwork {
    /// Wraps a landmark network: square input, no embedding, ten outputs, which are x and y of each
    /// landmark as fractions of the side.
    ///
    /// # Errors
    ///
    /// [`Error::NoLandmarks`] for any other network.
    pub fn new(network: &Network<f32>) -> Result<Self, Error> {
        let description = network.description();
        let [height, width] = description.input;
        if description.embedding.is_some() || network.plan().dimension() != 10 || height != width {
            return Err(Error::NoLandmarks { network: description.name.clone() });
        }
        Ok(Self { network: FrozenNetwork::new(network) })
    }

    /// Searches an image for faces.
    ///
    /// # Shapes
    ///
    /// `image`: `[height, width, 3]`, RGB, in standard layout.
    ///
    /// # Panics
    ///
    /// If the image is empty or does not have three channels.
    #[must_use]
    #[track_caller]
    pub fn find(&self, image: ArrayView3<'_, u8>) -> FoundFaces {
        let (shrunk, scale) = shrink(image);
        let image = shrunk.as_ref().map_or_else(|| image.reborrow(), Array3::view);
        let [height, width] = [image.dim().0 as f64, image.dim().1 as f64];
        let side = height.min(width);
        let center = [(width - 1.0) / 2.0, (height - 1.0) / 2.0];
        let workspace = &mut self.network.workspace();
        let mut main = None;
        for fraction in CENTRAL_SIDES {
            let found = self.faces(image, vec![SquareCrop::upright(center, fraction * side)], workspace);
            main = found.into_iter().next();
            if main.is_some() {
                break;
            }
        }
        if main.is_none() {
            let sides = GRID_SIDES.iter().map(|fraction| fraction * side).filter(|side| *side >= MIN_CROP_SIDE);
            let grid = sides.flat_map(|side| grid([height, width], side)).collect();
            let found = self.faces(image, grid, workspace);
            main = found.into_iter().max_by(|one, other| one.side().total_cmp(&other.side()));
        }
        let Some(main) = main else { return FoundFaces { landmarks: None, count: 0 } };
        let elsewhere = grid([height, width], main.side()).filter(|crop| !main.is_at(crop.center(), crop.side()));
        let others = self.faces(image, elsewhere.collect(), workspace);
        let others = others.iter().filter(|face| face.side() >= MIN_RELATIVE_SIDE * main.side());
        let count = 1 + others.filter(|face| !main.is_at(face.crop.center(), face.side())).count();
        let unscaled = |point: [f64; 2]| [0, 1].map(|axis| ((point[axis] + 0.5) * scale[axis] - 0.5) as f32);
        FoundFaces { landmarks: Some(Landmarks(main.points.map(unscaled))), count }
    }

    /// The distinct faces that some initial crops lead to, the most stable first.
    fn faces(
        &self,
        image: ArrayView3<'_, u8>,
        crops: Vec<SquareCrop>,
        workspace: &mut FrozenWorkspace<f32>,
    ) -> Vec<Face> {
        let mut candidates: Vec<(SquareCrop, Option<Points>)> = crops.into_iter().map(|crop| (crop, None)).collect();
        for _ in 0..REFINEMENTS {
            let crops: Vec<SquareCrop> = candidates.iter().map(|(crop, _)| *crop).collect();
            let found = self.points(image, &crops, workspace).into_iter().zip(candidates);
            let refined = found.filter_map(|(points, (_, before))| {
                let diverges =
                    before.is_some_and(|before| relative_displacement(&before, &points) > MAX_REFINEMENT_STEP);
                let crop = SquareCrop::aligned(&points).filter(|crop| crop.has_valid_side(image))?;
                if diverges || !is_centered_within(&points, image) {
                    return None;
                }
                Some((crop, Some(points)))
            });
            candidates = refined.collect();
        }
        let perturbed: Vec<SquareCrop> = candidates
            .iter()
            .flat_map(|(crop, _)| PERTURBATIONS.map(|(shift, factor)| crop.perturbed(shift, factor)))
            .collect();
        let perturbed = self.points(image, &perturbed, workspace);
        let mut faces: Vec<Face> = candidates
            .iter()
            .zip(perturbed.chunks(PERTURBATIONS.len()))
            .filter_map(|(&(crop, points), perturbed)| {
                let points = points?;
                let squares = perturbed.iter().map(|other| relative_displacement(&points, other).powi(2));
                let instability = (squares.sum::<f64>() / PERTURBATIONS.len() as f64).sqrt();
                (instability < MAX_INSTABILITY).then_some(Face { crop, points, instability })
            })
            .collect();
        faces.sort_by(|one, other| one.instability.total_cmp(&other.instability));
        let mut distinct: Vec<Face> = Vec::new();
        for face in faces {
            if !distinct.iter().any(|other| other.is_at(face.crop.center(), face.side())) {
                distinct.push(face);
            }
        }
        distinct
    }

    /// The landmarks that the network returns for each crop.
    fn points(
        &self,
        image: ArrayView3<'_, u8>,
        crops: &[SquareCrop],
        workspace: &mut FrozenWorkspace<f32>,
    ) -> Vec<Points> {
        let description = self.network.description();
        let [side, _] = description.input;
        let mut points = Vec::with_capacity(crops.len());
        for crops in crops.chunks(BATCH) {
            let mut faces = Array4::zeros((crops.len(), side, side, 3));
            for (crop, mut face) in crops.iter().zip(faces.outer_iter_mut()) {
                face.assign(&warp(image, &crop.input_transform(side), [side; 2]));
            }
            let mut x = Array4::zeros(faces.dim());
            description.preprocessing.apply(faces.view(), x.view_mut());
            let found = self.network.forward(x.view(), workspace);
            points.extend(found.axis_iter(Axis(0)).zip(crops).map(|(row, crop)| {
                [0, 1, 2, 3, 4].map(|point| crop.0.apply([row[2 * point].into(), row[2 * point + 1].into()]))
            }));
        }
        points
    }
}

impl SquareCrop {
    /// The upright square around a center.
    fn upright([x, y]: [f64; 2], side: f64) -> Self {
        let half = side / 2.0;
        let corners = [[x - half, y - half], [x + half, y + half]];
        Self(SimilarityTransform::fit(&[[0.0; 2], [1.0; 2]], &corners).expect("a positive side"))
    }

    /// The square in which landmarks lie at the [`TEMPLATE`].
    fn aligned(points: &Points) -> Option<Self> {
        SimilarityTransform::fit(&TEMPLATE, points).map(Self)
    }

    fn side(&self) -> f64 {
        self.0.scale()
    }

    fn center(&self) -> [f64; 2] {
        self.0.apply([0.5; 2])
    }

    /// Whether the side is at least [`MIN_CROP_SIDE`] and not much longer than the image.
    fn has_valid_side(&self, image: ArrayView3<'_, u8>) -> bool {
        let shorter = image.dim().0.min(image.dim().1) as f64;
        (MIN_CROP_SIDE..=1.5 * shorter).contains(&self.side())
    }

    /// The crop shifted by fractions of its side, which is multiplied by `factor`.
    fn perturbed(&self, [right, down]: [f64; 2], factor: f64) -> Self {
        let corner = |side: f64| self.0.apply([0.5 + right + side * factor / 2.0, 0.5 + down + side * factor / 2.0]);
        let map = SimilarityTransform::fit(&[[0.0; 2], [1.0; 2]], &[corner(-1.0), corner(1.0)]);
        Self(map.expect("a positive side"))
    }

    /// The map from pixels of the network's input of a `side` to pixels of the image.
    fn input_transform(&self, side: usize) -> SimilarityTransform {
        let corners = [[-0.5; 2], [side as f64 - 0.5; 2]];
        let map = SimilarityTransform::fit(&corners, &[self.0.apply([0.0; 2]), self.0.apply([1.0; 2])]);
        map.expect("a positive side")
    }
}

impl Face {
    fn side(&self) -> f64 {
        self.crop.side()
    }

    /// Whether a crop with this center and side shows this face.
    fn is_at(&self, center: [f64; 2], side: f64) -> bool {
        let [x, y] = self.crop.center();
        (center[0] - x).hypot(center[1] - y) < SAME_FACE_DISTANCE * self.side().max(side)
    }
}

fn mean(points: &Points) -> [f64; 2] {
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / 5.0)
}

/// Whether the mean of the points lies within an image.
fn is_centered_within(points: &Points, image: ArrayView3<'_, u8>) -> bool {
    let [x, y] = mean(points);
    (0.0..image.dim().1 as f64 - 1.0).contains(&x) && (0.0..image.dim().0 as f64 - 1.0).contains(&y)
}

/// Root mean square distance of points p to points q, relative to the spread of p:
///
/// ```text
/// sqrt(Σ |p_i - q_i|² / Σ |p_i - mean p|²)
/// ```
fn relative_displacement(points: &Points, others: &Points) -> f64 {
    let mean = mean(points);
    let square = |one: &[f64; 2], other: &[f64; 2]| (one[0] - other[0]).powi(2) + (one[1] - other[1]).powi(2);
    let spread: f64 = points.iter().map(|point| square(point, &mean)).sum();
    let displacement: f64 = points.iter().zip(others).map(|(point, other)| square(point, other)).sum();
    (displacement / spread.max(f64::MIN_POSITIVE)).sqrt()
}

/// A grid of upright crops of one size over an image of `[height, width]`.
fn grid([height, width]: [f64; 2], side: f64) -> impl Iterator<Item = SquareCrop> {
    let limit = (MAX_GRID_CROPS as f64).sqrt() as usize;
    let positions = move |length: f64| {
        let range = (length - side).max(0.0);
        let steps = ((range / (GRID_SPACING * side)).ceil() as usize).min(limit - 1);
        (0..=steps).map(move |step| {
            let start = if steps == 0 { range / 2.0 } else { range * step as f64 / steps as f64 };
            start + side.min(length) / 2.0 - 0.5
        })
    };
    positions(height).flat_map(move |y| positions(width).map(move |x| SquareCrop::upright([x, y], side)))
}

/// The image shrunk to [`SEARCH_SIDE`], `None` if it is small enough; and the width and height of a
/// pixel of the result in pixels of the image.
fn shrink(image: ArrayView3<'_, u8>) -> (Option<Array3<u8>>, [f64; 2]) {
    let (height, width, _) = image.dim();
    let factor = SEARCH_SIDE as f64 / height.min(width) as f64;
    if factor >= 1.0 {
        return (None, [1.0; 2]);
    }
    let [rows, columns] = [height, width].map(|side| ((side as f64 * factor).round() as usize).max(1));
    let scale = [width as f64 / columns as f64, height as f64 / rows as f64];
    (Some(Crop::Whole.apply(image, [rows, columns])), scale)
}
