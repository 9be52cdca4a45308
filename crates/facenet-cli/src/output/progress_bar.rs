//! Progress on standard error, if that is a terminal.

use std::io::{IsTerminal, stderr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for one stage at a time: its name, progress and remaining time. Nothing is drawn without a
/// terminal.
#[derive(Debug)]
pub struct Bar {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bar: ProgressBar,
    stage: Option<&'static str>,
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Bar {
    /// Creates a bar that is not drawn yet.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::new(State { bar: ProgressBar::hidden(), stage: None }) }
    }

    /// Draws the progress of a stage. May be called from any thread, in any order.
    pub fn show(&self, stage: &'static str, done: usize, of: usize) {
        self.show_with(stage, "{pos}/{len}, {eta} left", done as u64, of as u64, String::new());
    }

    /// The same, with an `indicatif` template after the bar and a message.
    pub fn show_with(&self, stage: &'static str, template: &str, done: u64, of: u64, message: String) {
        self.update(stage, of, &format!("{stage} {{bar:30}} {template}"), |bar| {
            bar.set_position(bar.position().max(done));
            if !message.is_empty() {
                bar.set_message(message);
            }
        });
    }

    /// Draws that one more item of a stage is done. May be called from any thread.
    pub fn advance(&self, stage: &'static str, of: usize) {
        self.update(stage, of as u64, &format!("{stage} {{bar:30}} {{pos}}/{{len}}, {{eta}} left"), |bar| bar.inc(1));
    }

    /// Draws a spinner for a stage of unknown length.
    pub fn spin(&self, stage: &'static str) {
        self.update(stage, 0, &format!("{{spinner}} {stage} {{elapsed}}"), |_| ());
    }

    /// Clears the bar.
    pub fn clear(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).bar.finish_and_clear();
    }

    fn update(&self, stage: &'static str, length: u64, template: &str, draw: impl FnOnce(&ProgressBar)) {
        if !stderr().is_terminal() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stage != Some(stage) {
            state.bar.finish_and_clear();
            state.stage = Some(stage);
            let style = ProgressStyle::with_template(template).expect("a valid template");
            state.bar = ProgressBar::new(length).with_style(style);
            if length == 0 {
                state.bar.enable_steady_tick(Duration::from_millis(200));
            }
        }
        draw(&state.bar);
    }
}
