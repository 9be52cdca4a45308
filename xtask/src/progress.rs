//! Progress bars of training and evaluation.

use facenet_cli::output::progress_bar::Bar;
use facenet_training::Progress;

/// Shows the progress of training or evaluation.
pub fn show(bar: &Bar, progress: Progress<'_>) {
    match progress {
        Progress::Loading { done, of } => {
            bar.show_with("loading images", "{pos}/{len}", done as u64, of as u64, String::new());
        }
        Progress::Training { step, of } => {
            let active = step.loss.active_triplets;
            let message = format!("loss {:.3}, {active} active triplets", step.loss.loss);
            bar.show_with("training", "step {pos}/{len}, {msg}, {eta} left", step.step + 1, of, message);
        }
        Progress::Embedding { done, of } => bar.show("embedding faces", done, of),
        Progress::Detecting { done, of } => bar.show("detecting faces", done, of),
        Progress::Evaluating => bar.spin("scoring"),
    }
}
