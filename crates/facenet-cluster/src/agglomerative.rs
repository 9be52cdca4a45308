pub(crate) mod algorithm;
mod condensed;
pub(crate) mod dendrogram;
