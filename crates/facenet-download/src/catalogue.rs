//! The published data sets and weights that can be installed by name.

use crate::file_set::{ArchiveFormat, FileSet, Layout, RemoteFile, Size};

/// The data set or weights with this name, one of [`NAMES`].
#[must_use]
pub fn file_set(name: &str) -> Option<FileSet> {
    match name {
        "lfw" => Some(lfw()),
        "lfw-funneled" => Some(lfw_funneled()),
        "olivetti" => Some(olivetti()),
        "weights/face-reidentification-retail-0095" => Some(face_reidentification()),
        "weights/landmarks-regression-retail-0009" => Some(landmarks_regression()),
        "weights/mobilefacenet_y1" => Some(mobilefacenet_y1()),
        "weights/yunet_n" => Some(yunet_n()),
        _ => None,
    }
}

/// The names that [`file_set`] knows.
pub const NAMES: [&str; 7] = [
    "lfw",
    "lfw-funneled",
    "olivetti",
    "weights/face-reidentification-retail-0095",
    "weights/landmarks-regression-retail-0009",
    "weights/mobilefacenet_y1",
    "weights/yunet_n",
];

const LFW_TERMS: &str = "Labeled Faces in the Wild (University of Massachusetts, Amherst): published for research, without an explicit \
     licence; cite Huang, Ramesh, Berg, Learned-Miller 2007 (funneled: Huang, Jain, Learned-Miller 2007)";

const OLIVETTI_TERMS: &str =
    "Olivetti faces: taken at AT&T Laboratories Cambridge, who must be credited when the images are used";

const OPEN_MODEL_ZOO_TERMS: &str = "Open Model Zoo (Intel): Apache-2.0";

const MODEL_Y1_TERMS: &str = "InsightFace's MobileFaceNet model-y1: offered for non-commercial research; the repository that this copy is in is \
     under MIT";

const YUNET_TERMS: &str = "YuNet-n (Wu, Peng, Yu: \"YuNet: A Tiny Millisecond-level Face Detector\", 2023): Apache-2.0";

fn lfw() -> FileSet {
    let mut files = vec![lfw_images(
        "lfw.tgz",
        "lfw",
        "5976018",
        180_566_744,
        "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
    )];
    files.extend(lfw_lists());
    files.push(RemoteFile {
        name: "lfw_landmark.txt",
        addresses: vec![github(
            "clcarwin/sphereface_pytorch/e2f11f0b0f394cf75b9f65ce8d353e4390b0948c/data/lfw_landmark.txt",
        )],
        size: Size::Exactly(1_031_679),
        sha256: "e517ec9b03232baaf10c7d5f82f0df6f500bb6cca1ead1126642cd42ff3ad039".to_owned(),
        layout: Layout::File("lfw_landmark_5pt_mtcnn_raw250.txt"),
    });
    FileSet { name: "lfw", terms: LFW_TERMS, files, embedder: None }
}

fn lfw_funneled() -> FileSet {
    let mut files = vec![lfw_images(
        "lfw-funneled.tgz",
        "lfw_funneled",
        "5976015",
        243_346_528,
        "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
    )];
    files.extend(lfw_lists());
    FileSet { name: "lfw-funneled", terms: LFW_TERMS, files, embedder: None }
}

fn lfw_images(name: &'static str, root: &'static str, figshare_id: &str, bytes: u64, sha256: &str) -> RemoteFile {
    RemoteFile {
        name,
        addresses: figshare(figshare_id),
        size: Size::Exactly(bytes),
        sha256: sha256.to_owned(),
        layout: Layout::People {
            folder: "images",
            format: ArchiveFormat::TarGz { root },
            people: 5_749,
            images: 13_233,
        },
    }
}

