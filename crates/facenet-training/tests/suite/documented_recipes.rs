//! The examples in docs/recipes.md are valid recipes.

use facenet_network::Plan;
use facenet_training::{Recipe, TripletSource};

const DOCUMENT: &str = include_str!("../../../../docs/recipes.md");

/// The fenced blocks of TOML.
fn examples() -> Vec<&'static str> {
    let blocks = DOCUMENT.split("```toml\n").skip(1);
    blocks.map(|block| block.split_once("```").expect("a block ends").0).collect()
}

#[test]
fn one_online_and_one_offline_both_valid() {
    let recipes: Vec<Recipe> = examples().into_iter().map(|text| Recipe::from_toml(text).unwrap()).collect();
    assert_eq!(recipes.len(), 2);
    for recipe in &recipes {
        Plan::new(&recipe.network).unwrap();
        assert_eq!(Recipe::from_toml(&recipe.to_toml()).unwrap(), *recipe);
    }
    assert!(matches!(recipes[0].triplets, TripletSource::Online { .. }));
    assert!(matches!(recipes[1].triplets, TripletSource::Offline { .. }));
}
