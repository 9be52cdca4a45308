use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{Builder, Header};
use tempfile::TempDir;

use super::*;

/// A hostile header with the right checksum.
fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o4777);
    header.set_cksum();
    header
}

type Named<'a> = (&'a str, EntryType, &'a [u8]);

fn tar(entries: &[Named<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, content) in entries {
        builder.append(&header(name, *kind, content.len() as u64), *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const FILE: EntryType = EntryType::Regular;
const FOLDER: EntryType = EntryType::Directory;

const GOOD: [Named<'_>; 5] = [
    ("lfw/", FOLDER, b""),
    ("lfw/Ann/", FOLDER, b""),
    ("lfw/Ann/Ann_0001.jpg", FILE, b"first"),
    ("lfw/Ann/Ann_0002.jpg", FILE, b""),
    ("./lfw/Bob_O'Neil/Bob_O'Neil_0001.JPG", FILE, b"third"),
];

const SMALL: Limits = Limits { entries: 20, file_bytes: 100, bytes: 20_000 };

fn unpack_file(path: &Path, folder: &Path) -> Result<Unpacked, Error> {
    unpack(File::open(path).unwrap(), path, "lfw", &SMALL, folder, &mut |_| {})
}

/// Unpacks into the folder `images` of a new folder, next to a file that must stay untouched.
fn unpacked(packed: &[u8]) -> (TempDir, Result<Unpacked, Error>) {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("archive.tgz"), packed).unwrap();
    fs::write(root.path().join("beside"), "untouched").unwrap();
    fs::create_dir(root.path().join("images")).unwrap();
    let result = unpack_file(&root.path().join("archive.tgz"), &root.path().join("images"));
    assert_eq!(fs::read(root.path().join("beside")).unwrap(), b"untouched");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3, "nothing new beside the folder");
    (root, result)
}

#[track_caller]
fn refused(packed: &[u8], message: &str) {
    let (_root, result) = unpacked(packed);
    let error = result.unwrap_err().to_string();
    assert!(error.contains("archive.tgz") && error.contains(message), "{error:?}, expected {message:?}");
}

#[track_caller]
fn entry_refused(name: &str, kind: EntryType, content: &[u8], message: &str) {
    let packed = gzip(&tar(&[GOOD[0], (name, kind, content)]));
    refused(&packed, message);
    refused(&packed, &format!("in the entry `{}`", name.escape_debug()));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn images_are_written() {
    let (root, result) = unpacked(&gzip(&tar(&GOOD)));
    assert_eq!(result.unwrap(), Unpacked { images: 3, left_out: 0 });
    let images = root.path().join("images");
    let names = ["Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bob_O'Neil/Bob_O'Neil_0001.JPG"];
    assert_eq!(files(&images), names.map(|name| images.join(name)));
    assert_eq!(fs::read(images.join(names[0])).unwrap(), b"first");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(images.join(names[0])).unwrap().permissions().mode();
        assert_eq!(mode & 0o7111, 0, "neither setuid nor executable, whatever the archive says: {mode:o}");
    }
}

#[test]
fn files_that_are_not_images_of_people_are_left_out() {
    let mut entries = GOOD.to_vec();
    for name in [
        "lfw/pairs_01.txt",
        "lfw/face.jpg",
        "lfw/Ann/Thumbs.db",
        "lfw/Ann/._Ann_0001.jpg",
        "lfw/.Ann/1.jpg",
        "lfw/Ann/more/1.jpg",
        "._lfw",
        ".DS_Store",
    ] {
        entries.push((name, FILE, b"x"));
    }
    let (root, result) = unpacked(&gzip(&tar(&entries)));
    assert_eq!(result.unwrap(), Unpacked { images: 3, left_out: 8 });
    assert_eq!(files(&root.path().join("images")).len(), 3);
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let outside = "a path that leads out of the folder";
    for name in [
        "lfw/../../evil.jpg",
        "lfw/Ann/../../../beside",
        "../lfw/Ann/1.jpg",
        "/lfw/Ann/1.jpg",
        "lfw/../1.jpg",
        "lfw/..",
        "C:\\lfw\\1.jpg",
        "C:/lfw/Ann/1.jpg",
        "\\\\server\\lfw\\1.jpg",
        "lfw\\..\\..\\1.jpg",
        "lfw/Ann/1:2.jpg",
    ] {
        entry_refused(name, FILE, b"evil", outside);
        entry_refused(name, FOLDER, b"", outside);
    }
    for name in ["other/Ann/1.jpg", "lfw2/Ann/1.jpg", "Ann.jpg", "LFW/Ann/1.jpg"] {
        entry_refused(name, FILE, b"x", "outside of the folder `lfw`");
    }
    entry_refused("lfw/Ann/a\nb.jpg", FILE, b"x", "unexpected characters");
    entry_refused("lfw/Än/1.jpg", FILE, b"x", "unexpected characters");
}

#[test]
fn links_and_devices_are_refused() {
    for kind in [EntryType::Symlink, EntryType::Link] {
        entry_refused("lfw/Ann/Ann_0001.jpg", kind, b"", "a link; only files and folders are unpacked");
    }
    for kind in [
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::GNUSparse,
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::new(b'?'),
    ] {
        entry_refused("lfw/Ann/Ann_0001.jpg", kind, b"", "neither file nor folder");
    }
    // A link, then a file through it: the link is refused already.
    let mut link = header("lfw/Ann", EntryType::Symlink, 0);
    link.set_link_name("/tmp").unwrap();
    link.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&link, &b""[..]).unwrap();
    builder.append(&header("lfw/Ann/evil.jpg", FILE, 4), &b"evil"[..]).unwrap();
    refused(&gzip(&builder.into_inner().unwrap()), "a link");
}

