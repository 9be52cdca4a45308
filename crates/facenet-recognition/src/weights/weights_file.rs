//! Networks with their weights, in the files of this and of other programs.

use std::path::Path;

use facenet_network::{Checkpoint, Description, ForeignTensors, LANDMARK_NETWORK, NETWORKS, NameMap, built_in, import};

use crate::calibration::published::published_calibration;
use crate::calibration::{calibration, calibration_text};
use crate::error::Error;
use crate::weights::checkpoint_file::read_whole;

/// The largest file of weights that is read, in bytes.
const LIMIT: u64 = 4 << 30;

/// What a file of another program can't say about itself.
#[derive(Clone, Debug, Default)]
pub struct ForeignNetwork {
    /// The network that its weights are for. Without one it is the built-in network whose tensors they are.
    pub network: Option<Description>,
    /// Which of its tensors is which of the network. Without one it is the built-in map of the network.
    pub map: Option<NameMap>,
}

/// Reads a network with its weights, as a checkpoint. What distances mean is known of a checkpoint that has a calibration, and
/// of some published weights.
///
/// ```text
/// .xml, with a .bin beside it      OpenVINO's intermediate representation
/// a zip archive, or a pickle       a state dictionary of PyTorch; nothing in it is executed
/// safetensors                      a checkpoint of ours, which says what its network is; or any other
/// ```
///
/// # Errors
///
/// If a file can't be read or is none of these; if it is not known what network a file of another program is for; if its
/// tensors are not those of the network; if the calibration of a checkpoint is none. The error names the file, and the tensor.
pub fn read_weights(path: &Path, foreign: &ForeignNetwork) -> Result<Checkpoint, Error> {
    let failed = |source| Error::Weights { path: path.to_owned(), source };
    let bytes = read_whole(path, LIMIT)?;
    if Checkpoint::recognizes(&bytes) {
        if foreign.network.is_some() || foreign.map.is_some() {
            return Err(Error::NotForeign { path: path.to_owned() });
        }
        let checkpoint = Checkpoint::from_bytes(&bytes).map_err(failed)?;
        calibration(&checkpoint, path)?;
        return Ok(checkpoint);
    }
    let tensors = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml")) {
        ForeignTensors::from_openvino(&bytes, &read_whole(&path.with_extension("bin"), LIMIT)?)
    } else if bytes.get(8) != Some(&b'{') && (bytes.starts_with(b"PK") || bytes.starts_with(b"\x80")) {
        ForeignTensors::from_pytorch(&bytes)
    } else {
        // The length of its header, then a JSON object.
        ForeignTensors::from_safetensors(&bytes)
    };
    drop(bytes);
    let tensors = tensors.map_err(failed)?;
    let map = match (&foreign.map, &foreign.network) {
        (Some(map), _) => map.clone(),
        (None, Some(network)) => likeliest(NameMap::built_in(&network.name), &tensors)
            .map(|(_, map)| map)
            .ok_or_else(|| Error::NoNameMap { path: path.to_owned(), network: network.name.clone() })?,
        (None, None) => {
            let networks = NETWORKS.into_iter().chain([LANDMARK_NETWORK]);
            // What is missing then is named by the import.
            let map = likeliest(networks.flat_map(NameMap::built_in), &tensors).filter(|(share, _)| *share > 0.5);
            map.map(|(_, map)| map).ok_or_else(|| Error::UnknownWeights { path: path.to_owned() })?
        }
    };
    let description = foreign.network.clone().or_else(|| built_in(&map.network));
    let description = description
        .ok_or_else(|| Error::MapOfUnknownNetwork { path: path.to_owned(), network: map.network.clone() })?;
    let network = import(description, &tensors, &map).map_err(failed)?;
    let calibration = published_calibration(&network).as_ref().map(calibration_text);
    Ok(Checkpoint { calibration, ..Checkpoint::from(network) })
}

/// The map of which the file has the largest share of tensors, and that share.
fn likeliest(maps: impl IntoIterator<Item = NameMap>, tensors: &ForeignTensors) -> Option<(f64, NameMap)> {
    let maps = maps.into_iter().map(|map| (map.share_in(tensors), map));
    maps.max_by(|(one, _), (other, _)| one.total_cmp(other))
}
