//! Progress on standard error, where that is a terminal.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::sync::PoisonError;

use facenet::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// One bar at a time: what is being done, how far it is, how long it still takes.
pub struct Bar {
    state: Mutex<State>,
}

struct State {
    bar: ProgressBar,
    stage: Option<&'static str>,
}

impl Bar {
    /// Without a terminal nothing is drawn.
    pub fn new() -> Self {
        Self { state: Mutex::new(State { bar: ProgressBar::hidden(), stage: None }) }
    }

    /// Draws what is going on.
    pub fn show(&self, progress: Progress<'_>) {
        if !stderr().is_terminal() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Loading { done, of } => {
                state.enter("loading pictures", of as u64, "{pos}/{len}");
                // Threads report out of order.
                let done = state.bar.position().max(done as u64);
                state.bar.set_position(done);
            }
            Progress::Training { step, of } => {
                state.enter("training", of, "step {pos}/{len}, {msg}, {eta} left");
                state.bar.set_position(step.step + 1);
                let active = step.loss.active_triplets;
                state.bar.set_message(format!("loss {:.3}, {active} active triplets", step.loss.loss));
            }
            Progress::Embedding { done, of } => {
                state.enter("embedding faces", of as u64, "{pos}/{len}, {eta} left");
                state.bar.set_position(done as u64);
            }
            Progress::Evaluating => state.enter("scoring", 0, "{elapsed}"),
        }
    }

    /// Wipes the bar.
    pub fn clear(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).bar.finish_and_clear();
    }
}

impl State {
    fn enter(&mut self, stage: &'static str, length: u64, counts: &str) {
        if self.stage == Some(stage) {
            return;
        }
        self.bar.finish_and_clear();
        self.stage = Some(stage);
        let template = match length {
            0 => format!("{{spinner}} {stage} {counts}"),
            _ => format!("{stage} {{bar:30}} {counts}"),
        };
        let style = ProgressStyle::with_template(&template).expect("a valid template");
        self.bar = ProgressBar::new(length).with_style(style);
        if length == 0 {
            self.bar.enable_steady_tick(std::time::Duration::from_millis(200));
        }
    }
}
