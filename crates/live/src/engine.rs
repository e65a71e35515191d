//! The engine's handle and its task.

use crate::bucket::Asked;
use crate::catch_up;
use crate::client::Client;
use crate::dispatch::{Telling, matched};
use crate::options::Options;
use crate::outbox::{Delivery, Outbox};
use crate::registry::{NewSub, Registry, closed};
use crate::seat::{Affected, Rights, Standing, Who};
use crate::stats::{Stats, StatsView, add};
use basalt_base::{Error, Reason, Result};
use basalt_data::{Data, EventKind, Watch};
use basalt_feed::{Event, Feed, Subscription};
use basalt_store::{Change, Collection, Position, Record};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often rights that may have changed are looked at though nothing was to be told.
const SWEEP: Duration = Duration::from_secs(1);
/// How many such looks go on at once, and how many a sweep makes.
const LOOKS: usize = 16;
const SWEEP_LOOKS: usize = 512;
/// How long to wait before rights are looked at again after a failure, and how often.
const RETRY: Duration = Duration::from_millis(200);
const RETRIES: usize = 10;

/// What happened to an object from a subscriber's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was made, and is meant.
    Create,
    /// It came to be meant, or to be visible.
    Enter,
    /// It changed and is meant as before.
    Update,
    /// It is not meant or not visible any more.
    Leave,
    /// It was deleted.
    Delete,
}

impl Happening {
    pub(crate) const COUNT: usize = 5;
}

/// An event for one subscriber, or for all to whom objects look the same.
#[derive(Clone, Debug)]
pub struct Happened {
    /// What happened.
    pub kind: Happening,
    /// The collection.
    pub collection: Arc<str>,
    /// Its schema as the subscriber sees it.
    pub schema: Option<Arc<Collection>>,
    /// The fields that were asked for; `None` for all. The objects hold no others.
    pub keys: Option<Vec<Box<str>>>,
    /// The object: as it is now where the subscriber may see that, else as it was.
    pub object: Record,
    /// The object before, where there was one that the subscriber could see.
    pub original: Option<Record>,
    /// The change's position in the log.
    pub position: Position,
    /// About how many bytes it takes.
    pub(crate) bytes: usize,
}

/// How an adapter writes events.
pub trait Encode: Send + Sync {
    /// What all subscribers of the event are sent alike.
    fn event(&self, event: &Happened) -> Bytes;
}

/// What the engine needs from outside.
#[derive(Clone)]
pub struct LiveDeps {
    /// The app's data, for rules and filters.
    pub data: Data,
    /// Its changes.
    pub feed: Feed,
    /// What callers may do.
    pub rights: Arc<dyn Rights>,
    /// How events are written.
    pub encode: Arc<dyn Encode>,
}

/// The live queries of one open app. Cheap to clone; they end when the last clone and the last
/// client are gone, or with [`Live::close`].
#[derive(Clone)]
pub struct Live {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub deps: LiveDeps,
    pub options: Options,
    pub stats: Arc<Stats>,
    pub commands: mpsc::UnboundedSender<Command>,
    next_client: AtomicU64,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What clients ask the task for.
pub(crate) enum Command {
    Connect {
        client: u64,
        outbox: Arc<Outbox>,
    },
    /// Looks after the client's own session.
    Seat {
        client: u64,
        who: Arc<Who>,
        standing: Standing,
    },
    Subscribe(Box<Subscribing>),
    Unsubscribe {
        client: u64,
        subscription: u64,
        done: oneshot::Sender<bool>,
    },
    Disconnect {
        client: u64,
    },
    Close,
}

pub(crate) struct Subscribing {
    pub client: u64,
    pub number: u64,
    pub who: Arc<Who>,
    pub standing: Standing,
    pub asked: Arc<Asked>,
    pub watch: Watch,
    /// What the client knows: everything up to here. When it resumes, nothing may be left out
    /// after it.
    pub start: Position,
    pub resumes: bool,
    pub done: oneshot::Sender<Registered>,
}

/// How it went.
pub(crate) enum Registered {
    Done,
    /// The task is too far ahead; the client has to catch up first.
    Behind,
    /// The log does not reach back.
    Missed,
}

impl Live {
    /// Starts the engine of an app. Nothing is followed until a client comes.
    pub fn start(deps: LiveDeps, options: Options) -> Self {
        let (commands, asked) = mpsc::unbounded_channel();
        let stats = Arc::new(Stats::default());
        let task = Task {
            registry: Registry::new(deps.data.clone(), Arc::clone(&stats)),
            deps: deps.clone(),
            stats: Arc::clone(&stats),
            at: Position::default(),
        };
        let handle = tokio::spawn(task.run(asked));
        Self {
            shared: Arc::new(Shared {
                deps,
                options,
                stats,
                commands,
                next_client: AtomicU64::new(1),
                task: Mutex::new(Some(handle)),
            }),
        }
    }

