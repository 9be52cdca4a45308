//! The `network` of a recipe in TOML: the name of a built-in network, or a description.

use std::fmt;

use facenet_network::{Description, NETWORKS, built_in};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads a name or a description.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Description, D::Error> {
    deserializer.deserialize_any(NameOrDescription)
}

struct NameOrDescription;

impl<'de> Visitor<'de> for NameOrDescription {
    type Value = Description;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a built-in network or a network description")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Description, E> {
        let unknown = || E::custom(format!("unknown network {name}; built-in networks: {}", NETWORKS.join(", ")));
        built_in(name).ok_or_else(unknown)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Description, A::Error> {
        Description::deserialize(MapAccessDeserializer::new(map))
    }
}
