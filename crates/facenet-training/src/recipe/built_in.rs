//! The built-in recipes.

use crate::dataset::source::DatasetSource;
use crate::recipe::Recipe;

/// The names of the built-in recipes.
pub const RECIPES: [&str; 3] = ["synthetic", "orl", "lfw"];

impl Recipe {
    /// A built-in recipe by its name, one of [`RECIPES`].
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let text = match name {
            "synthetic" => include_str!("built_in/synthetic.toml"),
            "orl" => include_str!("built_in/orl.toml"),
            "lfw" => include_str!("built_in/lfw.toml"),
            _ => return None,
        };
        Some(Self::from_toml(text).expect("built-in recipes are valid"))
    }

    /// The built-in recipe for a data set.
    #[must_use]
    pub fn for_dataset(dataset: &DatasetSource) -> Self {
        let name = match dataset {
            DatasetSource::Synthetic(_) => "synthetic",
            DatasetSource::Orl | DatasetSource::Olivetti | DatasetSource::Folder(_) => "orl",
            DatasetSource::Lfw | DatasetSource::LfwFunneled => "lfw",
        };
        Self::built_in(name).expect("one of the built-in recipes")
    }
}