/// The pair and people lists of View 1 and View 2. The site that published them is now a GitHub
/// repository.
fn lfw_lists() -> Vec<RemoteFile> {
    [
        (
            "pairs.txt",
            "protocol/pairs.txt",
            Some("5976006"),
            155_335,
            "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
        ),
        (
            "pairsDevTrain.txt",
            "protocol/pairsDevTrain.txt",
            Some("5976012"),
            56_579,
            "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
        ),
        (
            "pairsDevTest.txt",
            "protocol/pairsDevTest.txt",
            Some("5976009"),
            26_002,
            "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
        ),
        (
            "people.txt",
            "protocol/people.txt",
            None,
            94_770,
            "bc8fa2b7f25c895cf7efb6de4f4fc27ca8b8d1cfa63350ad8b96eae2b198d365",
        ),
        (
            "peopleDevTrain.txt",
            "protocol/peopleDevTrain.txt",
            None,
            66_403,
            "2e58df13ba4cc143189336e001cc2c195f1dfa5b29a6475c02857be353c2a2fa",
        ),
        (
            "peopleDevTest.txt",
            "protocol/peopleDevTest.txt",
            None,
            28_334,
            "c3ed1f90499473401542101a56c14c1d82396bb8218c67a356d7460601047555",
        ),
        (
            "lfw-names.txt",
            "protocol/lfw-names.txt",
            None,
            94_727,
            "403cd39411ee297f99f69241959bd8f0496b44377711913a76ccdd8562874164",
        ),
    ]
    .into_iter()
    .map(|(name, path, figshare_id, bytes, sha256)| {
        let site = "umass-vis-lfw/umass-vis-lfw.github.io/2a620cd8cceb10430f8c7012fe9fa5f0837759e9";
        let mut addresses: Vec<String> = figshare_id.into_iter().flat_map(figshare).collect();
        addresses.push(github(&format!("{site}/{name}")));
        if name == "pairs.txt" {
            addresses.push(github("davidsandberg/facenet/3a036f8a54a18663e6b67bde82fe290bc7abf663/data/pairs.txt"));
        }
        RemoteFile {
            name,
            addresses,
            size: Size::Exactly(bytes),
            sha256: sha256.to_owned(),
            layout: Layout::File(path),
        }
    })
    .collect()
}

fn olivetti() -> FileSet {
    let file = RemoteFile {
        name: "olivettifaces.mat",
        addresses: [figshare("5976027"), vec!["https://cs.nyu.edu/~roweis/data/olivettifaces.mat".to_owned()]].concat(),
        size: Size::About { bytes: 4_000_000, limit: 16 << 20 },
        sha256: "b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794".to_owned(),
        layout: Layout::People { folder: "", format: ArchiveFormat::OlivettiMatrix, people: 40, images: 400 },
    };
    FileSet { name: "olivetti", terms: OLIVETTI_TERMS, files: vec![file], embedder: None }
}

/// The Open Model Zoo's own storage holds another conversion of this network, with other tensor
/// names.
fn face_reidentification() -> FileSet {
    let repository = github("thstung/Employee-Auto-Checking/2815981fa5071be43d6ff1b2c1724434ef909629");
    let folder = format!("{repository}/Models/face-reidentification-retail-0095/FP32");
    FileSet {
        name: "weights/face-reidentification-retail-0095",
        terms: OPEN_MODEL_ZOO_TERMS,
        files: vec![
            weights_file(
                "face-reidentification-retail-0095.xml",
                &[&folder],
                382_044,
                "879662c555c826e7a07683f95bb4387b810ab679a8b8c64cc46e07016bb3da2b",
            ),
            weights_file(
                "face-reidentification-retail-0095.bin",
                &[&folder],
                2_213_628,
                "4d8cdfa9447ddd6d8b447f76c6eaaa2c9345c1ee0146b94900ee5267ffcb9307",
            ),
        ],
        embedder: Some("face-reidentification-retail-0095.xml"),
    }
}

/// The Open Model Zoo's own storage holds the same weights (`.bin`) but another topology file
/// (`.xml`).
fn landmarks_regression() -> FileSet {
    let folder = libovface();
    let storage = "https://storage.openvinotoolkit.org/repositories/open_model_zoo/2021.2/models_bin/3";
    let storage = format!("{storage}/landmarks-regression-retail-0009/FP32");
    FileSet {
        name: "weights/landmarks-regression-retail-0009",
        terms: OPEN_MODEL_ZOO_TERMS,
        files: vec![
            weights_file(
                "landmarks-regression-retail-0009.xml",
                &[&folder],
                42_664,
                "2f3431595d714d18cc227d8517c5bdbb84d58237bff313d727a971dcd4f9235a",
            ),
            weights_file(
                "landmarks-regression-retail-0009.bin",
                &[&folder, &storage],
                762_464,
                "743d6045dd1c8df90649d2e19ce40ee41de18b799e261bb11682e1d9ef124b5d",
            ),
        ],
        embedder: None,
    }
}

