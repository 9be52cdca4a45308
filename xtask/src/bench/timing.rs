//! Timing of repeated work.

use std::fs;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// Times per run, in seconds.
pub struct Times {
    pub median: f64,
    pub best: f64,
    /// CPU time of all threads, on average.
    pub cpu: f64,
    pub runs: usize,
}

/// Runs the work for `seconds`, but at least five times, after two warmup runs.
pub fn time(seconds: f64, mut work: impl FnMut()) -> Times {
    work();
    work();
    let start = Instant::now();
    let processor = ProcessTime::now();
    let mut walls = Vec::new();
    while walls.len() < 5 || start.elapsed() < Duration::from_secs_f64(seconds) {
        let run = Instant::now();
        work();
        walls.push(run.elapsed().as_secs_f64());
    }
    let cpu = processor.elapsed().as_secs_f64() / walls.len() as f64;
    Times { median: median(&mut walls), best: walls[0], cpu, runs: walls.len() }
}

/// The median; sorts the values.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Peak resident memory of the process; Linux only.
pub fn peak_rss_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}
