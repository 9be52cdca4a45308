//! Finding the faces of a photo and extracting them.

use std::path::Path;

use facenet_data::{Crop, Landmarks, Photo, align};
use facenet_metrics::BoundingBox;
use ndarray::Array3;

use crate::detection::detect::Detect;
use crate::error::Error;
use crate::face_source::FaceSource;
use crate::photos::face::{Face, FaceWarning, PhotoWarning};
use crate::photos::find::{PhotoScale, face_at, find_faces, single_precision};
use crate::photos::landmark_list::PhotoLandmarks;

/// Finds the faces of photos and extracts them as an embedding network expects them.
pub struct PhotoReader {
    pub(super) framing: Framing,
    pub(super) size: [usize; 2],
}

/// Where the faces of a photo are.
pub(super) enum Framing {
    /// Every face that the detector finds, or the one on the landmark list, aligned to the template.
    Aligned { template: Landmarks, detector: Option<Box<dyn Detect + Send>>, list: Option<PhotoLandmarks> },
    /// One in each photo, the same part of all.
    Cropped(Crop),
}

/// The faces of a photo.
#[derive(Debug)]
pub(super) struct Faces {
    /// From left to right, each with its pixels: [`PhotoReader::size`] with 3 channels.
    pub(super) faces: Vec<(Face, Array3<u8>)>,
    pub(super) warning: Option<PhotoWarning>,
}

impl PhotoReader {
    /// Whether faces are aligned by their landmarks.
    #[must_use]
    pub fn aligns(&self) -> bool {
        matches!(self.framing, Framing::Aligned { .. })
    }

    /// `[height, width]` of an extracted face.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The landmark list, if there is one.
    #[must_use]
    pub fn landmark_list(&self) -> Option<&PhotoLandmarks> {
        match &self.framing {
            Framing::Aligned { list, .. } => list.as_ref(),
            Framing::Cropped(_) => None,
        }
    }

    pub(super) fn listed_landmarks(&self, path: &Path) -> Option<Landmarks> {
        self.landmark_list()?.get(path)
    }

    /// The faces of a photo. `path` names it in errors and on the landmark list.
    ///
    /// # Errors
    ///
    /// If listed landmarks lie outside the photo or do not span a face, the crop does not fit, or the photo
    /// can't be searched.
    pub(super) fn read(&self, photo: &Photo, path: &Path) -> Result<Faces, Error> {
        let (detector, list) = match &self.framing {
            Framing::Cropped(crop) => return self.crop(photo, crop, path),
            Framing::Aligned { detector, list, .. } => (detector, list),
        };
        let found = detector.as_ref().map(|detector| find_faces(&**detector, photo)).transpose()?;
        let found = found.as_ref().map(|found| &found.faces[..]);
        let listed = list.as_ref().and_then(|list| list.get(path));
        let faces = match listed {
            Some(landmarks) => vec![listed_face(landmarks, photo.size, found, path)?],
            None => found.unwrap_or_default().to_vec(),
        };
        let extract = |face: Face| Some((face, self.extract(photo, &face)?));
        let faces: Vec<_> = faces.into_iter().filter_map(extract).collect();
        if listed.is_some() && faces.is_empty() {
            return Err(facenet_data::Error::LandmarksDegenerate { path: path.to_owned() }.into());
        }
        let warning = match (faces.is_empty(), found) {
            (false, _) => None,
            (true, Some(_)) => Some(PhotoWarning::NoFace),
            (true, None) => Some(PhotoWarning::NotListed),
        };
        Ok(Faces { faces, warning })
    }

    /// The pixels of a face, aligned: [`PhotoReader::size`] with 3 channels. `None` if its landmarks are not known
    /// or span no face, or the network does not take aligned faces.
    #[must_use]
    pub fn extract(&self, photo: &Photo, face: &Face) -> Option<Array3<u8>> {
        let Framing::Aligned { template, .. } = &self.framing else { return None };
        let landmarks = PhotoScale::of(photo).points_in_pixels(&face.landmarks?);
        align(photo.pixels.view(), &landmarks, template, self.size)
    }

    /// The same part of every photo.
    fn crop(&self, photo: &Photo, crop: &Crop, path: &Path) -> Result<Faces, Error> {
        // A rectangle is in decoded pixels.
        let [height, width] = [photo.pixels.dim().0, photo.pixels.dim().1];
        if !crop.fits([height, width]) {
            return Err(facenet_data::Error::CropOutside { path: path.to_owned(), crop: *crop, width, height }.into());
        }
        let [left, top, columns, rows] = crop.rectangle([height, width], self.size).map(|length| length as f64);
        let bounding_box = BoundingBox { left, top, right: left + columns, bottom: top + rows };
        let face = Face {
            photo: 0,
            number: 1,
            source: FaceSource::CenterCrop,
            bounding_box: PhotoScale::of(photo).box_in_photo(&bounding_box),
            landmarks: None,
            quality: None,
            warning: None,
        };
        Ok(Faces { faces: vec![(face, crop.apply(photo.pixels.view(), self.size))], warning: None })
    }
}

impl std::fmt::Debug for PhotoReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PhotoReader").field("size", &self.size).finish_non_exhaustive()
    }
}

/// The face on the landmark list, compared with those that the detector found, if there is a detector.
fn listed_face(listed: Landmarks, size: [usize; 2], found: Option<&[Face]>, path: &Path) -> Result<Face, Error> {
    if !listed.are_inside(size) {
        let [height, width] = size;
        return Err(facenet_data::Error::LandmarksOutside { path: path.to_owned(), width, height }.into());
    }
    let same = face_at(found.unwrap_or_default(), &listed);
    Ok(Face {
        photo: 0,
        number: 1,
        source: FaceSource::LandmarkList,
        bounding_box: same.map_or_else(|| box_around(&listed), |face| face.bounding_box),
        landmarks: Some(listed),
        quality: same.and_then(|face| face.quality),
        warning: match same {
            Some(face) => face.warning,
            None => found.map(|_| FaceWarning::ListDisagrees),
        },
    })
}

