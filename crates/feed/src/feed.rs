//! The feed and the task that reads on.

use crate::ring::Ring;
use crate::signal::{Head, Signal, TaskNews};
use crate::subscription::Subscription;
use crate::watched::{Watched, head};
use basalt_base::{Clock, Monotonic, Result, Rng};
use basalt_store::{AppStore, Position, TaskWatch};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Most changes read from the log at once.
pub(crate) const READ_MAX: usize = 256;
/// How long to wait after a failed look.
const RETRY: Duration = Duration::from_millis(250);

/// What a feed needs.
#[derive(Clone)]
pub struct FeedOptions {
    /// How often to look without being woken, give or take a tenth; `None` for a store that nobody
    /// else writes to.
    pub poll: Option<Duration>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness: nodes must not all look at the same moment.
    pub rng: Arc<dyn Rng>,
}

/// How a feed is doing.
#[derive(Clone, Copy, Debug)]
pub struct FeedView {
    /// What it has seen.
    pub head: Head,
    /// How long ago it last looked with success.
    pub age: Duration,
    /// How many changes are known to be there and are not read yet.
    pub behind: u64,
    /// Who follows.
    pub followers: usize,
    /// Looks that failed.
    pub failures: u64,
}

/// The change feed of one open app. Cheap to clone; it ends when the last clone is dropped.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
    task: Arc<Task>,
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn AppStore>,
    pub(crate) signal: Arc<Signal>,
    pub(crate) ring: Mutex<Ring>,
    /// What followers may read up to, and the number of the restart: `None` once it ended.
    pub(crate) seen: watch::Sender<Option<(Head, u64)>>,
    options: FeedOptions,
    /// When it last looked with success.
    looked: Mutex<Monotonic>,
    failures: AtomicU64,
    /// Held while looking, so that a caller of [`Feed::look`] waits for the one under way.
    looking: tokio::sync::Mutex<()>,
}

struct Task {
    shared: Arc<Shared>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.shared.seen.send_replace(None);
        if let Some(handle) = self.handle.get_mut() {
            handle.abort();
        }
    }
}

impl Feed {
    /// A feed around a store, and the store that everybody has to use from now on: it tells the feed
    /// of this node's commits.
    pub fn over(inner: Arc<dyn AppStore>, options: FeedOptions) -> (Self, Arc<dyn AppStore>) {
        let start = head(&*inner);
        let signal = Arc::new(Signal::new(start));
        let store: Arc<dyn AppStore> = Arc::new(Watched {
            inner: Arc::clone(&inner),
            signal: Arc::clone(&signal),
        });
        let mut ring = Ring::default();
        ring.restart(start.position);
        let shared = Arc::new(Shared {
            store: inner,
            signal,
            ring: Mutex::new(ring),
            seen: watch::Sender::new(Some((start, 0))),
            looked: Mutex::new(options.clock.monotonic()),
            options,
            failures: AtomicU64::new(0),
            looking: tokio::sync::Mutex::default(),
        });
        let handle = tokio::spawn(run(Arc::clone(&shared)));
        let task = Task {
            shared: Arc::clone(&shared),
            handle: Mutex::new(Some(handle)),
        };
        let task = Arc::new(task);
        (Self { shared, task }, store)
    }

    /// Has the feed look soon: somebody says that there is something. Never waits.
    pub fn wake(&self) {
        self.shared.signal.woken.notify_one();
    }

    /// Looks now, and returns when what was committed before the call is known here. For whoever
    /// must not go by something old. Errors: those of the store.
    pub async fn look(&self) -> Result<()> {
        self.shared.look().await
    }

    /// How long ago the feed last looked with success: nothing that is older is unknown here.
    pub fn age(&self) -> Duration {
        let looked = *self.shared.looked.lock();
        self.shared.options.clock.monotonic().since(looked)
    }

    /// Follows every change after a position.
    pub fn subscribe(&self, after: Position) -> Subscription {
        Subscription::new(Arc::clone(&self.shared), after)
    }

    /// Follows every change from now on.
    pub fn subscribe_from_now(&self) -> Subscription {
        let at = self.shared.ring.lock().at();
        self.subscribe(at)
    }

    /// What this node committed last, for telling others. Several commits may show as one.
    pub fn own_commits(&self) -> watch::Receiver<Head> {
        self.shared.signal.own.subscribe()
    }

