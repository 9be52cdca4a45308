//! Checkpoints and weights files of other programs.

use std::path::Path;

use facenet_network::{
    Checkpoint, DETECTOR, Description, Error as NetworkError, ForeignFile, LANDMARK_NETWORK, NETWORKS, NameMap,
    built_in, import,
};

use crate::calibration::published::published_calibration;
use crate::calibration::{calibration, calibration_text};
use crate::error::Error;
use crate::weights::checkpoint_file::read_file;

/// Limit on the length of a weights file, in bytes.
const LIMIT: u64 = 4 << 30;

/// How to interpret a weights file of another program.
#[derive(Clone, Debug, Default)]
pub struct ForeignNetwork {
    /// The network of the weights. `None` for the built-in network whose tensors match.
    pub network: Option<Description>,
    /// The map from tensor names of the network to those of the file. `None` for the built-in map.
    pub map: Option<NameMap>,
    /// Where in the file the tensors are: the keys of dictionaries, joined by dots (see
    /// [`ForeignFile`]). `None` for the place whose tensors match.
    pub tensors: Option<String>,
}

/// Reads a weights file as a checkpoint. It has a calibration if it is a calibrated checkpoint or
/// one of some published weights.
///
/// ```text
/// .xml, with a .bin beside it      OpenVINO's intermediate representation
/// zip archive or pickle            a file of PyTorch that contains a state dictionary; nothing in it is executed
/// safetensors                      a checkpoint, which describes its network; or any other tensors
/// ```
///
/// # Errors
///
/// If a file can't be read or has another format; if the network or the name map of a foreign file
/// is not known; if its tensors do not match the network, or several dictionaries do; if the
/// calibration of a checkpoint is invalid. The error names the file, and the tensor.
pub fn read_weights(path: &Path, foreign: &ForeignNetwork) -> Result<Checkpoint, Error> {
    let failed = |source| Error::Weights { path: path.to_owned(), source };
    let bytes = read_file(path, LIMIT)?;
    if Checkpoint::is_checkpoint(&bytes) {
        if foreign.network.is_some() || foreign.map.is_some() || foreign.tensors.is_some() {
            return Err(Error::NotForeign { path: path.to_owned() });
        }
        let checkpoint = Checkpoint::from_bytes(&bytes).map_err(failed)?;
        calibration(&checkpoint, path)?;
        return Ok(checkpoint);
    }
    let file = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml")) {
        ForeignFile::from_openvino(&bytes, &read_file(&path.with_extension("bin"), LIMIT)?)
    } else {
        ForeignFile::from_bytes(&bytes)
    };
    let maps = match (&foreign.map, &foreign.network) {
        (Some(map), _) => vec![map.clone()],
        (None, Some(network)) => NameMap::built_in(&network.name),
        (None, None) => NETWORKS.into_iter().chain([LANDMARK_NETWORK, DETECTOR]).flat_map(NameMap::built_in).collect(),
    };
    if let ([], Some(network)) = (&*maps, &foreign.network) {
        return Err(Error::NoNameMap { path: path.to_owned(), network: network.name.clone() });
    }
    let guessed = foreign.map.is_none() && foreign.network.is_none();
    let (tensors, map) =
        file.and_then(|file| file.matching(&maps, foreign.tensors.as_deref())).map_err(|source| match source {
            NetworkError::NoMatchingTensors { .. } if guessed => Error::UnknownWeights { path: path.to_owned() },
            source => failed(source),
        })?;
    drop(bytes);
    let description = foreign.network.clone().or_else(|| built_in(&map.network));
    let description = description
        .ok_or_else(|| Error::MapOfUnknownNetwork { path: path.to_owned(), network: map.network.clone() })?;
    let network = import(description, &tensors, map).map_err(failed)?;
    let calibration = published_calibration(&network).as_ref().map(calibration_text);
    Ok(Checkpoint { calibration, ..Checkpoint::from(network) })
}
