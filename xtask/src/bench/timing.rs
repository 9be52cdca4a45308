//! Times of repeated work.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// Times of one run, in seconds.
pub struct Times {
    pub median: f64,
    pub best: f64,
    /// Processor time of all threads, on average.
    pub cpu: f64,
    pub runs: usize,
}

/// Runs of the work for some seconds, after two that warm up.
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

/// The one in the middle; they are sorted for it.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
