//! One client: its subscriptions and its outbox.

use crate::bucket::Asked;
use crate::catch_up::{self, PAGE};
use crate::engine::{Command, Live, Registered, Subscribing};
use crate::outbox::{Delivery, Outbox};
use crate::registry::closed;
use crate::seat::{Standing, Who};
use basalt_base::{Error, Reason, Result};
use basalt_data::{EventKind, ObjectQuery};
use basalt_store::{Path, Position};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often a client that catches up is overtaken before it is told to start over.
const OVERTAKEN_MAX: usize = 100;
/// How long to wait when the task is ahead of what can be read.
const PAUSE: Duration = Duration::from_millis(20);

/// From where on changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// From now on.
    Now,
    /// Everything after the position, of which the client has been told before.
    After(Position),
}

/// A subscription to make.
pub struct Subscribe {
    /// Its number; one of the same number is replaced without a gap.
    pub number: u64,
    /// Who it belongs to.
    pub who: Arc<Who>,
    /// Which objects; sort, limit and includes don't count.
    pub query: ObjectQuery,
    /// The fields of which a create has to have and an update has to change one.
    pub fields: Option<Vec<Path>>,
    /// From where on.
    pub from: From,
}

/// A client. Its subscriptions end with it.
pub struct Client {
    live: Live,
    id: u64,
    outbox: Arc<Outbox>,
}

impl Client {
    pub(crate) fn new(live: Live, id: u64, outbox: Arc<Outbox>) -> Self {
        Self { live, id, outbox }
    }

    /// What waits for the client.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Up to where everything was put into the outbox. To be read before that is emptied.
    pub fn position(&self) -> Position {
        Position(self.live.shared.stats.position.load(Ordering::Acquire))
    }

    /// The rights of a caller now. Errors: `InvalidSession`, those of the store.
    pub async fn standing(&self, who: &Who) -> Result<Standing> {
        self.live.shared.deps.rights.resolve(who).await
    }

    /// Has the client told when its own session ends.
    pub fn sit(&self, who: Arc<Who>, standing: Standing) {
        let seat = Command::Seat {
            client: self.id,
            who,
            standing,
        };
        // An error means that it is closed, which the outbox tells.
        let _ = self.live.shared.commands.send(seat);
    }

    /// Prepares a subscription. Errors: refusals, and those of [`basalt_data::Data::watch`].
    pub async fn subscribe(&self, new: Subscribe) -> Result<Pending<'_>> {
        let shared = &self.live.shared;
        if shared.stats.subscriptions.load(Ordering::Relaxed) >= shared.options.subscriptions_max {
            let message = "Too many live queries of this app.";
            return Err(Error::new(Reason::Overloaded, message));
        }
        let standing = self.standing(&new.who).await?;
        let asked = Arc::new(Asked {
            query: new.query,
            fields: new.fields,
        });
        let mut pending = Pending {
            client: self,
            number: new.number,
            who: new.who,
            asked,
            standing,
            start: Position::default(),
            resumes: false,
            said: false,
            is_lost: false,
            overtaken: 0,
        };
        // Refused before anything is read.
        pending.plan()?;
        shared.deps.feed.look().await?;
        let now = shared.deps.data.deps().store.position();
        // The log may be read a moment before the store says that it has grown.
        let now = now.max(Position(shared.stats.position.load(Ordering::Acquire)));
        pending.start = now;
        if let From::After(position) = new.from {
            if position > now {
                // Of other data than this.
                pending.is_lost = true;
            } else {
                pending.start = position;
            }
            pending.resumes = true;
        }
        Ok(pending)
    }

    /// Ends a subscription; whether there was one. The answer goes through the outbox, after the
    /// last event.
    pub async fn unsubscribe(&self, subscription: u64) -> Result<bool> {
        let (done, outcome) = oneshot::channel();
        let command = Command::Unsubscribe {
            client: self.id,
            subscription,
            done,
        };
        let commands = &self.live.shared.commands;
        commands.send(command).map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let shared = &self.live.shared;
        shared.stats.clients.fetch_sub(1, Ordering::Relaxed);
        let _ = shared
            .commands
            .send(Command::Disconnect { client: self.id });
    }
}

