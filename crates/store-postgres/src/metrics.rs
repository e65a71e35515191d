//! Counters of the whole store.

use basalt_store::Reading;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the writers and readers count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) commits_failed: AtomicU64,
    pub(crate) reads_long: AtomicU64,
    pub(crate) reloads: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) indexes_built: AtomicU64,
}

impl Counters {
    /// Adds one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// All readings.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        [
            ("basalt_store_commits_total", &self.commits),
            ("basalt_store_committed_batches_total", &self.batches),
            ("basalt_store_commits_failed_total", &self.commits_failed),
            ("basalt_store_long_reads_total", &self.reads_long),
            ("basalt_store_catalogue_reloads_total", &self.reloads),
            ("basalt_store_group_retries_total", &self.retries),
            ("basalt_store_indexes_built_total", &self.indexes_built),
        ]
        .into_iter()
        .map(|(name, counter)| reading(name, counter.load(Relaxed)))
        .collect()
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
