#![doc = include_str!("../README.md")]

mod dataset;
mod error;
mod evaluation;
mod face_counts;
mod gradient_check;
mod hash;
mod history;
mod learner;
mod marked_photos;
mod memory;
mod pair_list;
mod progress;
mod recipe;
mod run;
mod step_report;
mod trainer;
mod training;

pub use dataset::labeled_faces::{Dataset, LabeledFaces};
pub use dataset::loader::DatasetLoader;
pub use dataset::source::DatasetSource;
pub use dataset::synthetic::SyntheticSize;
pub use error::Error;
pub use evaluation::{
    AgglomerativeScores, ClusteringScores, Evaluation, EvaluationDetails, best_bcubed_cut, evaluate,
    evaluate_embeddings,
};
pub use gradient_check::gradient_checks;
pub use history::{History, HistoryPoint};
pub use learner::{Learner, StepOptions, StepOutcome};
pub use marked_photos::{DetectionEvaluation, evaluate_detection};
pub use pair_list::{LfwView, PairListEvaluation, ValidationRateAt, evaluate_lfw, evaluate_pair_list};
pub use progress::{Observer, Progress};
pub use recipe::built_in::RECIPES;
pub use recipe::{LearningRate, Recipe, TripletSource};
pub use run::{FacesReport, GroupSize, Run, RunOptions, RunReport, Start, run};
pub use step_report::StepReport;
pub use trainer::Trainer;
pub use training::{CHECKPOINT_FILE, REPORT_FILE, RESULT_FILE, StoppedBy, TrainingSummary, train};
