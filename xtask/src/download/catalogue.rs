//! The data sets that can be downloaded, as data.

/// A data set: the files it is made from.
pub struct DataSet {
    /// What it is called, and its folder among the data sets.
    pub name: &'static str,
    /// Whose it is and what it may be used for, in one line.
    pub terms: &'static str,
    /// All that it consists of.
    pub files: Vec<RemoteFile>,
}

/// A file that others publish.
pub struct RemoteFile {
    /// Its name: `lfw.tgz`. Under this name a mirror has it.
    pub name: &'static str,
    /// Where it is, in the order in which to try.
    pub addresses: Vec<String>,
    /// How long it is.
    pub size: Size,
    /// SHA-256 of its bytes, as 64 hexadecimal digits.
    pub sha256: String,
    /// What is made of it.
    pub product: Product,
}

/// How many bytes a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Exactly so many.
    Exactly(u64),
    /// Not known exactly.
    About {
        /// Roughly so many.
        bytes: u64,
        /// Not more than so many.
        limit: u64,
    },
}

impl Size {
    /// The most bytes that it can be.
    pub fn limit(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::About { limit: bytes, .. } => bytes,
        }
    }

    /// The bytes to reckon with.
    pub fn expected(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::About { bytes, .. } => bytes,
        }
    }
}

/// What is made of a file.
pub enum Product {
    /// It is kept as it is, under this path in the folder of the data set.
    File(&'static str),
    /// A folder for each person.
    People {
        /// The folder of those folders, in the folder of the data set; empty if it is that folder itself.
        folder: &'static str,
        /// How they are got out of the file.
        packing: Packing,
        /// How many people there are.
        people: usize,
        /// How many pictures there are.
        pictures: usize,
    },
}

/// How pictures lie in a file.
pub enum Packing {
    /// As files `<top>/<person>/<picture>.jpg` of a compressed tape archive.
    TarGz {
        /// The folder that holds everything in the archive.
        top: &'static str,
    },
    /// As the columns of the matrix `faces` in a MATLAB file, ten of each person in a row.
    OlivettiMatrix,
}

/// The data set of that name.
pub fn data_set(name: &str) -> Option<DataSet> {
    match name {
        "lfw" => Some(lfw()),
        "lfw-funneled" => Some(lfw_funneled()),
        "olivetti" => Some(olivetti()),
        _ => None,
    }
}

/// Names of all of them.
pub const NAMES: [&str; 3] = ["lfw", "lfw-funneled", "olivetti"];

const LFW_TERMS: &str = "Labeled Faces in the Wild (University of Massachusetts, Amherst): published for research, without an explicit \
     licence; cite Huang, Ramesh, Berg, Learned-Miller 2007 (funneled: Huang, Jain, Learned-Miller 2007)";

const OLIVETTI_TERMS: &str =
    "Olivetti faces: taken at AT&T Laboratories Cambridge, who must be credited when the pictures are used";

fn lfw() -> DataSet {
    let mut files = vec![lfw_pictures(
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
        product: Product::File("lfw_landmark_5pt_mtcnn_raw250.txt"),
    });
    DataSet { name: "lfw", terms: LFW_TERMS, files }
}

fn lfw_funneled() -> DataSet {
    let mut files = vec![lfw_pictures(
        "lfw-funneled.tgz",
        "lfw_funneled",
        "5976015",
        243_346_528,
        "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
    )];
    files.extend(lfw_lists());
    DataSet { name: "lfw-funneled", terms: LFW_TERMS, files }
}

fn lfw_pictures(name: &'static str, top: &'static str, figshare_id: &str, bytes: u64, sha256: &str) -> RemoteFile {
    RemoteFile {
        name,
        addresses: figshare(figshare_id),
        size: Size::Exactly(bytes),
        sha256: sha256.to_owned(),
        product: Product::People { folder: "images", packing: Packing::TarGz { top }, people: 5_749, pictures: 13_233 },
    }
}

/// The lists of both views; the site that published them is on GitHub now.
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
            product: Product::File(path),
        }
    })
    .collect()
}

fn olivetti() -> DataSet {
    let file = RemoteFile {
        name: "olivettifaces.mat",
        addresses: [figshare("5976027"), vec!["https://cs.nyu.edu/~roweis/data/olivettifaces.mat".to_owned()]].concat(),
        size: Size::About { bytes: 4_000_000, limit: 16 << 20 },
        sha256: "b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794".to_owned(),
        product: Product::People { folder: "", packing: Packing::OlivettiMatrix, people: 40, pictures: 400 },
    };
    DataSet { name: "olivetti", terms: OLIVETTI_TERMS, files: vec![file] }
}

/// A file of figshare, whose two gates are not always open to programs both.
fn figshare(id: &str) -> Vec<String> {
    vec![
        format!("https://ndownloader.figshare.com/files/{id}"),
        format!("https://api.figshare.com/v2/file/download/{id}"),
    ]
}

/// A file of a repository as it was at one commit: `owner/repository/commit/path`.
fn github(path: &str) -> String {
    format!("https://raw.githubusercontent.com/{path}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use facenet_tests::data;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn every_file_is_pinned_and_has_addresses() {
        for name in NAMES {
            let data_set = data_set(name).unwrap();
            assert_eq!(data_set.name, name);
            let names: BTreeSet<&str> = data_set.files.iter().map(|file| file.name).collect();
            assert_eq!(names.len(), data_set.files.len(), "mirrors tell files by name");
            for file in &data_set.files {
                assert_eq!(file.sha256.len(), 64, "{}", file.name);
                assert!(file.sha256.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{}", file.name);
                assert!(!file.addresses.is_empty() && file.addresses.iter().all(|at| at.starts_with("https://")));
                assert!(file.size.limit() > 0);
            }
        }
        assert!(data_set("orl").is_none());
    }

    #[test]
    fn lists_and_landmarks_are_those_at_hand() {
        let Some(folder) = data("lfw") else { return };
        let mut compared = 0;
        for file in data_set("lfw").unwrap().files {
            let Product::File(path) = file.product else { continue };
            let bytes = fs::read(folder.join(path)).unwrap();
            assert_eq!(
                (Size::Exactly(bytes.len() as u64), format!("{:x}", Sha256::digest(&bytes))),
                (file.size, file.sha256)
            );
            compared += 1;
        }
        assert_eq!(compared, 8);
    }
}
