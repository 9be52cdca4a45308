pub(crate) mod condensed;
pub(crate) mod dendrogram;
