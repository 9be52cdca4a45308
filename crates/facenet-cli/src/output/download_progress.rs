//! Progress of a download on standard error.

use std::io::{IsTerminal, stderr};

use facenet_download::{Event, FileSet, RemoteFile, Source};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::plain_text::plain_text;

/// A progress bar for one file after the other; without a terminal, lines.
pub struct DownloadProgress {
    set: &'static str,
    bar: ProgressBar,
    output: Output,
    /// The name of the file that events are about.
    file: &'static str,
    stage: Stage,
    announced: Announced,
}

/// Where progress goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Terminal,
    Lines,
}

/// What is being done with a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Downloading,
    Unpacking,
}

/// Which files are announced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announced {
    All,
    None,
}

impl DownloadProgress {
    /// A display of installing this set, which shows nothing yet.
    pub fn new(set: &FileSet, source: &Source<'_>) -> Self {
        Self {
            set: set.name,
            bar: ProgressBar::hidden(),
            output: if stderr().is_terminal() { Output::Terminal } else { Output::Lines },
            file: "",
            stage: Stage::Downloading,
            announced: if matches!(source, Source::Network { .. }) { Announced::All } else { Announced::None },
        }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::DownloadPlanned { files, size } => {
                let noun = if *files == 1 { "file" } else { "files" };
                self.say(&format!("{}: {files} {noun} to download, {size}", self.set));
            }
            Event::FileStarted(file) => self.start(file),
            Event::Length(bytes) => self.bar.set_length(*bytes),
            Event::Received(bytes) => {
                let first = self.bar.position() == 0;
                self.bar.set_position(*bytes);
                if first {
                    // Bytes of an earlier run say nothing about the rate.
                    self.bar.reset_eta();
                }
            }
            Event::Retrying { address, reason } => self.say(&format!("{address}: {reason}; trying again")),
            Event::AddressFailed { address, reason } => self.say(&format!("{address}: {reason}")),
            Event::Unpacked { done, of } => {
                if self.stage != Stage::Unpacking {
                    self.start_unpacking(*of);
                }
                self.bar.set_position(*done as u64);
            }
            Event::LeftOut { files } => {
                self.say(&format!("{}: left out {files} files that are not images of people", self.file));
            }
            Event::FileFinished(_) => self.bar.finish_and_clear(),
            _ => {}
        }
    }

    fn start(&mut self, file: &RemoteFile) {
        (self.file, self.stage) = (file.name, Stage::Downloading);
        match (self.announced, self.output) {
            (Announced::None, _) => {}
            (Announced::All, Output::Lines) => eprintln!("{}, {}", file.name, file.size),
            (Announced::All, Output::Terminal) => {
                let style = "{prefix} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
                self.bar = ProgressBar::new(file.size.expected()).with_style(style_of(style)).with_prefix(file.name);
            }
        }
    }

    fn start_unpacking(&mut self, images: usize) {
        self.stage = Stage::Unpacking;
        if self.output == Output::Terminal {
            self.bar.finish_and_clear();
            let style = style_of("unpacking {bar:30} {pos}/{len}, {eta} left");
            self.bar = ProgressBar::new(images as u64).with_style(style);
        }
    }

    /// Prints a line, which may hold text from servers.
    fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{}", plain_text(line)));
    }
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a valid template")
}
