pub(crate) mod contingency_table;
mod mutual_information;
pub(crate) mod report;
