//! Time as an injected seam, so that schedulers, leases and sessions run under a test clock.

use crate::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A point on a clock that never goes back; nanoseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The point `duration` after this one.
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time in UTC; may jump.
    fn now(&self) -> Timestamp;

    /// Time for measuring spans and deadlines; never goes back.
    fn monotonic(&self) -> Monotonic;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the production end of the time seam"
    )]
    fn now(&self) -> Timestamp {
        let now = std::time::SystemTime::now();
        match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(d) => Timestamp::new(d.as_secs().cast_signed(), d.subsec_nanos()),
            Err(_) => Timestamp::new(0, 0),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the production end of the time seam"
    )]
    fn monotonic(&self) -> Monotonic {
        use std::sync::OnceLock;
        static START: OnceLock<std::time::Instant> = OnceLock::new();
        let start = START.get_or_init(std::time::Instant::now);
        Monotonic(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    unix_ns: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `unix_seconds`.
    pub fn at(unix_seconds: u64) -> Self {
        Self {
            unix_ns: AtomicU64::new(unix_seconds * 1_000_000_000),
        }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.unix_ns.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let ns = self.unix_ns.load(Ordering::SeqCst);
        Timestamp::new(
            (ns / 1_000_000_000).cast_signed(),
            (ns % 1_000_000_000) as u32,
        )
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.unix_ns.load(Ordering::SeqCst))
    }
}