/// A subscription that is being made. To be asked for [`Pending::next`] until there is nothing;
/// from then on events go through the outbox.
pub struct Pending<'c> {
    client: &'c Client,
    number: u64,
    who: Arc<Who>,
    asked: Arc<Asked>,
    standing: Standing,
    /// What the client was told of.
    start: Position,
    resumes: bool,
    /// Whether the client was told that the subscription stands.
    said: bool,
    /// What the client knows can't be gone on from.
    is_lost: bool,
    overtaken: usize,
}

impl Pending<'_> {
    fn plan(&self) -> Result<basalt_data::Watch> {
        let (query, fields) = (self.asked.query.clone(), self.asked.fields.clone());
        let data = &self.client.live.shared.deps.data;
        data.watch(&self.standing.call, query, fields)
    }

    /// What is to be told next; `None` when the subscription stands. Errors: refusals, also those
    /// that come about on the way; the subscription is none then.
    pub async fn next(&mut self) -> Result<Option<Vec<Delivery>>> {
        if self.is_lost {
            return self.start_over().await;
        }
        if self.resumes && !self.said {
            self.said = true;
            return Ok(Some(vec![Delivery::Subscribed {
                subscription: self.number,
                position: self.start,
            }]));
        }
        if self.resumes
            && let Some(told) = self.read_on().await?
        {
            return Ok(Some(told));
        }
        match self.register().await? {
            Registered::Done => Ok(None),
            Registered::Missed => self.start_over().await,
            Registered::Behind => {
                self.overtaken += 1;
                if self.overtaken > OVERTAKEN_MAX {
                    return self.start_over().await;
                }
                tokio::time::sleep(PAUSE).await;
                Ok(Some(Vec::new()))
            }
        }
    }

    /// The next page of the log; `None` at its end.
    async fn read_on(&mut self) -> Result<Option<Vec<Delivery>>> {
        let deps = &self.client.live.shared.deps;
        let store = &deps.data.deps().store;
        let Some(changes) = store.changes(self.start, PAGE).await? else {
            return self.start_over().await;
        };
        let Some(last) = changes.last() else {
            return Ok(None);
        };
        let position = last.position;
        // Catching up may take long: rights are those of now.
        self.standing = deps.rights.resolve(&self.who).await?;
        let watch = self.plan()?;
        let hooks = &deps.data.deps().hooks;
        let hooked = hooks.wants(EventKind::AfterEvent, watch.collection());
        let (encode, number) = (&*deps.encode, self.number);
        let told = catch_up::page(&watch, &self.asked, &changes, encode, hooked, number)?;
        self.start = position;
        Ok(Some(told))
    }

    /// The client has to read everything anew and goes on from now.
    async fn start_over(&mut self) -> Result<Option<Vec<Delivery>>> {
        let deps = &self.client.live.shared.deps;
        deps.feed.look().await?;
        self.start = deps.data.deps().store.position();
        let (subscription, position) = (self.number, self.start);
        let mut told = Vec::new();
        if !self.said {
            told.push(Delivery::Subscribed {
                subscription,
                position,
            });
        }
        told.push(Delivery::Missed {
            subscription,
            position,
        });
        self.said = true;
        self.is_lost = false;
        self.overtaken = 0;
        Ok(Some(told))
    }

    async fn register(&mut self) -> Result<Registered> {
        let (done, outcome) = oneshot::channel();
        let subscribing = Subscribing {
            client: self.client.id,
            number: self.number,
            who: Arc::clone(&self.who),
            standing: self.standing.clone(),
            asked: Arc::clone(&self.asked),
            watch: self.plan()?,
            start: self.start,
            resumes: self.resumes,
            done,
        };
        let commands = &self.client.live.shared.commands;
        let command = Command::Subscribe(Box::new(subscribing));
        commands.send(command).map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())
    }
}