    /// A new client. Errors: `Overloaded` when there are too many.
    pub fn connect(&self) -> Result<Client> {
        let shared = &self.shared;
        let clients = &shared.stats.clients;
        if clients.fetch_add(1, Ordering::Relaxed) >= shared.options.clients_max {
            clients.fetch_sub(1, Ordering::Relaxed);
            let message = "Too many live connections of this app.";
            return Err(Error::new(Reason::Overloaded, message));
        }
        let id = shared.next_client.fetch_add(1, Ordering::Relaxed);
        let outbox = Arc::new(Outbox::new(&shared.options, Arc::clone(&shared.stats)));
        let client = Client::new(self.clone(), id, Arc::clone(&outbox));
        let connect = Command::Connect { client: id, outbox };
        shared.commands.send(connect).map_err(|_| closed())?;
        Ok(client)
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.shared.stats.clients.load(Ordering::Relaxed)
    }

    /// Counters.
    pub fn stats(&self) -> StatsView {
        self.shared.stats.view()
    }

    /// Cuts every client off; nobody can connect any more.
    pub fn close(&self) {
        // An error means that it is closed.
        let _ = self.shared.commands.send(Command::Close);
    }

    /// Closes and waits until the task and the feed are gone.
    pub async fn closed(&self) {
        self.close();
        let task = self.shared.task.lock().take();
        if let Some(task) = task {
            // A panic was told already.
            let _ = task.await;
        }
        self.shared.deps.feed.close().await;
    }
}

/// What the task does next.
enum Turn {
    Command(Option<Command>),
    Event(Option<Event>),
    Sweep,
}

struct Task {
    deps: LiveDeps,
    stats: Arc<Stats>,
    registry: Registry,
    /// The last change that was told.
    at: Position,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes: Option<Subscription> = None;
        loop {
            let is_following = changes.is_some();
            let next = async {
                match &mut changes {
                    Some(changes) => changes.next().await,
                    None => std::future::pending().await,
                }
            };
            let turn = tokio::select! {
                command = commands.recv() => Turn::Command(command),
                event = next => Turn::Event(event),
                _ = sweep.tick(), if is_following => Turn::Sweep,
            };
            match turn {
                // The feed ended: the app is closed.
                Turn::Command(None | Some(Command::Close)) | Turn::Event(None) => return,
                Turn::Command(Some(command)) => {
                    if changes.is_none() {
                        changes = Some(self.follow().await);
                    }
                    self.obey(command).await;
                    if self.registry.is_empty() {
                        changes = None;
                    }
                }
                Turn::Event(Some(event)) => self.hear(event).await,
                Turn::Sweep => self.sweep().await,
            }
        }
    }

