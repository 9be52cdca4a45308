//! The architecture of docs/architecture.md: dependencies between crates, and no circles among the
//! modules of a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each package of the workspace with its dependencies in the workspace, without dev-dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |package: &Value| package["name"].as_str().unwrap().to_owned();
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    packages
        .iter()
        .map(|package| {
            let normal = package["dependencies"].as_array().unwrap().iter().filter(|it| it["kind"].is_null());
            (name(package), normal.map(name).filter(|dependency| members.contains(dependency)).collect())
        })
        .collect()
}

/// The lines `package: dependency, dependency` of the block of docs/architecture.md that begins
/// with `arrows`.
fn documented_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, rest) = page.split_once("```text arrows\n").expect("a block of arrows");
    let (block, _) = rest.split_once("```").unwrap();
    let names =
        |text: &str| text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    block.lines().map(|line| line.split_once(':').unwrap()).map(|(from, to)| (from.to_owned(), names(to))).collect()
}

#[test]
fn crates_depend_on_each_other_as_documented() {
    let (found, documented) = (dependencies(), documented_dependencies());
    for (package, dependencies) in &found {
        assert_eq!(documented.get(package), Some(dependencies), "{package} in docs/architecture.md");
    }
    assert_eq!(found.len(), documented.len(), "packages that are documented but do not exist");
}

#[test]
fn scores_triplets_and_clusters_need_distances_only() {
    let found = dependencies();
    let below = BTreeSet::from(["facenet-neighbors", "facenet-tensor"].map(str::to_owned));
    for package in ["facenet-metrics", "facenet-triplet", "facenet-cluster"] {
        assert!(found[package].is_subset(&below), "{package}");
    }
}

/// The sources of a crate by module path (`convolution::naive`), without the root and tests.
fn modules(source: &Path) -> BTreeMap<String, String> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(source).unwrap().with_extension("");
                let parts: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
                if !matches!(parts[..], ["lib" | "main"]) && parts.last() != Some(&"tests") {
                    modules.insert(parts.join("::"), without_tests_and_comments(&fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    modules
}

fn without_tests_and_comments(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

fn is_path(character: char) -> bool {
    character.is_alphanumeric() || "_:".contains(character)
}

/// The paths in a text after `prefix`; groups such as `{a, b::{c, d}}` are expanded.
fn paths_after(text: &str, prefix: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (start, _) in text.match_indices(prefix) {
        if !text[..start].chars().next_back().is_some_and(is_path) {
            expand("", &text[start + prefix.len()..], &mut paths);
        }
    }
    paths
}

/// Adds the paths at the start of a text, below `base`; what follows them.
fn expand<'a>(base: &str, text: &'a str, paths: &mut Vec<String>) -> &'a str {
    let rest = text.trim_start_matches(is_path);
    let path = format!("{base}{}", &text[..text.len() - rest.len()]);
    let Some(mut group) = rest.strip_prefix('{').filter(|_| path.is_empty() || path.ends_with("::")) else {
        paths.push(path);
        return rest;
    };
    loop {
        group = group.trim_start();
        if group.starts_with(is_path) {
            group = expand(&path, group, paths);
        }
        // The rest of the name, such as ` as other`.
        let Some(end) = group.find([',', '}']) else { return "" };
        let is_last = group[end..].starts_with('}');
        group = &group[end + 1..];
        if is_last {
            return group;
        }
    }
}

/// The modules that a module imports from.
fn used(module: &str, text: &str, modules: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut paths = paths_after(text, "crate::");
    let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    let below = |base: &str, path: &str| if base.is_empty() { path.to_owned() } else { format!("{base}::{path}") };
    paths.extend(paths_after(text, "super::").iter().map(|path| below(parent, path)));
    // Its own submodules.
    let children = text.lines().filter_map(|line| line.trim().split_once("mod ")?.1.strip_suffix(';'));
    for child in children {
        let path = below(module, child);
        if !paths_after(text, &format!("{child}::")).is_empty() {
            paths.push(path);
        }
    }
    // The longest prefix of a path that is a module.
    let module_of = |path: &String| {
        let ends = path.match_indices("::").map(|(end, _)| end).chain([path.len()]);
        ends.map(|end| path[..end].to_owned()).filter(|start| modules.contains_key(start)).last()
    };
    paths.iter().filter_map(module_of).filter(|used| used != module).collect()
}

/// A circle of modules, if there is one.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        module: &str,
        uses: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|visited| visited == module) {
            return Some(path[start..].to_vec());
        }
        if done.contains(module) {
            return None;
        }
        path.push(module.to_owned());
        let found = uses.get(module)?.iter().find_map(|used| visit(used, uses, path, done));
        path.pop();
        done.insert(module.to_owned());
        found
    }
    let mut done = BTreeSet::new();
    uses.keys().find_map(|module| visit(module, uses, &mut Vec::new(), &mut done))
}

#[test]
fn no_files_depend_on_each_other_in_a_circle() {
    let mut sources: Vec<PathBuf> =
        fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path().join("src")).collect();
    sources.push(root().join("xtask/src"));
    sources.sort();
    let mut circles = Vec::new();
    for source in sources {
        let modules = modules(&source);
        let uses = modules.iter().map(|(module, text)| (module.clone(), used(module, text, &modules))).collect();
        circles.extend(circle(&uses).map(|circle| format!("{}: {}", source.display(), circle.join(" -> "))));
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// Paths of a module that begin at the root of its crate without naming a module of it: they go through `lib.rs`.
fn through_the_root(text: &str, modules: &BTreeMap<String, String>) -> Vec<String> {
    let first = |path: &String| path.split("::").next().unwrap_or_default().to_owned();
    paths_after(text, "crate::").iter().map(first).filter(|first| !modules.contains_key(first)).collect()
}

#[test]
fn modules_import_from_where_things_live() {
    let mut found = Vec::new();
    for crate_folder in fs::read_dir(root().join("crates")).unwrap() {
        let source = crate_folder.unwrap().path().join("src");
        let modules = modules(&source);
        for (module, text) in &modules {
            // The version of the program is the one item that lives in a root.
            let paths = through_the_root(text, &modules).into_iter().filter(|path| path != "PROGRAM");
            found.extend(paths.map(|path| format!("{}: {module} uses crate::{path}", source.display())));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let planted = BTreeMap::from([("a".to_owned(), String::new())]);
    assert_eq!(through_the_root("use crate::{a::{A, b::{B as C}}, Error};", &planted), ["Error"]);
}

#[test]
fn groups_of_paths_are_expanded() {
    let text = "use crate::{a::{A, b::{self, B}}, c as d, e::*,};\ncrate::f::f(1)";
    assert_eq!(paths_after(text, "crate::"), ["a::A", "a::b::self", "a::b::B", "c", "e::", "f::f"]);
}

#[test]
fn a_circle_is_found() {
    let module = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let modules = BTreeMap::from([
        module("a", "mod b;\nuse b::B;\nuse crate::{c::C, d};\n"),
        module("a::b", "fn b() { crate::c::c() }\n"),
        module("c", "use crate::d::{self, D};\n"),
        module("d", "use super::a::{A, b::B};\n"),
    ]);
    let uses: BTreeMap<_, _> = modules.iter().map(|(name, text)| (name.clone(), used(name, text, &modules))).collect();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(uses["a"], set(&["a::b", "c", "d"]));
    assert_eq!(uses["a::b"], set(&["c"]));
    assert_eq!(uses["c"], set(&["d"]));
    assert_eq!(circle(&uses).unwrap().last().map(String::as_str), Some("d"));
}
