//! An open app's feed and those that live by it.

use super::{AGE_MAX, Cluster, Note, POLL, feed_subject};
use basalt_base::{AppId, Result, Timestamp};
use basalt_bus::{Event, decode};
use basalt_feed::{Event as Told, Feed, FeedOptions, Subscription, TaskNews};
use basalt_flow::Wake;
use basalt_functions::Functions;
use basalt_identity::SystemGuard;
use basalt_store::{AppStore, TaskWatch};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long commits are collected before the others are told again.
const COALESCE: Duration = Duration::from_millis(5);

/// Queues that one note names.
const QUEUES_MAX: usize = 8;
/// Tasks that are due later are found by looking: workers look that often anyway.
const SOON: Duration = Duration::from_secs(5);

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
    /// Connects the feed to the bus, lets the guard drop what other nodes' writes make void, and
    /// has the hooks read again when one changed after the start of their subscription.
    pub(crate) fn start(
        cluster: &Arc<Cluster>,
        app: &AppId,
        feed: Feed,
        guard: SystemGuard,
        (functions, hooks): (Functions, Subscription),
        wake: Arc<Wake>,
    ) -> Self {
        let changes = feed.subscribe_from_now();
        let listening = listen(Arc::clone(cluster), app.clone(), feed.clone(), wake);
        let mut tasks = vec![
            tokio::spawn(async move { guard.follow(changes).await }),
            tokio::spawn(follow_hooks(functions, hooks)),
            tokio::spawn(listening),
            tokio::spawn(tell(Arc::clone(cluster), app.clone(), feed.clone())),
        ];
        if cluster.is_shared() {
            let telling = tell_tasks(Arc::clone(cluster), app.clone(), feed.own_tasks());
            tasks.push(tokio::spawn(telling));
        }
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

/// Wakes the feed when another node says that there is something new, and those who wait for tasks
/// when it says that there are some.
async fn listen(cluster: Arc<Cluster>, app: AppId, feed: Feed, wake: Arc<Wake>) {
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
                Some(note) if note.tasks.is_empty() => feed.wake(),
                Some(note) => {
                    for (queue, due) in note.tasks {
                        wake.due(&queue.into(), Timestamp::from_millis(due));
                    }
                }
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

/// Tells the other nodes of tasks that this one made visible.
async fn tell_tasks(cluster: Arc<Cluster>, app: AppId, news: Arc<TaskNews>) {
    let subject = feed_subject(&app);
    loop {
        let due = news.next(QUEUES_MAX).await;
        let soon = cluster.clock.now().plus(SOON);
        let due = due.into_iter().filter(|(_, due)| *due <= soon);
        let tasks: Vec<_> = due.map(|(q, due)| (q.to_string(), due.millis())).collect();
        if !tasks.is_empty() {
            let note = Note {
                tasks,
                ..Note::default()
            };
            cluster.tell(&subject, note);
        }
        tokio::time::sleep(COALESCE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::{Clock, ManualClock, OsRng, SystemClock};
    use basalt_bus::{Bus, LocalBus};
    use basalt_flow::Queue;
    use basalt_store::{Store, StoreId, TaskPut};
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

    #[tokio::test]
    async fn a_task_of_one_node_wakes_another() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = SqliteStore::open(dir.path(), Options::default()).unwrap();
        let bus: Arc<dyn Bus> = LocalBus::new();
        let node = |id: &str| {
            let (store, bus) = (Arc::clone(&store), Arc::clone(&bus));
            let cluster = Cluster::new(
                store,
                bus,
                Arc::new(SystemClock),
                Arc::new(OsRng),
                id.into(),
                "",
            );
            Arc::new(cluster)
        };
        let (a, b) = (node("a"), node("b"));
        let app = store.open_app(StoreId(1)).await.unwrap();
        let (feed, app) = super::feed(&a, app);
        let id = AppId::new("main");
        // The store tells this one nothing: it hears by the bus alone.
        let wake = Arc::new(Wake::default());
        let tasks = [
            tokio::spawn(listen(b, id.clone(), feed.clone(), Arc::clone(&wake))),
            tokio::spawn(tell_tasks(a, id, feed.own_tasks())),
        ];
        let queue = Queue::new(app, Arc::new(SystemClock));
        let heard = async {
            loop {
                // Again until the listener is there.
                let now = SystemClock.now();
                queue.put(TaskPut::now("q", *b"x", now)).await.unwrap();
                let told = tokio::time::timeout(Duration::from_millis(100), wake.changed());
                if told.await.is_ok() {
                    return wake.take();
                }
            }
        };
        let heard = tokio::time::timeout(Duration::from_mins(1), heard).await;
        let heard = heard.unwrap();
        assert_eq!(heard.keys().map(|q| &**q).collect::<Vec<_>>(), ["q"]);
        for task in tasks {
            task.abort();
        }
    }

    #[test]
    fn the_bounds_leave_room_to_the_promise() {
        assert!(AGE_MAX < Duration::from_secs(3));
        // Two polls with their jitter, so that one that is late makes no request wait.
        assert!(POLL.mul_f64(2.2) < AGE_MAX);
    }
}