    /// Follows the feed from now on.
    async fn follow(&mut self) -> Subscription {
        let feed = &self.deps.feed;
        while let Err(error) = feed.look().await {
            tracing::warn!(?error, "live queries can't read the change log");
            tokio::time::sleep(RETRY).await;
        }
        let changes = feed.subscribe_from_now();
        self.at = changes.position();
        self.stats.position.store(self.at.0, Ordering::Release);
        changes
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Connect { client, outbox } => self.registry.connect(client, outbox),
            Command::Seat {
                client,
                who,
                standing,
            } => self.registry.seat_client(client, who, standing),
            Command::Disconnect { client } => self.registry.disconnect(client),
            Command::Unsubscribe {
                client,
                subscription,
                done,
            } => {
                let was = self.registry.remove(client, subscription);
                if was && let Some(outbox) = self.registry.outbox(client) {
                    outbox.push(Delivery::Unsubscribed { subscription });
                }
                // Nobody waits when the client is gone.
                let _ = done.send(was);
            }
            Command::Subscribe(subscribing) => self.subscribe(*subscribing).await,
            // Handled where commands come in.
            Command::Close => {}
        }
    }

    async fn subscribe(&mut self, new: Subscribing) {
        let Subscribing {
            client,
            number,
            asked,
            watch,
            ..
        } = &new;
        let Some(outbox) = self.registry.outbox(*client).cloned() else {
            return;
        };
        let mut start = new.start.max(self.at);
        if new.resumes {
            start = new.start;
            let gap = catch_up::Gap {
                store: &*self.deps.data.deps().store,
                encode: &*self.deps.encode,
                hooked: self.is_hooked(watch.collection()),
            };
            match gap
                .close(watch, asked, start, self.at, *number, &outbox)
                .await
            {
                Registered::Done => start = start.max(self.at),
                other => {
                    // Nobody waits when the client is gone.
                    let _ = new.done.send(other);
                    return;
                }
            }
            add(&self.stats.resumed_total, 1);
        } else {
            // A query that takes the place of another goes on where that one is.
            if self.registry.has(*client, *number) {
                start = self.at;
            }
            outbox.push(Delivery::Subscribed {
                subscription: *number,
                position: start,
            });
        }
        self.registry.add(NewSub {
            client: new.client,
            number: new.number,
            who: new.who,
            standing: new.standing,
            asked: new.asked,
            watch: new.watch,
            start,
        });
        let _ = new.done.send(Registered::Done);
    }

    fn is_hooked(&self, collection: &str) -> bool {
        let hooks = &self.deps.data.deps().hooks;
        hooks.wants(EventKind::AfterEvent, collection)
    }

    async fn hear(&mut self, event: Event) {
        match event {
            Event::Change(change) => {
                self.tell(&change).await;
                self.at = change.position;
                if change.collection.starts_with('_') {
                    let affected = self.deps.rights.affected(&change);
                    self.registry.mark(&affected);
                }
                add(&self.stats.changes_total, 1);
                self.stats.position.store(self.at.0, Ordering::Release);
            }
            Event::Catalogue(_) => self.rebuild_outdated(),
            Event::Missed(position) => {
                self.at = position;
                self.stats.position.store(position.0, Ordering::Release);
                self.deps.rights.forget_all();
                self.registry.mark(&Affected::Everybody);
                self.registry.missed(position);
                self.rebuild_outdated();
            }
        }
    }

    fn rebuild_outdated(&mut self) {
        for name in self.registry.outdated() {
            self.registry.rebuild(&name);
        }
    }

    async fn tell(&mut self, change: &Change) {
        let name = &change.collection;
        if !self.registry.buckets.contains_key(name) {
            return;
        }
        // The catalogue is never older than the changes that are read.
        if self.registry.is_outdated(name) {
            self.registry.rebuild(name);
        }
        let matching = self.matching(change);
        if matching.is_empty() {
            return;
        }
        let ids: Vec<u32> = matching.iter().map(|(id, _)| *id).collect();
        self.renew(name, &ids).await;
        let hooked = self.is_hooked(name);
        let mut failed = Vec::new();
        for (id, matched) in matching {
            let Some(query) = self.registry.buckets.get(name).and_then(|b| b.query(id)) else {
                continue;
            };
            let telling = Telling {
                change,
                matched,
                encode: &*self.deps.encode,
                hooked,
                stats: &self.stats,
            };
            if let Err(error) = telling.tell(query) {
                failed.push((id, error));
            }
        }
        for (id, error) in failed {
            self.give_up(name, id, error);
        }
    }

    /// The queries that mean the object, before or after.
    fn matching(&mut self, change: &Change) -> Vec<(u32, crate::dispatch::Matched)> {
        let name = &change.collection;
        let Some(bucket) = self.registry.buckets.get(name) else {
            return Vec::new();
        };
        let (before, after) = (change.before.as_deref(), change.after.as_deref());
        let mut matching = Vec::new();
        let mut failed = Vec::new();
        for id in bucket.candidates(before, after) {
            let Some(query) = bucket.query(id) else {
                continue;
            };
            match matched(&query.filter, change) {
                Ok(None) => {}
                Ok(Some(matched)) => matching.push((id, matched)),
                Err(error) => failed.push((id, error)),
            }
        }
        for (id, error) in failed {
            self.give_up(name, id, error);
        }
        matching
    }

    /// Ends the subscriptions to a query that can't be told exactly.
    fn give_up(&mut self, collection: &Arc<str>, id: u32, error: Error) {
        let query = self
            .registry
            .buckets
            .get(collection)
            .and_then(|b| b.query(id));
        let audiences = query.into_iter().flat_map(|query| &query.audiences);
        let subs = audiences.flat_map(|audience| &audience.subs);
        let subs = subs.map(|sub| (sub.client, sub.number)).collect();
        self.registry.end_all(subs, error);
    }

    /// Has the rights of everybody who asked these queries be those of now.
    async fn renew(&mut self, collection: &Arc<str>, ids: &[u32]) {
        let now = self.deps.data.deps().clock.now();
        let Some(bucket) = self.registry.buckets.get(collection) else {
            return;
        };
        let queries = ids.iter().filter_map(|id| bucket.query(*id));
        let audiences = queries.flat_map(|query| &query.audiences);
        let mut stale = Vec::new();
        let mut old = false;
        for audience in audiences {
            let Some(seat) = &self.registry.seats[audience.seat] else {
                continue;
            };
            let expired = seat.standing.expires_at.is_some_and(|at| at <= now);
            if seat.is_stale || expired {
                stale.push(audience.seat);
            }
            old |= seat.generation != audience.generation;
        }
        if stale.is_empty() && !old {
            return;
        }
        stale.sort_unstable();
        stale.dedup();
        self.look(stale).await;
        for id in ids {
            self.registry.refresh(collection, *id);
        }
    }

    /// Looks at the rights of these seats again.
    async fn look(&mut self, seats: Vec<usize>) {
        for some in seats.chunks(LOOKS) {
            let mut looks: FuturesUnordered<_> = some
                .iter()
                .filter_map(|at| {
                    let who = Arc::clone(&self.registry.seats[*at].as_ref()?.who);
                    let rights = Arc::clone(&self.deps.rights);
                    Some(async move { (*at, resolve(&*rights, &who).await) })
                })
                .collect();
            let mut seen = Vec::with_capacity(some.len());
            while let Some(one) = looks.next().await {
                seen.push(one);
            }
            drop(looks);
            for (at, resolved) in seen {
                self.registry.settle(at, resolved);
            }
        }
    }

    async fn sweep(&mut self) {
        let now = self.deps.data.deps().clock.now();
        let seats = self.registry.seats.iter().enumerate();
        let due = seats.filter(|(_, seat)| {
            seat.as_ref().is_some_and(|seat| {
                seat.is_stale || seat.standing.expires_at.is_some_and(|at| at <= now)
            })
        });
        let due: Vec<usize> = due.map(|(at, _)| at).take(SWEEP_LOOKS).collect();
        if !due.is_empty() {
            self.look(due).await;
        }
    }
}

/// The rights of a caller now. While they can't be known nothing is told; when that lasts, the
/// caller is given up.
async fn resolve(rights: &dyn Rights, who: &Who) -> Result<Standing> {
    let mut tries = 0;
    loop {
        match rights.resolve(who).await {
            Err(error) if error.reason() != Reason::InvalidSession && tries < RETRIES => {
                tries += 1;
                tracing::warn!(?error, "the rights of a subscriber can't be read");
                tokio::time::sleep(RETRY).await;
            }
            other => return other,
        }
    }
}
