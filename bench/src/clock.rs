//! The one place that reads the time.

use std::time::{Duration, Instant};

/// The monotonic clock.
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since `start`, with fractions.
pub fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// Waits; the harness polls processes it started, never the code under test's internals.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
