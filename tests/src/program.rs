//! Running a program, and its result.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A program under test in a clean environment: no data sets, no workspace, no terminal.
pub struct Program {
    path: PathBuf,
    folder: PathBuf,
}

/// The result of a program.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Program {
    /// The program at `path`, run in `folder`.
    pub fn new(path: impl Into<PathBuf>, folder: &Path) -> Self {
        Self { path: path.into(), folder: folder.to_owned() }
    }

    /// The command with arguments, not started yet.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_remove("FACENET_DATA")
            .env_remove("CARGO_MANIFEST_DIR")
            .env("XDG_DATA_HOME", std::path::absolute(self.folder.join("data-home")).expect("the current folder"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    ///
    /// If it can't be started, or its output is not UTF-8.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        Finished::from(self.command(arguments).output().expect("the program starts"))
    }
}

impl Finished {
    /// The one line of JSON on standard output.
    ///
    /// # Panics
    ///
    /// If the exit code is not `code`, or the output is anything else.
    #[must_use]
    #[track_caller]
    pub fn json(&self, code: i32) -> Value {
        assert_eq!((self.code, self.stdout.lines().count()), (Some(code), 1), "{self:?}");
        serde_json::from_str(&self.stdout).expect("a line of JSON")
    }

    /// Waits for a running program.
    ///
    /// # Panics
    ///
    /// If it is still running after `limit`; it is killed then.
    pub fn wait(mut child: Child, limit: Duration) -> Self {
        let start = Instant::now();
        while child.try_wait().expect("the state of a child").is_none() {
            if start.elapsed() > limit {
                let _ = child.kill();
                panic!("still running after {limit:?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Self::from(child.wait_with_output().expect("the output of a child"))
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("programs write text");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}
