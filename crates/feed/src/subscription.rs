//! Following a feed.

use crate::feed::{READ_MAX, Shared};
use crate::ring::After;
use crate::signal::Head;
use basalt_store::{Change, Position};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

/// How long to wait before the log is read again after a failure.
const RETRY: Duration = Duration::from_millis(250);

/// What a follower is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A change. Each comes once, in the order of commits.
    Change(Arc<Change>),
    /// The catalogue changed: collections, fields, indexes or rules. In no order with the changes,
    /// and several may show as one. Holds its version.
    Catalogue(u64),
    /// Changes were missed: the log does not reach back, or all data was replaced. Whatever was
    /// made from the changes has to be read anew; the changes after this position follow.
    Missed(Position),
}

/// Changes after a position. A follower that is slow costs the others nothing: it reads the log
/// itself.
pub struct Subscription {
    shared: Arc<Shared>,
    seen: watch::Receiver<Option<(Head, u64)>>,
    waiting: VecDeque<Arc<Change>>,
    at: Position,
    catalogue: u64,
    restarts: u64,
}

enum Step {
    Tell(Event),
    Read,
    Wait,
    End,
}

impl Subscription {
    pub(crate) fn new(shared: Arc<Shared>, at: Position) -> Self {
        shared.signal.followers.fetch_add(1, Ordering::SeqCst);
        // What was committed while nobody followed was not read.
        shared.signal.woken.notify_one();
        let seen = shared.seen.subscribe();
        let (head, restarts) = seen.borrow().unwrap_or_default();
        Self {
            shared,
            seen,
            waiting: VecDeque::new(),
            at,
            catalogue: head.catalogue,
            restarts,
        }
    }

    /// The position of the last change that was handed out.
    pub fn position(&self) -> Position {
        self.at
    }

    /// The next event; `None` once the feed ended. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.step() {
                Step::Tell(event) => return Some(event),
                Step::End => return None,
                Step::Read => {
                    if let Some(event) = self.read().await {
                        return Some(event);
                    }
                }
                // The sender lives as long as `shared`.
                Step::Wait => drop(self.seen.changed().await),
            }
        }
    }

    fn step(&mut self) -> Step {
        let Some((head, restarts)) = *self.seen.borrow_and_update() else {
            return Step::End;
        };
        if restarts != self.restarts {
            self.restarts = restarts;
            return Step::Tell(self.missed(head.position));
        }
        if let Some(change) = self.waiting.pop_front() {
            self.at = change.position;
            return Step::Tell(Event::Change(change));
        }
        if head.catalogue != self.catalogue {
            self.catalogue = head.catalogue;
            return Step::Tell(Event::Catalogue(head.catalogue));
        }
        let after = self.shared.ring.lock().after(self.at);
        match after {
            After::Changes(changes) => {
                self.waiting.extend(changes);
                match self.waiting.pop_front() {
                    Some(change) => {
                        self.at = change.position;
                        Step::Tell(Event::Change(change))
                    }
                    None => Step::Wait,
                }
            }
            After::UpToDate => Step::Wait,
            After::TooOld => Step::Read,
        }
    }

    /// Reads what the ring does not have any more.
    async fn read(&mut self) -> Option<Event> {
        match self.shared.store.changes(self.at, READ_MAX).await {
            Ok(Some(changes)) if !changes.is_empty() => {
                self.waiting.extend(changes.into_iter().map(Arc::new));
                None
            }
            Ok(_) => {
                let at = self.shared.ring.lock().at();
                Some(self.missed(at))
            }
            Err(error) => {
                tracing::warn!(?error, "a follower of the change log can't read it");
                tokio::time::sleep(RETRY).await;
                None
            }
        }
    }

    fn missed(&mut self, at: Position) -> Event {
        self.waiting.clear();
        self.at = at;
        Event::Missed(at)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.signal.followers.fetch_sub(1, Ordering::SeqCst);
    }
}
