//! Atomic writes.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use facenet_data::{Error, write_atomically};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Asserts that the error names the file, in the variant and in the message.
fn assert_names(result: Result<(), Error>, path: &Path) {
    match result {
        Err(Error::Write { path: named, source }) => {
            assert_eq!(named, path);
            let error = Error::Write { path: named, source };
            assert!(error.to_string().starts_with(&format!("can't write {}: ", path.display())), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn writes_and_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.json");
    for text in ["first", "the second, longer", ""] {
        write_atomically(&path, |file| file.write_all(text.as_bytes())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(names(folder.path()), ["scores.json"]);
    }
    let long = vec![7; 1 << 20];
    write_atomically(&path, |file| long.chunks(1000).try_for_each(|chunk| file.write_all(chunk))).unwrap();
    assert_eq!(fs::read(&path).unwrap(), long);
}

#[test]
fn a_failure_keeps_the_old_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let fail = |file: &mut dyn Write| {
        file.write_all(&[1; 100_000])?;
        Err(io::Error::other("enough"))
    };
    assert_names(write_atomically(&path, fail), &path);
    assert_eq!(names(folder.path()), [""; 0]);

    fs::write(&path, "before").unwrap();
    assert_names(write_atomically(&path, fail), &path);
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(names(folder.path()), ["model"]);
}

/// A disk with space for a number of bytes.
struct Disk<'a> {
    file: &'a mut dyn Write,
    space: usize,
}

impl Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.space == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.file.write(&bytes[..bytes.len().min(self.space)])?;
        self.space -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()?;
        if self.space == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[test]
fn a_full_disk_keeps_the_old_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let content: Vec<u8> = (0..40_000_u32).map(|index| index as u8).collect();
    let write = |space| {
        write_atomically(&path, |file| {
            let mut disk = Disk { file, space };
            content.chunks(1000).try_for_each(|chunk| disk.write_all(chunk))?;
            disk.flush()
        })
    };
    // With space for exactly all bytes, flushing fails.
    let spaces = [0, 1, 999, 1000, 8191, 8192, 8193, 39_999, 40_000];
    for before in [None, Some("before")] {
        before.iter().for_each(|text| fs::write(&path, text).unwrap());
        for space in spaces {
            match write(space) {
                Err(Error::Write { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::StorageFull),
                other => panic!("{other:?}"),
            }
            assert_names(write(space), &path);
            assert_eq!(names(folder.path()), Vec::from_iter(before.map(|_| "model")), "{space}");
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before, "{space}");
        }
    }
    write(40_001).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn a_panic_removes_the_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let result = std::panic::catch_unwind(|| {
        let _ = write_atomically(&path, |file| {
            file.write_all(&[1; 100_000])?;
            panic!("halfway")
        });
    });
    assert!(result.is_err());
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_folder_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    fs::create_dir(&path).unwrap();
    let mut called = false;
    let result = write_atomically(&path, |_| {
        called = true;
        Ok(())
    });
    assert_names(result, &path);
    assert!(!called && path.is_dir());
    assert_eq!(names(folder.path()), ["taken"]);
}

#[test]
fn the_parent_must_be_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for path in ["missing/model", "file/model"].map(|path| folder.path().join(path)) {
        assert_names(write_atomically(&path, |_| Ok(())), &path);
    }
    assert_names(write_atomically(Path::new(""), |_| Ok(())), Path::new(""));
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn a_bare_name_is_relative_to_the_current_folder() {
    let name = format!("written-by-a-test-{}", std::process::id());
    write_atomically(Path::new(&name), |file| file.write_all(b"here")).unwrap();
    let content = fs::read(&name).unwrap();
    fs::remove_file(&name).unwrap();
    assert_eq!(content, b"here");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_device_is_not_replaced() {
        let path = Path::new("/dev/null");
        assert_names(write_atomically(path, |_| Ok(())), path);
        assert!(!path.is_file());
    }

    #[test]
    fn a_link_is_kept_and_its_target_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        fs::create_dir(&runs).unwrap();
        fs::write(runs.join("1.json"), "old").unwrap();
        let link = folder.path().join("latest.json");
        symlink("runs/1.json", &link).unwrap();
        write_atomically(&link, |file| file.write_all(b"new")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(runs.join("1.json")).unwrap(), b"new");
        assert_eq!(
            (names(folder.path()), names(&runs)),
            (vec!["latest.json".into(), "runs".into()], vec!["1.json".into()])
        );
    }

    #[test]
    fn a_broken_link_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        for (name, target) in [("lost", "nowhere"), ("loop", "loop")] {
            let link = folder.path().join(name);
            symlink(target, &link).unwrap();
            assert_names(write_atomically(&link, |file| file.write_all(b"new")), &link);
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
        assert_eq!(names(folder.path()), ["loop", "lost"]);
    }

    /// An error of the operating system, at the final flush of few bytes and in the middle of many.
    #[test]
    fn a_file_size_limit_keeps_the_old_content() {
        const FOLDER: &str = "FACENET_TEST_FOLDER";
        if let Some(folder) = std::env::var_os(FOLDER).map(std::path::PathBuf::from) {
            // This process was started below with a file size limit of 0.
            let path = folder.join("model");
            for length in [1, 8191, 8192, 8193, 100_000] {
                match write_atomically(&path, |file| file.write_all(&vec![1; length])) {
                    Err(Error::Write { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::FileTooLarge),
                    other => panic!("{length}: {other:?}"),
                }
                assert_eq!(fs::read(&path).unwrap(), b"before");
                assert_eq!(names(&folder), ["model"]);
            }
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model"), "before").unwrap();
        // With SIGXFSZ ignored, writing is an error.
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                "trap '' XFSZ; ulimit -f 0; exec \"$0\" --exact atomic_file::unix::a_file_size_limit_keeps_the_old_content",
            ])
            .arg(std::env::current_exe().unwrap())
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && stdout.contains("1 passed"), "{output:?}");
    }

    /// Nobody can create files there.
    #[cfg(target_os = "linux")]
    #[test]
    fn file_systems_without_writable_files_are_errors() {
        for path in ["/proc/model", "/sys/model"].map(Path::new) {
            if path.parent().is_some_and(Path::is_dir) {
                assert_names(write_atomically(path, |file| file.write_all(b"new")), path);
                assert!(!path.exists());
            }
        }
    }

    #[test]
    fn permissions_equal_those_of_other_new_files() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, atomic) = (folder.path().join("plain"), folder.path().join("atomic"));
        fs::write(&plain, "").unwrap();
        write_atomically(&atomic, |_| Ok(())).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&atomic), mode(&plain));
    }

    #[test]
    fn a_read_only_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
        if fs::write(folder.path().join("probe"), "").is_ok() {
            println!("skipped: this user may write to read-only folders");
            return;
        }
        let path = folder.path().join("model");
        assert_names(write_atomically(&path, |_| Ok(())), &path);
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
