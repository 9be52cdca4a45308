//! A trained network as a face detector.

use std::sync::{Arc, Mutex, PoisonError};

use facenet_network::{FrozenNetwork, FrozenWorkspace, Network, Preprocessing};
use ndarray::{Array4, ArrayView3, Axis, s};

use crate::detection::candidates::{decode, suppress_overlaps};
use crate::detection::detect::{Detect, DetectedFace, OrientationCertainty};
use crate::detection::options::{DetectionOptions, Orientations};
use crate::detection::tiles::{CUTOUT_SIDES, Tile, tiles};
use crate::detection::turn::Turn;
use crate::error::Error;

/// Sides of the network's input are multiples of this, the coarsest stride.
const ALIGNMENT: usize = 32;
/// Number of input sizes whose networks are kept.
const KEPT_SIZES: usize = 8;
/// Number of faces, the largest first, whose scores at all turns are compared. A comparison takes a 50th of the
/// time of a search at the default scales.
const MAX_COMPARED_FACES: usize = 16;
/// The least shorter side of such a face, in decoded pixels.
const MIN_COMPARED_SIDE: f64 = 24.0;
/// The least score of such a face.
const MIN_COMPARED_SCORE: f32 = 0.5;
/// The longer side of a face, in pixels, in the cutout to compare scores, and in a second one that is looked at if
/// another turn has a better score. (Upside-down faces are found with upright points and scores up to 0.93. In
/// cutouts of 32 pixels all of 100 portraits turned by any angle have the best score upright, of 24 not all.)
const CUTOUT_FACE_SIDES: [usize; 2] = [32, 64];
/// A face is turned if the mean of its scores in both cutouts is the best and at least this, and the second one no
/// worse than the score that it was found with.
const MIN_TURNED_SCORE: f32 = 0.8;
/// The least score of a face in a cutout.
const MIN_CUTOUT_SCORE: f32 = 0.1;
/// The least intersection over union of a box in a cutout with that of the face.
const MIN_CUTOUT_OVERLAP: f64 = 0.3;
/// Channels of an output: two logits, box, five points.
const CHANNELS: usize = 16;

/// A YuNet as a face detector. Networks for recent input sizes and their workspaces are reused.
#[derive(Debug)]
pub struct FaceDetector {
    network: Network<f32>,
    options: DetectionOptions,
    sizes: Mutex<Vec<Arc<SizedNetwork>>>,
}

/// The network for an input size, with the workspaces that are not in use.
#[derive(Debug)]
struct SizedNetwork {
    size: [usize; 2],
    network: FrozenNetwork<f32>,
    idle: Mutex<Vec<FrozenWorkspace<f32>>>,
}

