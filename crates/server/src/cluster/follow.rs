//! An open app's feed and those that live by it.

use super::{AGE_MAX, Cluster, Note, POLL, feed_subject};
use basalt_base::{AppId, Result};
use basalt_bus::{Event, decode};
use basalt_feed::{Event as Told, Feed, FeedOptions, Subscription};
use basalt_functions::Functions;
use basalt_identity::SystemGuard;
use basalt_store::AppStore;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long commits are collected before the others are told again.
const COALESCE: Duration = Duration::from_millis(5);

/// An app's feed with its tasks; they end with it.
pub(crate) struct Following {
    pub feed: Feed,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// A feed around an app's store, and the store to use from now on.
pub(crate) fn feed(cluster: &Cluster, store: Arc<dyn AppStore>) -> (Feed, Arc<dyn AppStore>) {
    let options = FeedOptions {
        poll: cluster.is_shared().then_some(POLL),
        clock: Arc::clone(&cluster.clock),
        rng: Arc::clone(&cluster.rng),
    };
    Feed::over(store, options)
}

impl Following {
    /// Connects the feed to the bus, and lets the guard drop what other nodes' writes make void.
    pub(crate) fn start(
        cluster: &Arc<Cluster>,
        app: &AppId,
        feed: Feed,
        guard: SystemGuard,
        functions: Functions,
    ) -> Self {
        let changes = feed.subscribe_from_now();
        let hooks = feed.subscribe_from_now();
        let tasks = vec![
            tokio::spawn(async move { guard.follow(changes).await }),
            tokio::spawn(follow_hooks(functions, hooks)),
            tokio::spawn(listen(Arc::clone(cluster), app.clone(), feed.clone())),
            tokio::spawn(tell(Arc::clone(cluster), app.clone(), feed.clone())),
        ];
        Self {
            feed,
            tasks: Mutex::new(tasks),
        }
    }

    /// Looks at the store unless that was done a moment ago. Errors: those of the store; what is
    /// known of the app is too old to serve anybody then.
    pub(crate) async fn check_age(&self) -> Result<()> {
        not_too_old(&self.feed).await
    }

    /// Ends everything and waits for it, so that the app's store can be closed.
    pub(crate) async fn close(&self) {
        self.feed.close().await;
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            task.abort();
            // Cancelled; a panic was told already.
            let _ = task.await;
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        for task in self.tasks.get_mut() {
            task.abort();
        }
    }
}

async fn not_too_old(feed: &Feed) -> Result<()> {
    if feed.age() > AGE_MAX {
        feed.look().await?;
    }
    Ok(())
}

/// Reads the hooks again when another node changed them.
async fn follow_hooks(functions: Functions, mut changes: Subscription) {
    while let Some(event) = changes.next().await {
        let concerns = match event {
            Told::Change(change) => Functions::lives_by(&change.collection),
            Told::Catalogue(_) => false,
            Told::Missed(_) => true,
        };
        while concerns && let Err(error) = functions.reload().await {
            tracing::warn!(?error, "the hooks can't be read");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Wakes the feed when another node says that there is something new.
async fn listen(cluster: Arc<Cluster>, app: AppId, feed: Feed) {
    let subject = feed_subject(&app);
    let mut messages = match cluster.bus.subscribe(&subject).await {
        Ok(messages) => messages,
        Err(error) => {
            tracing::warn!(%app, ?error, "the bus can't be listened to");
            return;
        }
    };
    while let Some(event) = messages.next().await {
        match event {
            Event::Gap => feed.wake(),
            Event::Message(payload) => match decode::<Note>(&payload) {
                None => cluster.bus.malformed(&subject),
                Some(note) if *note.from == *cluster.node.id => {}
                Some(_) => feed.wake(),
            },
        }
    }
}

/// Tells the other nodes of this one's commits.
async fn tell(cluster: Arc<Cluster>, app: AppId, feed: Feed) {
    let subject = feed_subject(&app);
    let mut own = feed.own_commits();
    while own.changed().await.is_ok() {
        let head = *own.borrow_and_update();
        let note = Note {
            position: head.position.0,
            catalogue: head.catalogue,
            ..Note::default()
        };
        cluster.tell(&subject, note);
        tokio::time::sleep(COALESCE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::{Clock, ManualClock, OsRng};
    use basalt_store::{Store, StoreId};
    use basalt_store_sqlite::{Options, SqliteStore};

    #[tokio::test]
    async fn what_is_known_for_too_long_is_looked_up_afresh() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), Options::default()).unwrap();
        let clock = Arc::new(ManualClock::at(1_700_000_000));
        let options = FeedOptions {
            // Nobody looks but those who ask.
            poll: None,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::new(OsRng),
        };
        let app = store.open_app(StoreId(1)).await.unwrap();
        let (feed, _watched) = Feed::over(app, options);
        feed.look().await.unwrap();
        clock.advance(AGE_MAX);
        not_too_old(&feed).await.unwrap();
        assert_eq!(feed.age(), AGE_MAX, "that costs no query yet");
        clock.advance(Duration::from_nanos(1));
        not_too_old(&feed).await.unwrap();
        assert_eq!(feed.age(), Duration::ZERO);
    }

    #[test]
    fn the_bounds_leave_room_to_the_promise() {
        assert!(AGE_MAX < Duration::from_secs(3));
        // Two polls with their jitter, so that one that is late makes no request wait.
        assert!(POLL.mul_f64(2.2) < AGE_MAX);
    }
}
