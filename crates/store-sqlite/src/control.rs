//! Stopping a read: the step budget of inline reads, deadlines, and callers that went away.

use basalt_base::{Clock, Error, Monotonic, Reason};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// How many VM steps lie between two looks at the control.
pub(crate) const STEPS_PER_LOOK: i32 = 1_000;

/// Why a read was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It was not.
    None,
    /// It passed the inline budget and may run again off the async threads.
    Budget,
    /// It passed its deadline.
    Deadline,
    /// Its caller went away.
    Cancelled,
}

#[derive(Clone, Copy)]
enum Mode {
    Free,
    Budget(u32),
    Deadline(Monotonic),
}

/// The control of one connection, looked at by its progress handler.
pub(crate) struct Control {
    clock: Arc<dyn Clock>,
    mode: Mutex<Mode>,
    stop: AtomicU8,
    run: AtomicU64,
    cancelled_run: AtomicU64,
}

impl Control {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            mode: Mutex::new(Mode::Free),
            stop: AtomicU8::new(0),
            run: AtomicU64::new(1),
            cancelled_run: AtomicU64::new(0),
        }
    }

    /// Starts a run with a step budget.
    pub(crate) fn start_inline(&self, kilosteps_max: u32) {
        self.start(Mode::Budget(kilosteps_max));
    }

    /// Starts a run with a deadline; the number names the run for [`Control::cancel`].
    pub(crate) fn start_until(&self, deadline: Monotonic) -> u64 {
        self.start(Mode::Deadline(deadline))
    }

    /// Starts a run without limits.
    pub(crate) fn start_free(&self) {
        self.start(Mode::Free);
    }

    fn start(&self, mode: Mode) -> u64 {
        *self.mode.lock() = mode;
        self.stop.store(0, Relaxed);
        self.run.fetch_add(1, Relaxed) + 1
    }

    /// Stops that run if it is still going.
    pub(crate) fn cancel(&self, run: u64) {
        self.cancelled_run.store(run, Relaxed);
    }

    /// Whether the current run has to stop now; called by the progress handler and row loops.
    pub(crate) fn look(&self) -> bool {
        let stop = if self.cancelled_run.load(Relaxed) == self.run.load(Relaxed) {
            Stop::Cancelled
        } else {
            match &mut *self.mode.lock() {
                Mode::Free => Stop::None,
                Mode::Budget(0) => Stop::Budget,
                Mode::Budget(left) => {
                    *left -= 1;
                    Stop::None
                }
                Mode::Deadline(at) if self.clock.monotonic() >= *at => Stop::Deadline,
                Mode::Deadline(_) => Stop::None,
            }
        };
        if stop != Stop::None {
            self.stop.store(stop as u8, Relaxed);
        }
        stop != Stop::None
    }

    /// Why the last run was stopped.
    pub(crate) fn stopped(&self) -> Stop {
        match self.stop.load(Relaxed) {
            1 => Stop::Budget,
            2 => Stop::Deadline,
            3 => Stop::Cancelled,
            _ => Stop::None,
        }
    }

    /// The error of a read that was stopped, or the read's own one.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match self.stopped() {
            Stop::Deadline => Error::new(Reason::Timeout, "The query ran past its time limit."),
            Stop::Cancelled => Error::new(Reason::Cancelled, "The caller went away."),
            Stop::None | Stop::Budget => error,
        }
    }
}
