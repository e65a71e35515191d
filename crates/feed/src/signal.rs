//! How writes of this node reach its feed.

use basalt_base::Timestamp;
use basalt_store::{Position, TaskWatch};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, watch};

/// Where an app stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The position of the last commit.
    pub position: Position,
    /// The version of the catalogue.
    pub catalogue: u64,
}

/// Most queues whose news wait to be told to other nodes; the others find out by looking.
const QUEUES_MAX: usize = 1_024;

/// Tasks that commits of this node made visible, and that other nodes were not told of yet.
#[derive(Default)]
pub struct TaskNews {
    due: Mutex<BTreeMap<Arc<str>, Timestamp>>,
    some: Notify,
}

impl TaskNews {
    /// Waits for news and takes those of at most `limit` queues, each with the earliest time at
    /// which a task of it may be leased.
    pub async fn next(&self, limit: usize) -> Vec<(Arc<str>, Timestamp)> {
        loop {
            let some = self.some.notified();
            let taken: Vec<_> = {
                let mut due = self.due.lock();
                let taken = std::iter::from_fn(|| due.pop_first()).take(limit.max(1));
                taken.collect()
            };
            if !taken.is_empty() {
                return taken;
            }
            some.await;
        }
    }
}

impl TaskWatch for TaskNews {
    fn due(&self, queue: &Arc<str>, due: Timestamp) {
        {
            let mut news = self.due.lock();
            if news.len() < QUEUES_MAX || news.contains_key(queue) {
                let first = news.entry(queue.clone()).or_insert(due);
                *first = (*first).min(due);
            }
        }
        self.some.notify_one();
    }
}

/// Wakes the feed. A commit costs two loads while nobody is interested.
pub(crate) struct Signal {
    pub(crate) woken: Notify,
    /// Followers of the feed.
    pub(crate) followers: AtomicUsize,
    /// What this node committed last.
    pub(crate) own: watch::Sender<Head>,
}

impl Signal {
    pub(crate) fn new(head: Head) -> Self {
        Self {
            woken: Notify::new(),
            followers: AtomicUsize::new(0),
            own: watch::Sender::new(head),
        }
    }

    /// This node committed something.
    pub(crate) fn committed(&self, head: Head) {
        if self.followers.load(Ordering::Relaxed) > 0 {
            self.woken.notify_one();
        }
        if self.own.receiver_count() > 0 {
            self.own.send_if_modified(|own| {
                let moved = *own != head;
                *own = head;
                moved
            });
        }
    }
}
