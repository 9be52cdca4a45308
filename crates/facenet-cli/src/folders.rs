//! The folders of data sets, networks, caches and outputs.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use facenet_recognition::published_weights;

/// `$FACENET_DATA`, unless it is empty.
fn environment() -> Option<PathBuf> {
    env::var_os("FACENET_DATA").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// The root of the workspace if cargo runs the program in it.
#[must_use]
pub fn workspace() -> Option<PathBuf> {
    // The package that cargo runs; packages of this workspace are `crates/NAME` and `xtask`.
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    package.starts_with(root).then(|| root.to_owned())
}

/// The default folder for outputs: `runs` of the workspace, else of the current folder.
#[must_use]
pub fn runs() -> PathBuf {
    workspace().unwrap_or_default().join("runs")
}

/// The user's data folder: `$XDG_DATA_HOME/facenet`, by default `~/.local/share/facenet`.
///
/// # Errors
///
/// If neither `XDG_DATA_HOME` nor `HOME` is set to an absolute path.
pub fn user_data() -> Result<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local").join("share")));
    Ok(base.context("neither XDG_DATA_HOME nor HOME is set to an absolute path")?.join("facenet"))
}

/// The folder that an installed program downloads to: the one given, else `$FACENET_DATA`, else `data`
/// of the workspace, else [`user_data`].
///
/// # Errors
///
/// As [`user_data`].
pub fn data(given: Option<&Path>) -> Result<PathBuf> {
    let chosen = given.map(Path::to_owned).or_else(environment);
    match chosen.or_else(|| Some(workspace()?.join("data"))) {
        Some(folder) => Ok(folder),
        None => user_data(),
    }
}

/// The folder of data sets for development: the one given, else `$FACENET_DATA`, else `data` of the
/// workspace, or of the current folder if cargo does not run the program.
#[must_use]
pub fn development_data(given: Option<&Path>) -> PathBuf {
    let chosen = given.map(Path::to_owned).or_else(environment);
    chosen.unwrap_or_else(|| workspace().unwrap_or_default().join("data"))
}

/// The file of a published network: in the given folder, else in the first of `$FACENET_DATA`,
/// `data` of the workspace and [`user_data`] that has it. `None` if it is not found.
#[must_use]
pub fn find_network(given: Option<&Path>, name: &str) -> Option<PathBuf> {
    let folders = match given {
        Some(folder) => vec![folder.to_owned()],
        None => {
            let environment = environment();
            let workspace = workspace().map(|root| root.join("data"));
            [environment, workspace, user_data().ok()].into_iter().flatten().collect()
        }
    };
    folders.iter().map(|folder| published_weights(folder, name)).find(|file| file.is_file())
}

/// The folder of the embedding cache: the given one, else `cache` of [`user_data`].
///
/// # Errors
///
/// As [`user_data`].
pub fn cache(given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(folder) => Ok(folder.to_owned()),
        None => match user_data() {
            Ok(folder) => Ok(folder.join("cache")),
            Err(error) => bail!("no folder for the embedding cache: {error}; pass --cache DIR"),
        },
    }
}
