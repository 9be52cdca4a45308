//! Names of files that are made of paths.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use facenet_data::escape_path;

/// The longest name, in bytes: file systems take 255, archives and mounts of them less.
const LONGEST: usize = 200;

/// A name for each of some paths below a folder, so that all can lie in one folder: their parts with ` - ` between them, no
/// two alike, not even but for case, and without letters that a common system forbids.
pub fn file_names<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<String> {
    let mut taken = HashSet::new();
    // How many names began like this one: of thousands of equal ones each is found at once.
    let mut alike: HashMap<String, usize> = HashMap::new();
    let mut name = |path: &Path| {
        let wished = safe(path);
        let times = alike.entry(wished.to_lowercase()).or_default();
        loop {
            *times += 1;
            let name = numbered(&wished, *times);
            if taken.insert(name.to_lowercase()) {
                return name;
            }
        }
    };
    paths.into_iter().map(&mut name).collect()
}

/// The parts of a path as one name without letters that mean something to a system, hide a file or look like an option.
pub fn safe(path: &Path) -> String {
    let parts: Vec<String> = path.iter().map(escape_path).collect();
    let mut name = parts.join(" - ").replace(['/', '\\', ':', '*', '?', '"', '<', '>', '|'], "_");
    if name.starts_with(['.', '-', ' ']) {
        name.replace_range(..1, "_");
    }
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The name, from the second time on with a number before its extension, cut to what is allowed.
fn numbered(name: &str, times: usize) -> String {
    let (stem, extension) = match name.rfind('.') {
        // What is longer is no extension.
        Some(dot) if name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let number = if times > 1 { format!(" ({times})") } else { String::new() };
    let stem = &stem[..stem.floor_char_boundary(LONGEST - number.len() - extension.len())];
    format!("{stem}{number}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        file_names(paths.iter().map(Path::new))
    }

    #[test]
    fn paths_become_names() {
        assert_eq!(names(&["a.jpg", "Ann/1.png", "x/y/z.ppm"]), ["a.jpg", "Ann - 1.png", "x - y - z.ppm"]);
    }

    #[test]
    fn no_two_are_alike() {
        let paths = ["a/b - c.png", "a - b/c.png", "A/B/C.png", "a - b - c (2).png"];
        assert_eq!(names(&paths), ["a - b - c.png", "a - b - c (2).png", "A - B - C (3).png", "a - b - c (2) (2).png"]);
    }

    #[test]
    fn names_are_harmless() {
        let odd = ["-rf.jpg", "..a/b.jpg", "con:trol\u{1b}[2J\n.jpg", "a\\..\\b.jpg", "?*.png", " x.png"];
        let names = names(&odd);
        for name in &names {
            assert!(
                !name.starts_with(['.', '-', ' ']) && !name.contains(['/', '\\', ':', '?', '*', '\n', '\u{1b}']),
                "{name}"
            );
        }
        assert_eq!(names[0], "_rf.jpg");
    }

    #[test]
    fn long_names_are_cut_and_keep_their_extension() {
        let long = "ü".repeat(120);
        let names = names(&[&format!("{long}/1.jpeg"), &format!("{long}/2.jpeg"), &format!("a.{long}")]);
        assert!(names.iter().all(|name| name.len() <= LONGEST), "{names:?}");
        assert!(names[0].ends_with("ü.jpeg") && names[1].ends_with("ü (2).jpeg"), "{names:?}");
    }
}
