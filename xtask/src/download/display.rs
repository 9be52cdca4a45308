//! What a download shows on standard error.

use std::io::{IsTerminal, stderr};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::catalogue::{Product, RemoteFile, Size};
use super::installation::Step;
use super::transfer::Event;
use facenet_cli::output::plain_text::plain_text;

/// A bar for one file after the other; without a terminal, lines.
pub struct Display {
    bar: ProgressBar,
    terminal: bool,
    unpacking: bool,
}

impl Display {
    /// Shows nothing yet.
    pub fn new() -> Self {
        Self { bar: ProgressBar::hidden(), terminal: stderr().is_terminal(), unpacking: false }
    }

    /// A file's turn.
    pub fn begin(&mut self, file: &RemoteFile) {
        self.unpacking = false;
        if !self.terminal {
            eprintln!("{}, {}", file.name, size(file.size));
            return;
        }
        let style = "{prefix} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        self.bar = ProgressBar::new(file.size.expected()).with_style(style_of(style)).with_prefix(file.name);
    }

    /// What is going on with it.
    pub fn show(&mut self, file: &RemoteFile, step: &Step<'_>) {
        match *step {
            Step::Transfer(Event::Length(bytes)) => self.bar.set_length(bytes),
            Step::Transfer(Event::Bytes(bytes)) => {
                let first = self.bar.position() == 0;
                self.bar.set_position(bytes);
                if first {
                    // What was there before says nothing about the rate.
                    self.bar.reset_eta();
                }
            }
            Step::Transfer(Event::Trouble { address, reason }) => self.say(&format!("{address}: {reason}")),
            Step::Pictures(done) => {
                if !self.unpacking {
                    self.unpack(file);
                }
                self.bar.set_position(done as u64);
            }
            Step::LeftOut(files) => {
                self.say(&format!("{}: {files} files are no pictures of people: left out", file.name))
            }
        }
    }

    fn unpack(&mut self, file: &RemoteFile) {
        self.unpacking = true;
        let Product::People { pictures, .. } = file.product else { return };
        if self.terminal {
            self.bar.finish_and_clear();
            let style = style_of("unpacking {bar:30} {pos}/{len}, {eta} left");
            self.bar = ProgressBar::new(pictures as u64).with_style(style);
        }
    }

    /// Prints a line, which may hold what servers said.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{}", plain_text(line)));
    }

    /// Wipes the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a valid template")
}

/// A size for readers: `180,566,744 bytes`.
pub fn size(size: Size) -> String {
    match size {
        Size::Exactly(bytes) => format!("{} bytes", HumanCount(bytes)),
        Size::About { bytes, .. } => format!("about {} bytes", HumanCount(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_threes() {
        let texts = [0, 7, 999, 1_000, 26_002, 180_566_744].map(|bytes| size(Size::Exactly(bytes)));
        let expected = ["0", "7", "999", "1,000", "26,002", "180,566,744"].map(|digits| format!("{digits} bytes"));
        assert_eq!(texts, expected);
        assert_eq!(size(Size::About { bytes: 1_024, limit: 9_000 }), "about 1,024 bytes");
    }
}
