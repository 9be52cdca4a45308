pub(crate) mod algorithm;
mod distance_matrix;
mod embedding_matrix;
mod lloyd;
mod point_set;
mod seeding;