fn mobilefacenet_y1() -> FileSet {
    let folder = libovface();
    FileSet {
        name: "weights/mobilefacenet_y1",
        terms: MODEL_Y1_TERMS,
        files: vec![
            weights_file(
                "model-y1-0000.xml",
                &[&folder],
                139_073,
                "be5939729d2cc7fbc2393fc26eee9c857eb72227553c6aa22047ba2d967fb5b2",
            ),
            weights_file(
                "model-y1-0000.bin",
                &[&folder],
                3_973_400,
                "7084d3b5c6dcd5ca245178329608dea8e34770678281a197cbae951119b46834",
            ),
        ],
        embedder: Some("model-y1-0000.xml"),
    }
}

fn yunet_n() -> FileSet {
    let folder = github("ShiqiYu/libfacedetection.train/0047ac24afb1a50a0c6105001c89d1b5b805dbf1/weights");
    FileSet {
        name: "weights/yunet_n",
        terms: YUNET_TERMS,
        files: vec![weights_file(
            "yunet_n.pth",
            &[&folder],
            747_497,
            "9c7c9e14a4d60e57491d77e4d8b0d451bd834f300e05c0dea7fd1f6533817b06",
        )],
        embedder: None,
    }
}

/// A file installed under its own name, found below each of these addresses.
fn weights_file(name: &'static str, folders: &[&str], bytes: u64, sha256: &str) -> RemoteFile {
    RemoteFile {
        name,
        addresses: folders.iter().map(|folder| format!("{folder}/{name}")).collect(),
        size: Size::Exactly(bytes),
        sha256: sha256.to_owned(),
        layout: Layout::File(name),
    }
}

/// The folder of a repository that holds the weights of two networks.
fn libovface() -> String {
    github("terryshyan/libovface/00b553845ff3e69e4559f6d9946f2a74c223afab/models")
}

/// Figshare's two addresses of a file: either may refuse programs at times.
fn figshare(id: &str) -> Vec<String> {
    vec![
        format!("https://ndownloader.figshare.com/files/{id}"),
        format!("https://api.figshare.com/v2/file/download/{id}"),
    ]
}

/// A file of a GitHub repository at a fixed commit: `owner/repository/commit/path`.
fn github(path: &str) -> String {
    format!("https://raw.githubusercontent.com/{path}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use facenet_tests::data;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn every_file_is_pinned_and_has_addresses() {
        let mut hashes = BTreeMap::new();
        for name in NAMES {
            let set = file_set(name).unwrap();
            assert_eq!(set.name, name);
            assert!(set.embedder.is_none_or(|embedder| set.files.iter().any(|file| file.name == embedder)), "{name}");
            for (position, file) in set.files.iter().enumerate() {
                assert_eq!(file.sha256.len(), 64, "{}", file.name);
                assert!(file.sha256.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{}", file.name);
                assert!(!file.addresses.is_empty() && file.addresses.iter().all(|at| at.starts_with("https://")));
                assert!(file.size.limit() > 0);
                let once = set.files[..position].iter().all(|other| other.name != file.name);
                let hash = hashes.entry(file.name).or_insert_with(|| file.sha256.clone());
                assert!(once && *hash == file.sha256, "{}: on a mirror the name alone identifies a file", file.name);
            }
        }
        assert!(file_set("orl").is_none());
    }

    /// Compares the entries of a set with local copies of the files; returns how many. Archives are
    /// left out.
    fn compared(name: &str) -> Option<usize> {
        let folder = data(name)?;
        let mut compared = 0;
        for file in file_set(name).unwrap().files {
            let Layout::File(path) = file.layout else { continue };
            let bytes = fs::read(folder.join(path)).unwrap();
            assert_eq!(
                (Size::Exactly(bytes.len() as u64), format!("{:x}", Sha256::digest(&bytes))),
                (file.size, file.sha256),
                "{path}"
            );
            compared += 1;
        }
        Some(compared)
    }

    #[test]
    fn lists_and_landmarks_match_the_local_copies() {
        assert!(compared("lfw").is_none_or(|files| files == 8));
    }

    #[test]
    fn weights_match_the_local_copies() {
        for name in NAMES.into_iter().filter(|name| name.starts_with("weights/")) {
            let expected = file_set(name).unwrap().files.len();
            assert!(compared(name).is_none_or(|files| files == expected), "{name}");
        }
    }
}
