pub(crate) mod bootstrap;
pub(crate) mod cross_validation;
pub(crate) mod pair;
pub(crate) mod pair_scores;
pub(crate) mod report;
pub(crate) mod roc;
pub(crate) mod threshold;
