//! File names derived from paths.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use facenet_data::escape_path;

/// Limit on the length of a name, in bytes. File systems allow 255, some archives and mounts less.
const MAX_LENGTH: usize = 200;

/// Names under which files of relative paths can share a folder: their components joined by ` - `,
/// unique even if case is ignored, and without characters that a common system forbids.
pub fn file_names<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<String> {
    let mut taken = HashSet::new();
    // The uses of each name, so that thousands of equal names take linear time.
    let mut uses: HashMap<String, usize> = HashMap::new();
    let mut name = |path: &Path| {
        let wanted = safe(path);
        let times = uses.entry(wanted.to_lowercase()).or_default();
        loop {
            *times += 1;
            let name = numbered(&wanted, *times);
            if taken.insert(name.to_lowercase()) {
                return name;
            }
        }
    };
    paths.into_iter().map(&mut name).collect()
}

/// The components of a path as one name, without special characters; neither hidden nor like an
/// option.
pub fn safe(path: &Path) -> String {
    let parts: Vec<String> = path.iter().map(escape_path).collect();
    let mut name = parts.join(" - ").replace(['/', '\\', ':', '*', '?', '"', '<', '>', '|'], "_");
    if name.starts_with(['.', '-', ' ']) {
        name.replace_range(..1, "_");
    }
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The name, from its second use on with a number before the extension, cut to [`MAX_LENGTH`].
fn numbered(name: &str, times: usize) -> String {
    let (stem, extension) = match name.rfind('.') {
        // Anything longer is not taken for an extension.
        Some(dot) if name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let number = if times > 1 { format!(" ({times})") } else { String::new() };
    let stem = &stem[..stem.floor_char_boundary(MAX_LENGTH - number.len() - extension.len())];
    format!("{stem}{number}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        file_names(paths.iter().map(Path::new))
    }

    #[test]
    fn components_are_joined() {
        assert_eq!(names(&["a.jpg", "Ann/1.png", "x/y/z.ppm"]), ["a.jpg", "Ann - 1.png", "x - y - z.ppm"]);
    }

    #[test]
    fn names_are_unique() {
        let paths = ["a/b - c.png", "a - b/c.png", "A/B/C.png", "a - b - c (2).png"];
        assert_eq!(names(&paths), ["a - b - c.png", "a - b - c (2).png", "A - B - C (3).png", "a - b - c (2) (2).png"]);
    }

    #[test]
    fn special_characters_are_replaced() {
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
    fn long_names_are_cut_but_keep_their_extension() {
        let long = "ü".repeat(120);
        let names = names(&[&format!("{long}/1.jpeg"), &format!("{long}/2.jpeg"), &format!("a.{long}")]);
        assert!(names.iter().all(|name| name.len() <= MAX_LENGTH), "{names:?}");
        assert!(names[0].ends_with("ü.jpeg") && names[1].ends_with("ü (2).jpeg"), "{names:?}");
    }
}
