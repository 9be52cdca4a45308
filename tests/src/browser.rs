//! A real browser, if one is installed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::Finished;

/// Preferred color scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// Headless Chromium without network access.
pub struct Browser {
    program: PathBuf,
}

impl Browser {
    /// Chromium, if it is on the `PATH`; `None`, with a printed reason, if not.
    #[must_use]
    pub fn find() -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
        let program = found.into_iter().find(|program| program.is_file());
        if program.is_none() {
            println!("skipped: none of {} is installed", names.join(", "));
        }
        program.map(|program| Self { program })
    }

    /// Writes a screenshot of the top of a page to `target`, as PNG.
    ///
    /// # Panics
    ///
    /// If the browser fails.
    pub fn screenshot(&self, page: &Path, size: [u32; 2], theme: Theme, target: &Path) {
        self.open(page, size, theme, &format!("--screenshot={}", target.display()));
    }

    /// Runs a script after a page has loaded, and returns its result as text.
    ///
    /// # Panics
    ///
    /// If the browser or the script fails.
    pub fn evaluate(&self, page: &Path, size: [u32; 2], theme: Theme, script: &str) -> String {
        let (start, end) = ("<pre id=\"evaluated\">", "</pre>");
        let folder = tempfile::tempdir().expect("a new folder");
        let copy = folder.path().join("page.html");
        let html = fs::read_to_string(page).expect("a page to read");
        let added = format!(
            "<script>window.addEventListener('load', () => {{
                const evaluated = document.createElement('pre');
                evaluated.id = 'evaluated';
                let text;
                try {{ text = (() => {{ {script} }})(); }} catch (error) {{ text = 'failed: ' + error; }}
                evaluated.textContent = text;
                document.body.append(evaluated);
            }});</script></body>"
        );
        fs::write(&copy, html.replacen("</body>", &added, 1)).expect("a page to write");
        let dumped = self.open(&copy, size, theme, "--dump-dom");
        let (_, rest) = dumped.rsplit_once(start).expect("the script leaves something");
        let text = rest.split_once(end).map_or(rest, |(text, _)| text);
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    fn open(&self, page: &Path, [width, height]: [u32; 2], theme: Theme, what: &str) -> String {
        let profile: TempDir = tempfile::tempdir().expect("a new folder");
        let mut command = Command::new(&self.program);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg(format!("--window-size={width},{height}"));
        if theme == Theme::Dark {
            command.arg("--blink-settings=preferredColorScheme=0");
        }
        command.arg(what).arg(format!("file://{}", page.display()));
        // The output exceeds a pipe's buffer.
        let output = profile.path().join("output");
        command.stdin(Stdio::null()).stdout(File::create(&output).expect("a new file")).stderr(Stdio::null());
        let finished = Finished::wait(command.spawn().expect("the browser starts"), Duration::from_secs(120));
        assert_eq!(finished.code, Some(0), "{command:?}");
        fs::read_to_string(output).expect("what the browser wrote")
    }
}
