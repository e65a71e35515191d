//! The bus within one process.

use crate::queue::Queue;
use crate::{Bus, BusView, Payload, Subject, Subscription};
use basalt_base::{BoxFuture, Result};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// A bus whose messages reach those who hold the same one.
#[derive(Default)]
pub struct LocalBus {
    queues: Mutex<HashMap<Subject, Vec<Weak<Queue>>>>,
    published: AtomicU64,
    dropped: AtomicU64,
    received: AtomicU64,
    malformed: AtomicU64,
}

impl LocalBus {
    /// A bus that nobody listens on.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }
}

impl Bus for LocalBus {
    fn publish(&self, subject: &Subject, payload: Payload) {
        self.published.fetch_add(1, Relaxed);
        if !payload.fits() {
            return self.malformed(subject);
        }
        let queues = self.queues.lock();
        let listening = queues.get(subject).map_or(&[][..], Vec::as_slice);
        for queue in listening.iter().filter_map(Weak::upgrade) {
            let counter = if queue.push(payload.clone()) {
                &self.received
            } else {
                &self.dropped
            };
            counter.fetch_add(1, Relaxed);
        }
    }

    fn subscribe<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Subscription>> {
        let queue = Arc::new(Queue::default());
        let mut queues = self.queues.lock();
        // Those of dropped subscriptions go when somebody else comes.
        queues.retain(|_, list| {
            list.retain(|queue| queue.strong_count() > 0);
            !list.is_empty()
        });
        let list = queues.entry(subject.clone()).or_default();
        list.push(Arc::downgrade(&queue));
        Box::pin(async { Ok(Subscription::new(queue, None)) })
    }

    fn view(&self) -> BusView {
        BusView {
            kind: "in-process",
            connected: true,
            server_version: None,
            connects: 0,
            published: self.published.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            received: self.received.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
        }
    }

    fn malformed(&self, subject: &Subject) {
        crate::payload::count_malformed(&self.malformed, subject);
    }
}