impl FaceDetector {
    /// Wraps a network like YuNet: outputs of 16 channels named `stride_8`, `stride_16` and so on.
    ///
    /// # Errors
    ///
    /// [`Error::NoFaces`] for any other network.
    pub fn new(network: &Network<f32>, options: DetectionOptions) -> Result<Self, Error> {
        let plan = network.plan();
        let [height, width] = plan.input_size();
        let fits = |output: &facenet_network::PlannedOutput| {
            stride(&output.name).is_some_and(|stride| output.shape == [height / stride, width / stride, CHANNELS])
        };
        if plan.outputs().is_empty() || !plan.outputs().iter().all(fits) {
            return Err(Error::NoFaces { network: network.description().name.clone() });
        }
        Ok(Self { network: network.clone(), options, sizes: Mutex::default() })
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network<f32> {
        &self.network
    }

    /// How photos are searched.
    #[must_use]
    pub fn options(&self) -> &DetectionOptions {
        &self.options
    }

    /// The faces in an input of the network, in its pixels, the best score first. Unlike
    /// [`Detect::detect`] it does not scale the photo.
    ///
    /// # Shapes
    ///
    /// `canvas`: `[height, width, 3]`, 8-bit RGB, with sides that are multiples of 32.
    ///
    /// # Errors
    ///
    /// [`Error::Network`] if the network does not take that size.
    pub fn detect_unscaled(&self, canvas: ArrayView3<'_, u8>) -> Result<Vec<DetectedFace>, Error> {
        let (height, width, _) = canvas.dim();
        Ok(suppress_overlaps(self.candidates(&[canvas], [height, width], self.options.min_score)?.remove(0)))
    }

    /// All faces in each of some images, in its pixels, above a score. The images lie in the upper left corner
    /// of inputs of the network of `[height, width]`.
    fn candidates(
        &self,
        images: &[ArrayView3<'_, u8>],
        input: [usize; 2],
        min_score: f32,
    ) -> Result<Vec<Vec<DetectedFace>>, Error> {
        let sized = self.sized(input)?;
        let preprocessing: &Preprocessing = &self.network.description().preprocessing;
        let mut x = Array4::zeros((images.len(), input[0], input[1], 3));
        for (image, mut x) in images.iter().zip(x.axis_chunks_iter_mut(Axis(0), 1)) {
            let (height, width, _) = image.dim();
            preprocessing.apply(image.insert_axis(Axis(0)), x.slice_mut(s![.., ..height, ..width, ..]));
        }
        let idle = sized.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = idle.unwrap_or_else(|| sized.network.workspace());
        let y = sized.network.forward(x.view(), &mut workspace);
        let faces = y.outer_iter().map(|y| {
            let y = y.to_slice().expect("contiguous rows");
            let mut faces = Vec::new();
            for output in sized.network.outputs() {
                let stride = stride(&output.name).expect("checked for each output");
                let output = ArrayView3::from_shape(output.shape, &y[output.range.clone()]);
                decode(output.expect("a range of its shape"), stride, min_score, &mut faces);
            }
            faces
        });
        let faces = faces.collect();
        sized.idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        Ok(faces)
    }

    /// All faces at some scales, in pixels of the photo, after a turn.
    fn search(&self, photo: ArrayView3<'_, u8>, scales: &[f64], turn: Turn) -> Result<Vec<DetectedFace>, Error> {
        let (height, width, _) = photo.dim();
        let mut faces = Vec::new();
        for &scale in scales {
            for tile in tiles([height, width], scale) {
                let scaled = tile.cut(photo.view());
                let turned = turn.apply(scaled.view());
                let input = [turned.dim().0, turned.dim().1].map(|side| side.next_multiple_of(ALIGNMENT));
                for face in self.candidates(&[turned], input, self.options.min_score)?.remove(0) {
                    let face = turn.face(&face, tile.scaled);
                    if tile.holds(&face.bounding_box) {
                        faces.push(tile.enlarged(&face));
                    }
                }
            }
        }
        Ok(faces)
    }

    /// A face as it is found in a cutout of the photo at each turn; `None` where it is not found. The longer side of
    /// the face is scaled to `face_side` pixels.
    fn at_each_turn(
        &self,
        photo: ArrayView3<'_, u8>,
        face: &DetectedFace,
        face_side: usize,
    ) -> Result<[Option<DetectedFace>; 4], Error> {
        let (height, width, _) = photo.dim();
        let Some(tile) = Tile::around(&face.bounding_box, [height, width], face_side) else { return Ok([None; 4]) };
        let scaled = tile.cut(photo);
        let images = Turn::ALL.map(|turn| turn.apply(scaled.view()));
        let input = [(CUTOUT_SIDES * face_side).next_multiple_of(ALIGNMENT); 2];
        let found = self.candidates(&images, input, MIN_CUTOUT_SCORE)?;
        let mut best = [None; 4];
        for ((best, turn), found) in best.iter_mut().zip(Turn::ALL).zip(found) {
            let found = found.iter().map(|found| tile.enlarged(&turn.face(found, tile.scaled)));
            let found = found.filter(|found| found.bounding_box.overlap(&face.bounding_box) >= MIN_CUTOUT_OVERLAP);
            *best = found.max_by(|one, other| one.score.total_cmp(&other.score));
        }
        Ok(best)
    }

    /// Plausible faces found after a turn, each with its own turn: that at which a cutout around it has clearly the
    /// best score. Where that is not clear, a face is taken as it was found, with a doubtful orientation.
    fn oriented(
        &self,
        photo: ArrayView3<'_, u8>,
        faces: Vec<DetectedFace>,
        turn: Turn,
    ) -> Result<Vec<OrientedFace>, Error> {
        let mut faces = suppress_overlaps(faces);
        let is_compared =
            |face: &DetectedFace| face.score >= MIN_COMPARED_SCORE && face.shorter_side() >= MIN_COMPARED_SIDE;
        faces.sort_by(|one, other| other.shorter_side().total_cmp(&one.shorter_side()));
        let mut oriented = Vec::with_capacity(faces.len());
        let mut compared = 0;
        for face in faces {
            if compared == MAX_COMPARED_FACES || !is_compared(&face) {
                oriented.push(OrientedFace { face, turn: None });
                continue;
            }
            compared += 1;
            let first = self.at_each_turn(photo, &face, CUTOUT_FACE_SIDES[0])?;
            if best_turn(first.map(score)) == turn {
                oriented.push(OrientedFace { face, turn: Some(turn) });
                continue;
            }
            let second = self.at_each_turn(photo, &face, CUTOUT_FACE_SIDES[1])?;
            let scores = std::array::from_fn(|turn| (score(first[turn]) + score(second[turn])) / 2.0);
            let best = best_turn(scores);
            let is_certain =
                |turned: &DetectedFace| scores[best as usize] >= MIN_TURNED_SCORE && turned.score >= face.score;
            oriented.push(match second[best as usize].filter(is_certain) {
                _ if best == turn => OrientedFace { face, turn: Some(turn) },
                Some(turned) => OrientedFace { face: turned, turn: Some(best) },
                None => {
                    let face = DetectedFace { orientation: OrientationCertainty::Doubtful, ..face };
                    OrientedFace { face, turn: None }
                }
            });
        }
        oriented.retain(|face| face.face.score >= self.options.min_score && face.face.has_plausible_landmarks());
        Ok(oriented)
    }

    /// The faces of a photo that may have any orientation. Where no certain face is upright, the photo is searched
    /// at the turns of the faces found; where none is certain, these are looked for at the coarsest scale.
    fn detect_upright_first(&self, photo: ArrayView3<'_, u8>, scales: &[f64]) -> Result<Vec<DetectedFace>, Error> {
        let mut faces = self.oriented(photo, self.search(photo, scales, Turn::Upright)?, Turn::Upright)?;
        let mut glimpsed = faces.clone();
        if faces.iter().all(|face| face.turn.is_none()) {
            for turn in Turn::TURNED {
                let coarsest = &scales[scales.len() - 1..];
                glimpsed.extend(self.oriented(photo, self.search(photo, coarsest, turn)?, turn)?);
            }
        }
        let count = |turn| glimpsed.iter().filter(|face| face.turn == Some(turn)).count();
        for turn in Turn::TURNED {
            if count(turn) > 0 && count(turn) >= count(Turn::Upright) {
                faces.extend(self.oriented(photo, self.search(photo, scales, turn)?, turn)?);
            }
        }
        Ok(faces.into_iter().map(|face| face.face).collect())
    }

    /// The network for an input size, the most recently used ones last.
    fn sized(&self, size: [usize; 2]) -> Result<Arc<SizedNetwork>, Error> {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let sized = match sizes.iter().position(|sized| sized.size == size) {
            Some(index) => sizes.remove(index),
            None => {
                let network = FrozenNetwork::new(&self.network.with_input(size)?);
                Arc::new(SizedNetwork { size, network, idle: Mutex::default() })
            }
        };
        sizes.push(Arc::clone(&sized));
        if sizes.len() > KEPT_SIZES {
            sizes.remove(0);
        }
        Ok(sized)
    }
}

impl Detect for FaceDetector {
    fn detect(&self, photo: ArrayView3<'_, u8>) -> Result<Vec<DetectedFace>, Error> {
        let (height, width, _) = photo.dim();
        let photo = photo.as_standard_layout();
        let photo = photo.view();
        let scales = self.options.min_face.scales([height, width]);
        let faces = match self.options.orientations {
            Orientations::Upright => {
                let mut faces = self.search(photo, &scales, Turn::Upright)?;
                faces.retain(DetectedFace::has_plausible_landmarks);
                faces
            }
            Orientations::UprightFirst => self.detect_upright_first(photo, &scales)?,
            Orientations::All => {
                let mut faces = Vec::new();
                for turn in Turn::ALL {
                    faces.extend(self.oriented(photo, self.search(photo, &scales, turn)?, turn)?);
                }
                faces.into_iter().map(|face| face.face).collect()
            }
        };
        Ok(suppress_overlaps(faces))
    }
}

fn score(face: Option<DetectedFace>) -> f32 {
    face.map_or(0.0, |face| face.score)
}

/// The turn with the best score; upright first among equals.
fn best_turn(scores: [f32; 4]) -> Turn {
    let better = |one: Turn, other: Turn| if scores[other as usize] > scores[one as usize] { other } else { one };
    Turn::ALL.into_iter().fold(Turn::Upright, better)
}

/// A face with the turn at which it is upright; `None` if that is not known.
#[derive(Clone, Copy, Debug)]
struct OrientedFace {
    face: DetectedFace,
    turn: Option<Turn>,
}

/// The stride of an output by its name: `stride_8` or the like.
fn stride(output: &str) -> Option<usize> {
    output.strip_prefix("stride_")?.parse().ok().filter(|&stride| stride > 0)
}
