//! What code used.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The record of one run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The function; `job:NAME` and `TRIGGER:CLASS` for the others.
    pub name: String,
    /// How long it waited for its turn and its worker.
    pub queue: Duration,
    /// How long it ran, on the wall.
    pub time: Duration,
    /// Processor time in microseconds.
    pub cpu_micros: u64,
    /// What code of the app held at its end, in bytes.
    pub memory_bytes: u64,
    /// What it was told and what it answered, in bytes.
    pub bytes_in: usize,
    /// See `bytes_in`.
    pub bytes_out: usize,
    /// Whether it failed or refused.
    pub failed: bool,
    /// Empty, or why there is no answer.
    pub outcome: &'static str,
}

impl Run {
    /// The milliseconds that it is billed with: begun ones count.
    pub fn billed_ms(&self) -> u64 {
        let micros = u64::try_from(self.time.as_micros()).unwrap_or(u64::MAX);
        micros.div_ceil(1_000).max(1)
    }
}

/// Sums of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How often it ran.
    pub invocations: u64,
    /// How often it failed or refused.
    pub errors: u64,
    /// Milliseconds billed.
    pub billed_ms: u64,
    /// Processor time in microseconds.
    pub cpu_micros: u64,
}

/// Records kept in memory.
const RUNS_MAX: usize = 1_000;

/// The sums and last records of one app.
#[derive(Debug, Default)]
pub(super) struct Meter {
    inner: Mutex<(BTreeMap<String, Sums>, VecDeque<Run>)>,
}

impl Meter {
    pub fn count(&self, run: Run) {
        let mut inner = self.inner.lock();
        let (sums, runs) = &mut *inner;
        if !sums.contains_key(&run.name) {
            sums.insert(run.name.clone(), Sums::default());
        }
        if let Some(own) = sums.get_mut(&run.name) {
            own.invocations += 1;
            own.errors += u64::from(run.failed);
            own.billed_ms += run.billed_ms();
            own.cpu_micros += run.cpu_micros;
        }
        if runs.len() == RUNS_MAX {
            runs.pop_front();
        }
        runs.push_back(run);
    }

    pub fn sums(&self) -> Vec<(String, Sums)> {
        let inner = self.inner.lock();
        inner
            .0
            .iter()
            .map(|(name, sums)| (name.clone(), *sums))
            .collect()
    }

    pub fn runs(&self) -> Vec<Run> {
        self.inner.lock().1.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_equal_the_records() {
        let meter = Meter::default();
        for n in 0..10 {
            meter.count(Run {
                name: "f".to_owned(),
                time: Duration::from_micros(n * 700),
                failed: n % 3 == 0,
                ..Run::default()
            });
        }
        let runs = meter.runs();
        let [(name, sums)] = &meter.sums()[..] else {
            panic!("one function");
        };
        assert_eq!(name, "f");
        assert_eq!(sums.invocations, runs.len() as u64);
        assert_eq!(
            sums.errors,
            runs.iter().filter(|run| run.failed).count() as u64
        );
        assert_eq!(sums.billed_ms, runs.iter().map(Run::billed_ms).sum::<u64>());
        assert_eq!(runs[0].billed_ms(), 1);
        assert_eq!(runs[9].billed_ms(), 7);
    }
}