/// A box around landmarks that no detected face belongs to: they fill about the inner half of a face.
fn box_around(points: &Landmarks) -> BoundingBox {
    let range = |axis: usize| {
        let values = points.0.map(|point| f64::from(point[axis]));
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let margin = (high - low) / 2.0;
        [low - margin, high + margin].map(single_precision)
    };
    let ([left, right], [top, bottom]) = (range(0), range(1));
    BoundingBox { left, top, right, bottom }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::detect::{DetectedFace, OrientationCertainty};
    use ndarray::ArrayView3;

    /// A detector that finds the same faces in every photo.
    struct Finds(Vec<DetectedFace>);

    impl Detect for Finds {
        fn detect(&self, _: ArrayView3<'_, u8>) -> Result<Vec<DetectedFace>, Error> {
            Ok(self.0.clone())
        }
    }

    const TEMPLATE: Landmarks = Landmarks([[5.0, 6.0], [10.0, 6.0], [7.5, 9.0], [5.5, 12.0], [9.5, 12.0]]);

    /// A face of 40 x 50 pixels at a position.
    fn face_at(left: f32, top: f32) -> DetectedFace {
        let points = [[12.0, 20.0], [28.0, 20.0], [20.0, 30.0], [14.0, 40.0], [26.0, 40.0]];
        let [x, y] = [left, top].map(f64::from);
        DetectedFace {
            bounding_box: BoundingBox { left: x, top: y, right: x + 40.0, bottom: y + 50.0 },
            score: 0.9,
            landmarks: Landmarks(points).translated([left, top]),
            orientation: OrientationCertainty::Certain,
        }
    }

    fn reader(faces: Vec<DetectedFace>, list: Option<&str>) -> PhotoReader {
        let folder = tempfile::tempdir().unwrap();
        let list = list.map(|text| {
            let path = folder.path().join("list.txt");
            std::fs::write(&path, text).unwrap();
            PhotoLandmarks::read(&path, &[Path::new(".")]).unwrap()
        });
        let detector: Option<Box<dyn Detect + Send>> = Some(Box::new(Finds(faces)));
        PhotoReader { framing: Framing::Aligned { template: TEMPLATE, detector, list }, size: [16, 16] }
    }

    fn photo(size: [usize; 2], reduction: usize) -> Photo {
        let [height, width] = size.map(|side| side / reduction);
        let pixels = Array3::from_shape_fn((height, width, 3), |(row, column, _)| ((row * column) % 251) as u8);
        Photo { pixels, size }
    }

    #[test]
    fn faces_are_numbered_from_left_to_right() {
        let read = reader(vec![face_at(120.0, 10.0), face_at(5.0, 100.0)], None)
            .read(&photo([200, 300], 1), Path::new("a.png"))
            .unwrap();
        let places: Vec<_> = read.faces.iter().map(|(face, _)| (face.number, face.bounding_box.left)).collect();
        assert_eq!((places, read.warning), (vec![(1, 5.0), (2, 120.0)], None));
        let none = reader(Vec::new(), None).read(&photo([200, 300], 1), Path::new("a.png")).unwrap();
        assert_eq!((none.faces.len(), none.warning), (0, Some(PhotoWarning::NoFace)));
    }

    #[test]
    fn parts_of_a_face_are_no_faces() {
        let face = |left, score| DetectedFace { score, ..face_at(left, 10.0) };
        // Half of the second face lies within the first.
        let found = |score| {
            let reader = reader(vec![face(100.0, 0.9), face(120.0, score)], None);
            reader.read(&photo([200, 300], 1), Path::new("a.png")).unwrap().faces.len()
        };
        assert_eq!([found(0.55), found(0.65)], [1, 2]);
    }

    #[test]
    fn faces_are_in_pixels_of_the_photo_at_any_reduction() {
        let face = face_at(20.0, 30.0);
        let read = reader(vec![face], None).read(&photo([400, 800], 4), Path::new("a.jpg")).unwrap();
        let (found, pixels) = &read.faces[0];
        assert_eq!(found.bounding_box, face.bounding_box.scaled(4.0));
        assert_eq!(found.landmarks.unwrap().0[0], [4.0 * 32.5 - 0.5, 4.0 * 50.5 - 0.5]);
        assert_eq!(found.quality.unwrap().side, 160.0);
        assert_eq!(pixels.dim(), (16, 16, 3));
    }

    #[test]
    fn a_landmark_list_that_disagrees_with_the_faces_is_doubted() {
        let line = |face: DetectedFace, shift: f32| {
            let points = face.landmarks.translated([shift, shift]).0;
            format!("a.png {}\n", points.as_flattened().iter().map(f32::to_string).collect::<Vec<_>>().join(" "))
        };
        let face = face_at(60.0, 50.0);
        for (shift, warning) in [(2.0, false), (30.0, true), (-45.0, true)] {
            let reader = reader(vec![face_at(150.0, 20.0), face], Some(&line(face, shift)));
            let read = reader.read(&photo([200, 300], 1), Path::new("a.png")).unwrap();
            let [(found, _)] = &read.faces[..] else { panic!("only the listed face") };
            assert_eq!(found.source, FaceSource::LandmarkList);
            assert_eq!(found.warning == Some(FaceWarning::ListDisagrees), warning, "shifted by {shift}");
            assert_eq!(found.quality.is_none(), warning);
        }
    }
}
