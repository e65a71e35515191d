//! The bounded queue between a bus and a subscriber.

use crate::Payload;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Most messages that wait for one subscriber.
pub const QUEUE_MESSAGES_MAX: usize = 256;

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message.
    Message(Payload),
    /// Messages may have been lost since the last event: the queue was full, or the connection was
    /// gone for a while.
    Gap,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Payload>,
    gap: bool,
    closed: bool,
}

/// A queue with one reader. Writers never wait.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

impl Queue {
    /// Adds a message, or notes a gap when there is no room; says whether there was.
    pub(crate) fn push(&self, payload: Payload) -> bool {
        let mut waiting = self.waiting.lock();
        let fits = waiting.messages.len() < QUEUE_MESSAGES_MAX;
        if fits {
            waiting.messages.push_back(payload);
        } else {
            waiting.gap = true;
        }
        drop(waiting);
        self.changed.notify_one();
        fits
    }

    pub(crate) fn gap(&self) {
        self.waiting.lock().gap = true;
        self.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_one();
    }

    fn take(&self) -> Poll<Option<Event>> {
        let mut waiting = self.waiting.lock();
        if std::mem::take(&mut waiting.gap) {
            return Poll::Ready(Some(Event::Gap));
        }
        match waiting.messages.pop_front() {
            Some(payload) => Poll::Ready(Some(Event::Message(payload))),
            None if waiting.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// Messages on one subject; dropping it ends the subscription.
pub struct Subscription {
    queue: Arc<Queue>,
    /// The task that fills the queue, where there is one.
    filler: Option<AbortHandle>,
}

impl Subscription {
    pub(crate) fn new(queue: Arc<Queue>, filler: Option<AbortHandle>) -> Self {
        Self { queue, filler }
    }

    /// The next event; `None` once the bus was shut down. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Poll::Ready(event) = self.queue.take() {
                return event;
            }
            self.queue.changed.notified().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(filler) = &self.filler {
            filler.abort();
        }
    }
}
