//! Going on from an earlier position.

use crate::bucket::Asked;
use crate::dispatch::{event, ready};
use crate::engine::{Encode, Registered};
use crate::outbox::{Delivery, Outbox};
use basalt_base::Result;
use basalt_data::Watch;
use basalt_store::{AppStore, Change, Position};

/// Changes read at once.
pub(crate) const PAGE: usize = 256;

/// What a subscription is told of a page of changes.
pub(crate) fn page(
    watch: &Watch,
    asked: &Asked,
    changes: &[Change],
    encode: &dyn Encode,
    hooked: bool,
    number: u64,
) -> Result<Vec<Delivery>> {
    let name = watch.collection();
    let mut told = Vec::new();
    for change in changes.iter().filter(|change| change.collection == *name) {
        if let Some(event) = event(watch, asked, change)? {
            told.push(ready(event, encode, hooked, number));
        }
    }
    Ok(told)
}

/// The few changes between where a client has caught up and where the task is.
pub(crate) struct Gap<'a> {
    pub store: &'a dyn AppStore,
    pub encode: &'a dyn Encode,
    pub hooked: bool,
}

impl Gap<'_> {
    /// Tells the changes after `start` up to `at`.
    pub(crate) async fn close(
        &self,
        watch: &Watch,
        asked: &Asked,
        start: Position,
        at: Position,
        number: u64,
        outbox: &Outbox,
    ) -> Registered {
        if start >= at {
            return Registered::Done;
        }
        let count = at.0 - start.0;
        if count > PAGE as u64 {
            return Registered::Behind;
        }
        // Fits: it is no more than a page.
        let read = self.store.changes(start, count as usize).await;
        let changes = match read {
            Ok(Some(changes)) => changes,
            Ok(None) => return Registered::Missed,
            Err(_) => return Registered::Behind,
        };
        if changes.last().map(|change| change.position) != Some(at) {
            return Registered::Behind;
        }
        match page(watch, asked, &changes, self.encode, self.hooked, number) {
            Ok(told) => {
                for delivery in told {
                    outbox.push(delivery);
                }
                Registered::Done
            }
            Err(_) => Registered::Missed,
        }
    }
}
