//! What waits for one client.

use crate::engine::Happened;
use crate::options::Options;
use crate::stats::{Stats, add};
use basalt_base::Error;
use basalt_store::Position;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Queues that grew beyond this are given back when they are empty.
const KEPT_MESSAGES: usize = 16;
/// What an entry without an event counts.
const ENTRY_BYTES: usize = 128;

/// What a client is told. Subscriptions go by the numbers that the client's owner gave them.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The subscription stands: every change after the position is told.
    Subscribed {
        /// The subscription.
        subscription: u64,
        /// From where on.
        position: Position,
    },
    /// What was asked to be resumed is too long ago, or of other data: what was made from earlier
    /// events has to be read anew. Changes after the position are told.
    Missed {
        /// The subscription.
        subscription: u64,
        /// From where on.
        position: Position,
    },
    /// The subscription was ended as asked.
    Unsubscribed {
        /// The subscription.
        subscription: u64,
    },
    /// An encoded event.
    Event {
        /// The subscription.
        subscription: u64,
        /// The event, in the words of the encoder.
        body: Bytes,
    },
    /// An event that a hook has to see first.
    Hooked {
        /// The subscription.
        subscription: u64,
        /// The event.
        event: Arc<Happened>,
    },
    /// The subscription was ended: the caller has lost the right to it.
    Ended {
        /// The subscription.
        subscription: u64,
        /// Why.
        error: Arc<Error>,
    },
    /// The client's own session ended.
    SessionEnded {
        /// Why.
        error: Arc<Error>,
    },
}

/// Why a client gets nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It did not keep up: what it knows has to be read anew.
    Slow,
    /// The app is not served here any more.
    Closed,
}

/// A bounded queue of deliveries.
pub struct Outbox {
    state: Mutex<State>,
    some: Notify,
    is_cut: AtomicBool,
    messages_max: usize,
    bytes_max: usize,
    total_max: usize,
    stats: Arc<Stats>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Delivery>,
    bytes: usize,
    cut: Option<Cut>,
}

fn weight(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Event { body, .. } => ENTRY_BYTES + body.len(),
        Delivery::Hooked { event, .. } => ENTRY_BYTES + event.bytes,
        _ => ENTRY_BYTES,
    }
}

impl Outbox {
    pub(crate) fn new(options: &Options, stats: Arc<Stats>) -> Self {
        Self {
            state: Mutex::default(),
            some: Notify::new(),
            is_cut: AtomicBool::new(false),
            messages_max: options.queue_messages_max,
            bytes_max: options.queue_bytes_max,
            total_max: options.queues_bytes_max,
            stats,
        }
    }

    /// Adds a delivery; whether the client can still be told anything.
    pub(crate) fn push(&self, delivery: Delivery) -> bool {
        let bytes = weight(&delivery);
        let mut state = self.state.lock();
        if state.cut.is_some() {
            return false;
        }
        let queued = &self.stats.queued_bytes;
        let total = queued.load(Ordering::Relaxed) + bytes;
        // One that is alone in the queue may be of any size: it would never fit otherwise.
        let full = !state.queue.is_empty()
            && (state.queue.len() >= self.messages_max
                || state.bytes + bytes > self.bytes_max
                || total > self.total_max);
        if full {
            drop(state);
            add(&self.stats.cut_total, 1);
            self.cut(Cut::Slow);
            return false;
        }
        state.queue.push_back(delivery);
        state.bytes += bytes;
        queued.fetch_add(bytes, Ordering::Relaxed);
        drop(state);
        self.some.notify_one();
        true
    }

    /// Drops everything that waits; nothing comes after it.
    pub(crate) fn cut(&self, why: Cut) {
        let mut state = self.state.lock();
        if state.cut.is_none() {
            state.cut = Some(why);
            self.forget(&mut state);
        }
        drop(state);
        self.is_cut.store(true, Ordering::Release);
        self.some.notify_one();
    }

    fn forget(&self, state: &mut State) {
        state.queue = VecDeque::new();
        let bytes = std::mem::take(&mut state.bytes);
        self.stats.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether nothing comes any more. Cheap.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    /// Takes the next delivery; `Ok(None)` when nothing waits, and an error when nothing will come.
    pub fn take(&self) -> Result<Option<Delivery>, Cut> {
        let mut state = self.state.lock();
        if let Some(cut) = state.cut {
            return Err(cut);
        }
        let Some(delivery) = state.queue.pop_front() else {
            if state.queue.capacity() > KEPT_MESSAGES {
                state.queue = VecDeque::new();
            }
            return Ok(None);
        };
        let bytes = weight(&delivery);
        state.bytes -= bytes;
        self.stats.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Ok(Some(delivery))
    }

    /// Waits until there may be something to take. Cancelling loses nothing.
    pub async fn some(&self) {
        self.some.notified().await;
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let bytes = self.state.get_mut().bytes;
        self.stats.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
