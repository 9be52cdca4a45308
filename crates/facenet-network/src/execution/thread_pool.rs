//! Runs passes inside rayon's thread pool while its idle workers spin instead of sleeping.

use std::cell::Cell;
use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rayon::Yield;

/// How long a worker spins without finding work before it may sleep.
const SPIN_LIMIT: Duration = Duration::from_micros(200);

/// Whether idle workers spin during a pass. Spinning is on unless the environment variable
/// `FACENET_SPIN` is `0`, which is read once. It affects run time only, never results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spinning {
    On,
    Off,
}

impl Spinning {
    fn from_variable(value: Option<&OsStr>) -> Self {
        if value.is_some_and(|value| value == "0") { Self::Off } else { Self::On }
    }
}

static SPINNING: LazyLock<Spinning> =
    LazyLock::new(|| Spinning::from_variable(std::env::var_os("FACENET_SPIN").as_deref()));

thread_local! {
    /// Whether this thread runs a pass.
    static IN_PASS: Cell<bool> = const { Cell::new(false) };
}

/// Runs a whole pass on one thread of the pool, which shares each operation with the others.
///
/// From outside the pool every operation would have to be handed over, which costs more than a
/// small operation. The other workers spin until the pass ends, since waking a thread takes as long
/// as a small operation. Nothing waits for the spinning workers. A pass that starts on a thread of
/// the pool runs as it is, without spinning.
pub(crate) fn run_in_pool<R: Send>(pass: impl FnOnce() -> R + Send) -> R {
    run_with(*SPINNING, pass)
}

fn run_with<R: Send>(spinning: Spinning, pass: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        return pass();
    }
    rayon::scope(|_| match spinning {
        Spinning::Off => pass(),
        Spinning::On => {
            let guard = PassGuard { running: Arc::new(AtomicBool::new(true)), outer: IN_PASS.replace(true) };
            let running = Arc::clone(&guard.running);
            rayon::spawn_broadcast(move |_| spin(&running));
            pass()
        }
    })
}

/// Ends the spinning when the pass returns or panics.
struct PassGuard {
    running: Arc<AtomicBool>,
    /// Whether this thread was in a pass before: one that waits may start another.
    outer: bool,
}

impl Drop for PassGuard {
    fn drop(&mut self) {
        IN_PASS.set(self.outer);
        self.running.store(false, Ordering::Relaxed);
    }
}

/// Executes work of the pool while a pass is running.
fn spin(running: &AtomicBool) {
    let mut last_work = Instant::now();
    // The thread that runs a pass may get here too, when it waits for others within the pass.
    while !IN_PASS.get() && running.load(Ordering::Relaxed) && last_work.elapsed() < SPIN_LIMIT {
        if rayon::yield_now() == Some(Yield::Executed) {
            last_work = Instant::now();
        }
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn only_zero_turns_spinning_off() {
        for (value, expected) in
            [(None, Spinning::On), (Some("1"), Spinning::On), (Some(""), Spinning::On), (Some("0"), Spinning::Off)]
        {
            assert_eq!(Spinning::from_variable(value.map(OsStr::new)), expected, "{value:?}");
        }
    }

    #[test]
    fn a_pass_runs_on_a_worker_with_and_without_spinning() {
        for spinning in [Spinning::On, Spinning::Off] {
            let (worker, in_pass, sum) = run_with(spinning, || {
                let sum: u64 = (0..10_000_u64).into_par_iter().sum();
                (rayon::current_thread_index(), IN_PASS.get(), sum)
            });
            assert!(worker.is_some());
            assert_eq!((in_pass, sum), (spinning == Spinning::On, 49_995_000));
        }
    }

    #[test]
    #[should_panic(expected = "in the pass")]
    fn a_panic_of_the_pass_propagates() {
        run_with(Spinning::On, || panic!("in the pass"));
    }
}
