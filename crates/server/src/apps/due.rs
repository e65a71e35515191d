//! When apps that are closed have work to do, as the registry keeps it.

use super::{Entry, Parts};
use basalt_base::{Result, Timestamp};
use std::sync::atomic::Ordering;

/// The hint of an app that has nothing to do: the last second of the year 9999.
const NEVER_MS: i64 = 253_402_300_799_000;

impl Parts {
    /// Has the app looked at when this program ends without saying what is left to do. Where others
    /// may look at any time, whoever is left does.
    pub(super) async fn mark(&self, entry: &Entry) {
        if !self.cluster.is_shared() && !entry.marked.load(Ordering::SeqCst) {
            self.hint(entry, Some(self.clock.now())).await;
            entry.marked.store(true, Ordering::SeqCst);
        }
    }

    pub(super) async fn hint(&self, entry: &Entry, due: Option<Timestamp>) {
        let id = entry.row.store_id;
        if let Err(error) = self.store.system().set_next_due(id, due).await {
            let app = &entry.row.app_id;
            tracing::warn!(%app, ?error, "when an app has work can't be kept");
        }
    }

    /// Keeps when an app that was closed has work to do.
    pub(super) async fn note(&self, entry: &Entry, due: Option<Timestamp>) {
        let never = (!self.cluster.is_shared()).then(|| Timestamp::from_millis(NEVER_MS));
        self.hint(entry, due.or(never)).await;
        entry.marked.store(false, Ordering::SeqCst);
    }

    /// The same for one of which nobody knows; `opening` is held.
    pub(super) async fn note_closed(&self, entry: &Entry) {
        if entry.app.load().is_some() || entry.retired.load(Ordering::SeqCst) {
            return;
        }
        match self.next_due(entry).await {
            Ok(due) => self.note(entry, due).await,
            Err(error) => {
                let app = &entry.row.app_id;
                tracing::warn!(%app, ?error, "the queues of an app can't be read");
            }
        }
    }

    pub(super) async fn next_due(&self, entry: &Entry) -> Result<Option<Timestamp>> {
        let store = self.store.open_app(entry.row.store_id).await?;
        let stands = store.queues().await?;
        Ok(stands.into_iter().filter_map(|stand| stand.next_due).min())
    }

    /// Keeps when an app that is closed next has work to do.
    pub(super) async fn note_due(&self, entry: &Entry) -> Result<()> {
        let _opening = entry.opening.lock().await;
        if entry.app.load().is_some() {
            return Ok(());
        }
        let store = self.store.open_app(entry.row.store_id).await?;
        let schedules = store
            .catalogue()
            .collection(basalt_flow::JOB_SCHEDULE)
            .is_some();
        let due = self.next_due(entry).await?;
        // A schedule may have been made while nobody put its ticks.
        let due = due.or(schedules.then(|| self.clock.now()));
        self.note(entry, due).await;
        Ok(())
    }
}
