//! Following what other nodes write.

use crate::SystemGuard;
use basalt_data::Guard;
use basalt_feed::{Event, Subscription};

impl SystemGuard {
    /// Drops from memory what the changes make void, until the feed ends: sessions that ended,
    /// users that changed, roles. For stores that others write to; what this node writes is dropped
    /// at its commit.
    pub async fn follow(self, mut changes: Subscription) {
        while let Some(event) = changes.next().await {
            match event {
                Event::Change(change) if change.collection.starts_with('_') => self.committed(
                    &change.collection,
                    change.before.as_deref(),
                    change.after.as_deref(),
                ),
                Event::Change(_) => {}
                // A dropped collection has no changes of its own.
                Event::Catalogue(_) | Event::Missed(_) => self.shared.callers.forget_all(),
            }
        }
    }
}
