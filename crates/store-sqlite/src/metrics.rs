//! Counters of the whole store.

use basalt_store::Reading;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What the writers and readers count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) commits_failed: AtomicU64,
    pub(crate) reader_waits: AtomicU64,
    pub(crate) reads_long: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    /// Schema changes, and for how many microseconds they held their app's writer up.
    pub(crate) schema_changes: AtomicU64,
    pub(crate) schema_us: AtomicU64,
    pub(crate) schema_us_max: AtomicU64,
}

impl Counters {
    /// Adds one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// Counts a schema change that held its app's writer up for that long.
    pub(crate) fn schema_change(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.schema_changes.fetch_add(1, Relaxed);
        self.schema_us.fetch_add(us, Relaxed);
        self.schema_us_max.fetch_max(us, Relaxed);
    }

    /// All readings.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        let seconds = |name, counter: &AtomicU64| Reading {
            value: counter.load(Relaxed) as f64 / 1e6,
            ..reading(name, 0)
        };
        let counts = [
            ("basalt_store_commits_total", &self.commits),
            ("basalt_store_committed_batches_total", &self.batches),
            ("basalt_store_commits_failed_total", &self.commits_failed),
            ("basalt_store_reader_waits_total", &self.reader_waits),
            ("basalt_store_long_reads_total", &self.reads_long),
            ("basalt_store_checkpoints_total", &self.checkpoints),
            ("basalt_store_schema_changes_total", &self.schema_changes),
        ];
        let mut readings: Vec<Reading> = counts
            .into_iter()
            .map(|(name, counter)| reading(name, counter.load(Relaxed)))
            .collect();
        readings.push(seconds(
            "basalt_store_schema_writer_seconds_total",
            &self.schema_us,
        ));
        readings.push(seconds(
            "basalt_store_schema_writer_seconds_max",
            &self.schema_us_max,
        ));
        readings
    }
}

/// A reading without labels.
pub(crate) fn reading(name: &'static str, value: u64) -> Reading {
    Reading {
        name,
        labels: Vec::new(),
        value: value as f64,
    }
}
