//! A trained network as a face detector.

use std::sync::{Arc, Mutex, PoisonError};

use facenet_data::{Crop, Landmarks};
use facenet_metrics::BoundingBox;
use facenet_network::{FrozenNetwork, FrozenWorkspace, Network, Preprocessing};
use ndarray::{Array4, ArrayView3, Axis, s};

use crate::detection::candidates::{decode, suppress_overlaps};
use crate::detection::detect::{Detect, DetectedFace};
use crate::detection::options::DetectionOptions;
use crate::detection::tiles::tiles;
use crate::detection::turn::Turn;
use crate::error::Error;

/// Sides of the network's input are multiples of this, the coarsest stride.
const ALIGNMENT: usize = 32;
/// Number of input sizes whose networks are kept.
const KEPT_SIZES: usize = 8;
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
        Ok(suppress_overlaps(self.candidates(canvas)?))
    }

    /// All faces in an image, in its pixels.
    fn candidates(&self, image: ArrayView3<'_, u8>) -> Result<Vec<DetectedFace>, Error> {
        let (height, width, _) = image.dim();
        let sized = self.sized([height, width].map(|side| side.next_multiple_of(ALIGNMENT)))?;
        let preprocessing: &Preprocessing = &self.network.description().preprocessing;
        let [canvas_height, canvas_width] = sized.size;
        let mut x = Array4::zeros((1, canvas_height, canvas_width, 3));
        preprocessing.apply(image.insert_axis(Axis(0)), x.slice_mut(s![.., ..height, ..width, ..]));
        let idle = sized.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = idle.unwrap_or_else(|| sized.network.workspace());
        let y = sized.network.forward(x.view(), &mut workspace);
        let y = y.as_slice().expect("one row");
        let mut faces = Vec::new();
        for output in sized.network.outputs() {
            let stride = stride(&output.name).expect("checked for each output");
            let output = ArrayView3::from_shape(output.shape, &y[output.range.clone()]).expect("a range of its shape");
            decode(output, stride, self.options.min_score, &mut faces);
        }
        sized.idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        Ok(faces)
    }

    /// All faces at a scale, in pixels of the photo.
    fn search(&self, photo: ArrayView3<'_, u8>, scale: f64, turns: &[Turn]) -> Result<Vec<DetectedFace>, Error> {
        let (height, width, _) = photo.dim();
        let mut faces = Vec::new();
        for tile in tiles([height, width], scale) {
            let ([left, top], [height, width]) = (tile.origin, tile.size);
            let scaled = Crop::Rectangle { left, top, width, height }.apply(photo, tile.scaled);
            let factors = [width as f64 / tile.scaled[1] as f64, height as f64 / tile.scaled[0] as f64];
            for &turn in turns {
                for face in self.candidates(turn.apply(scaled.view()))? {
                    let face = turn.face(&face, tile.scaled);
                    if tile.holds(center(&face.bounding_box), longer_side(&face.bounding_box)) {
                        faces.push(enlarged(&face, factors, [left as f64, top as f64]));
                    }
                }
            }
        }
        Ok(faces)
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
        let mut faces = Vec::new();
        for scale in self.options.min_face.scales([height, width]) {
            faces.extend(self.search(photo.view(), scale, &[Turn::Upright])?);
        }
        Ok(suppress_overlaps(faces))
    }
}

fn center(&BoundingBox { left, top, right, bottom }: &BoundingBox) -> [f64; 2] {
    [(left + right) / 2.0, (top + bottom) / 2.0]
}

fn longer_side(bounding_box: &BoundingBox) -> f64 {
    let [width, height] = bounding_box.sides();
    width.max(height)
}

/// A face in pixels of a photo, from which a rectangle at `[left, top]` was reduced by `factors`.
fn enlarged(face: &DetectedFace, [x, y]: [f64; 2], [left, top]: [f64; 2]) -> DetectedFace {
    let edges = &face.bounding_box;
    let bounding_box = BoundingBox {
        left: left + x * edges.left,
        top: top + y * edges.top,
        right: left + x * edges.right,
        bottom: top + y * edges.bottom,
    };
    let at = |value: f32, factor: f64, start: f64| (start + factor * (f64::from(value) + 0.5) - 0.5) as f32;
    let landmarks = Landmarks(face.landmarks.0.map(|point| [at(point[0], x, left), at(point[1], y, top)]));
    DetectedFace { bounding_box, score: face.score, landmarks }
}

/// The stride of an output by its name: `stride_8` or the like.
fn stride(output: &str) -> Option<usize> {
    output.strip_prefix("stride_")?.parse().ok().filter(|&stride| stride > 0)
}
