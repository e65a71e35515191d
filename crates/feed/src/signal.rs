//! How writes of this node reach its feed.

use basalt_store::Position;
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
