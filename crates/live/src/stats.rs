//! Counters.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counters of one app's live queries.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub clients: AtomicUsize,
    pub subscriptions: AtomicUsize,
    pub queued_bytes: AtomicUsize,
    pub changes_total: AtomicU64,
    pub events_total: AtomicU64,
    pub encoded_total: AtomicU64,
    pub cut_total: AtomicU64,
    pub resumed_total: AtomicU64,
    /// The last change that was told.
    pub position: AtomicU64,
}

/// How one app's live queries are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsView {
    /// Connected clients.
    pub clients: usize,
    /// Their subscriptions.
    pub subscriptions: usize,
    /// Bytes of events that wait.
    pub queued_bytes: usize,
    /// Changes looked at.
    pub changes_total: u64,
    /// Events handed to clients.
    pub events_total: u64,
    /// Events encoded; many clients share one.
    pub encoded_total: u64,
    /// Clients that did not keep up.
    pub cut_total: u64,
    /// Subscriptions that went on from an earlier position.
    pub resumed_total: u64,
    /// The last change that was told; of no meaning while nobody is connected.
    pub position: u64,
}

impl Stats {
    pub(crate) fn view(&self) -> StatsView {
        StatsView {
            clients: self.clients.load(Ordering::Relaxed),
            subscriptions: self.subscriptions.load(Ordering::Relaxed),
            queued_bytes: self.queued_bytes.load(Ordering::Relaxed),
            changes_total: self.changes_total.load(Ordering::Relaxed),
            events_total: self.events_total.load(Ordering::Relaxed),
            encoded_total: self.encoded_total.load(Ordering::Relaxed),
            cut_total: self.cut_total.load(Ordering::Relaxed),
            resumed_total: self.resumed_total.load(Ordering::Relaxed),
            position: self.position.load(Ordering::Acquire),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