#[test]
fn extended_headers_that_rename_or_resize_are_refused() {
    let record = |key: &str, value: &str| {
        let rest = format!(" {key}={value}\n");
        let length = (rest.len() + 2).to_string();
        assert_eq!(length.len(), 2);
        format!("{length}{rest}")
    };
    for (key, value) in [("path", "../../evil"), ("size", "9999"), ("linkpath", "/etc"), ("GNU.sparse.name", "x")] {
        let content = record(key, value);
        entry_refused(
            "lfw/x",
            EntryType::XHeader,
            content.as_bytes(),
            &format!("an extended header that sets `{key}`"),
        );
        entry_refused("lfw/x", EntryType::XGlobalHeader, content.as_bytes(), key);
    }
    entry_refused("lfw/x", EntryType::XHeader, b"nonsense", "");
    let time = record("mtime", "1234567890.5");
    let entries = [GOOD[0], ("lfw/x", EntryType::XHeader, time.as_bytes()), GOOD[2]];
    assert_eq!(unpacked(&gzip(&tar(&entries))).1.unwrap(), Unpacked { images: 1, left_out: 0 });
}

#[test]
fn duplicate_paths_are_refused() {
    let twice = "a duplicate path";
    refused(&gzip(&tar(&[GOOD[2], GOOD[2]])), twice);
    refused(&gzip(&tar(&[GOOD[2], ("lfw//Ann/./Ann_0001.jpg", FILE, b"other")])), twice);
}

#[test]
fn limits_are_enforced() {
    entry_refused("lfw/Ann/1.jpg", FILE, &[0; 101], "101 bytes, more than 100");
    // More than the archive holds.
    for (size, message) in
        [(1 << 33, "8589934592 bytes, more than 100"), (u64::MAX >> 1, "more than 100"), (u64::MAX, "overflow")]
    {
        let mut bytes = header("lfw/Ann/1.jpg", FILE, size).as_bytes().to_vec();
        bytes.resize(2_048, 0);
        refused(&gzip(&bytes), message);
    }
    let names: Vec<String> = (0..21).map(|number| format!("lfw/Ann/{number}.jpg")).collect();
    let many: Vec<Named<'_>> = names.iter().map(|name| (name.as_str(), FILE, &b""[..])).collect();
    assert!(unpacked(&gzip(&tar(&many[..20]))).1.is_ok());
    refused(&gzip(&tar(&many)), "more than 20 entries");
    // Compressed blocks of zeros after the end count too.
    let mut padded = tar(&GOOD);
    padded.resize(20_001, 0);
    refused(&gzip(&padded), "more bytes than an archive may have when unpacked");
    padded.truncate(20_000);
    assert!(unpacked(&gzip(&padded)).1.is_ok());
}

#[test]
fn damage_is_detected() {
    let (plain, packed) = (tar(&GOOD), gzip(&tar(&GOOD)));
    // Up to the last byte of the checksum and length at the end.
    for length in 0..packed.len() {
        refused(&packed[..length], "");
    }
    let mut flipped = packed.clone();
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 1;
    refused(&flipped, "after the end of the archive");
    refused(&plain, "");
    refused(b"<html>not found</html>", "");
    refused(&gzip(&plain[..700]), "");
    refused(&gzip(&plain[..1_538]), "in the entry `lfw/Ann/Ann_0001.jpg`: truncated");
    refused(&gzip(&plain[..1_600]), "EOF");

    let rubbish = "unexpected data after the end of the";
    refused(&[packed.as_slice(), b"rubbish"].concat(), rubbish);
    refused(&gzip(&[plain.as_slice(), b"rubbish"].concat()), rubbish);
    assert!(unpacked(&[packed.as_slice(), &[0; 1_000]].concat()).1.is_ok(), "padding is allowed");
    refused(&[packed.as_slice(), &packed].concat(), rubbish);
}

#[test]
fn write_errors_name_the_path() {
    let root = tempfile::tempdir().unwrap();
    let (archive, images) = (root.path().join("a.tgz"), root.path().join("images"));
    fs::write(&archive, gzip(&tar(&GOOD))).unwrap();
    fs::create_dir(&images).unwrap();
    fs::write(images.join("Ann"), "a file where a folder should be").unwrap();
    let error = unpack_file(&archive, &images).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("can't write") && error.contains("Ann_0001.jpg"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whatever a header says, the result is an error or files in the folder; never a panic or a
    /// file elsewhere.
    #[test]
    fn altered_headers_write_nowhere_else(
        entry in 0..5_usize,
        changes in proptest::collection::vec((0..512_usize, any::<u8>()), 1..6),
        text in "[./\\\\a-zA-Z:]{0,20}",
        place in 0..40_usize,
    ) {
        let mut bytes = tar(&GOOD);
        // Offsets of the headers; an empty entry has no block of content.
        let start = [0, 512, 1_024, 2_048, 2_560][entry];
        let block: &mut [u8; 512] = (&mut bytes[start..start + 512]).try_into().unwrap();
        block[place..place + text.len()].copy_from_slice(text.as_bytes());
        for (at, value) in changes {
            block[at] = value;
        }
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        // `unpacked` checks that nothing else was written.
        let _ = unpacked(&gzip(&bytes));
    }

    #[test]
    fn altered_bytes_do_not_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut packed = gzip(&tar(&GOOD));
        for (at, value) in changes {
            let at = at.index(packed.len());
            packed[at] = value;
        }
        let _ = unpacked(&packed);
    }
}