    /// Tasks that this node makes visible from now on, for telling others: tasks have no positions.
    pub fn own_tasks(&self) -> Arc<TaskNews> {
        let news = Arc::new(TaskNews::default());
        let watch = Arc::downgrade(&news);
        self.shared.store.watch_tasks(watch as Weak<dyn TaskWatch>);
        news
    }

    /// How it is doing.
    pub fn view(&self) -> FeedView {
        let seen = self.shared.seen.borrow().map(|(head, _)| head);
        let known = self.shared.store.position();
        let head = seen.unwrap_or_default();
        FeedView {
            head,
            age: self.age(),
            behind: known.0.saturating_sub(head.position.0),
            followers: self.shared.signal.followers.load(Ordering::Relaxed),
            failures: self.shared.failures.load(Ordering::Relaxed),
        }
    }

    /// Ends the feed for every clone and waits until its task is gone; followers are told that it
    /// ended.
    pub async fn close(&self) {
        self.shared.seen.send_replace(None);
        let handle = self.task.handle.lock().take();
        if let Some(handle) = handle {
            handle.abort();
            // It was cancelled; a panic was told already.
            let _ = handle.await;
        }
    }
}

async fn run(shared: Arc<Shared>) {
    let mut failed = false;
    loop {
        let looked = shared.look().await;
        match &looked {
            Ok(()) if failed => tracing::info!("the change feed reads on"),
            Err(error) if !failed => tracing::warn!(?error, "the change feed can't read"),
            _ => {}
        }
        failed = looked.is_err();
        let pause = match (failed, shared.options.poll) {
            (true, _) => Some(RETRY),
            (false, Some(poll)) => Some(jittered(poll, &*shared.options.rng)),
            (false, None) => None,
        };
        let woken = shared.signal.woken.notified();
        match pause {
            // A wake-up is no reason to try again sooner what failed just now.
            Some(pause) if failed => tokio::time::sleep(pause).await,
            Some(pause) => drop(tokio::time::timeout(pause, woken).await),
            None => woken.await,
        }
    }
}

/// The time give or take a tenth.
fn jittered(time: Duration, rng: &dyn Rng) -> Duration {
    let mut byte = [0];
    rng.fill(&mut byte);
    time * (1024 - 102 + u32::from(byte[0]) * 204 / 255) / 1024
}

impl Shared {
    async fn look(&self) -> Result<()> {
        let asked = self.options.clock.monotonic();
        let _looking = self.looking.lock().await;
        if *self.looked.lock() > asked {
            // A look that began after this one was asked for.
            return Ok(());
        }
        let begun = self.options.clock.monotonic();
        let looked = self.look_now().await;
        match &looked {
            Ok(()) => *self.looked.lock() = begun,
            Err(_) => drop(self.failures.fetch_add(1, Ordering::Relaxed)),
        }
        looked
    }

    async fn look_now(&self) -> Result<()> {
        let position = self.store.refresh().await?;
        let mut restarts = 0;
        loop {
            let at = self.ring.lock().at();
            if position == at {
                break;
            }
            let nobody = self.signal.followers.load(Ordering::SeqCst) == 0;
            if nobody || position < at {
                // Positions go back when somebody put another database in its place.
                restarts += u64::from(position < at);
                self.ring.lock().restart(position);
                break;
            }
            match self.store.changes(at, READ_MAX).await? {
                Some(changes) if !changes.is_empty() => {
                    let mut ring = self.ring.lock();
                    // What was committed a moment after the position was read comes with the next
                    // look: it must not seem as if positions went back then.
                    for change in changes {
                        if change.position <= position {
                            ring.push(change);
                        }
                    }
                    if ring.at() >= position {
                        break;
                    }
                }
                // The log does not reach back: followers will notice when they read it.
                _ => {
                    self.ring.lock().restart(position);
                    break;
                }
            }
        }
        self.show(restarts);
        Ok(())
    }

    /// Lets followers see what is there.
    fn show(&self, restarts: u64) {
        let head = Head {
            position: self.ring.lock().at(),
            catalogue: self.store.catalogue().version,
        };
        self.seen.send_if_modified(|seen| match seen {
            Some((old, count)) if *old != head || restarts > 0 => {
                *old = head;
                *count += restarts;
                true
            }
            _ => false,
        });
    }
}
