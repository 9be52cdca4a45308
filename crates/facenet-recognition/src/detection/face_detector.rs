//! A trained network as a face detector.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use facenet_data::{Crop, Landmarks};
use facenet_metrics::BoundingBox;
use facenet_network::{FrozenNetwork, FrozenWorkspace, Network, Preprocessing};
use ndarray::{Array3, Array4, ArrayView3, Axis, s};

use crate::detection::candidates::{decode, suppress_overlaps};
use crate::detection::detect::{Detect, DetectedFace};
use crate::error::Error;

/// Sides of the network's input are multiples of this, the coarsest stride.
const ALIGNMENT: usize = 32;
/// Number of input sizes whose networks are kept.
const KEPT_SIZES: usize = 8;
/// Photos are enlarged at most this many times.
const MAX_ENLARGEMENT: usize = 2;
/// Channels of an output: two logits, box, five points.
const CHANNELS: usize = 16;

/// How a photo is searched for faces.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionOptions {
    /// The longer sides, in pixels, to which a photo is scaled, at most to twice its size; faces found at any
    /// of them are joined. The network finds faces from about 10 pixels of the scaled photo on.
    pub sides: Vec<usize>,
    /// The least score of a face.
    pub min_score: f32,
}

impl Default for DetectionOptions {
    /// 480 and 960 pixels, the best of twelve settings on the first 100 of 200 photos of WIDER FACE; a least
    /// score of 0.5.
    fn default() -> Self {
        Self { sides: vec![480, 960], min_score: 0.5 }
    }
}

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

    /// All faces in an input of the network.
    fn candidates(&self, canvas: ArrayView3<'_, u8>) -> Result<Vec<DetectedFace>, Error> {
        let (height, width, _) = canvas.dim();
        let sized = self.sized([height, width])?;
        let preprocessing: &Preprocessing = &self.network.description().preprocessing;
        let mut x = Array4::zeros((1, height, width, 3));
        preprocessing.apply(canvas.insert_axis(Axis(0)), x.view_mut());
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
        // A face that fills a small photo would be too large for the network if it were enlarged further.
        let largest = MAX_ENLARGEMENT * height.max(width);
        let sides: BTreeSet<usize> = self.options.sides.iter().map(|&side| side.min(largest)).collect();
        for side in sides {
            let scale = side as f64 / height.max(width) as f64;
            let [rows, columns] = [height, width].map(|length| ((length as f64 * scale).round() as usize).max(1));
            let scaled = Crop::Whole.apply(photo.view(), [rows, columns]);
            let [canvas_rows, canvas_columns] = [rows, columns].map(|length| length.next_multiple_of(ALIGNMENT));
            let mut canvas = Array3::zeros((canvas_rows, canvas_columns, 3));
            canvas.slice_mut(s![..rows, ..columns, ..]).assign(&scaled);
            let found = self.candidates(canvas.view())?;
            let scales = [width as f64 / columns as f64, height as f64 / rows as f64];
            faces.extend(found.into_iter().map(|face| enlarged(&face, scales)));
        }
        Ok(suppress_overlaps(faces))
    }
}

/// A face in pixels of an image that is this many times as wide and high.
fn enlarged(face: &DetectedFace, [x, y]: [f64; 2]) -> DetectedFace {
    let BoundingBox { left, top, right, bottom } = face.bounding_box;
    let bounding_box = BoundingBox { left: x * left, top: y * top, right: x * right, bottom: y * bottom };
    let landmarks = Landmarks(face.landmarks.0.map(|point| [point[0] * x as f32, point[1] * y as f32]));
    DetectedFace { bounding_box, landmarks, ..*face }
}

/// The stride of an output by its name: `stride_8` or the like.
fn stride(output: &str) -> Option<usize> {
    output.strip_prefix("stride_")?.parse().ok().filter(|&stride| stride > 0)
}
