//! Waiting for a condition, never for a time.

use std::time::Duration;

use anyhow::bail;
use basalt_base::{Clock, Monotonic, SystemClock};

/// How long to pause between two looks at a condition that nothing announces.
const PAUSE: Duration = Duration::from_millis(5);

/// Now, for measuring spans.
pub fn now() -> Monotonic {
    SystemClock.monotonic()
}

/// A moment before another try.
pub fn pause() {
    std::thread::park_timeout(PAUSE);
}

/// Lets a time pass that is itself part of what is tested, such as how long a fault lasts.
pub fn last(span: Duration) {
    let started = now();
    while now().since(started) < span {
        pause();
    }
}

/// Looks until `attempt` gives a value; an error that names `what` once `limit` has passed.
pub fn until<T>(
    limit: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let started = now();
    loop {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        if now().since(started) > limit {
            bail!("waited {limit:?} in vain for {what}");
        }
        pause();
    }
}
