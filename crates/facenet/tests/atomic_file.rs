//! Files are whole or not there.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use facenet::{Error, write_atomically};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The error names the file, in the variant and in the message.
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
fn a_failure_leaves_what_was_there() {
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

#[test]
fn a_panic_leaves_no_temporary() {
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
fn a_bare_name_lies_in_the_current_folder() {
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
    fn a_link_stays_and_its_target_is_replaced() {
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
    fn it_is_as_open_as_other_new_files() {
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
