//! Hearing of commits that made tasks visible.

use basalt_base::Timestamp;
use basalt_store::TaskWatch;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// Most queues whose news are kept apart; those above share one mark.
const QUEUES_MAX: usize = 4_096;

/// Collects what the store tells until somebody takes it.
#[derive(Debug, Default)]
pub struct Wake {
    news: Mutex<HashMap<Arc<str>, Timestamp>>,
    /// Those who wait on one queue.
    waiting: Mutex<HashMap<Arc<str>, Arc<Notify>>>,
    any: Notify,
}

impl Wake {
    /// The queues that became due since the last call, with the earliest times.
    pub fn take(&self) -> HashMap<Arc<str>, Timestamp> {
        std::mem::take(&mut *self.news.lock())
    }

    /// Ready when there is news.
    pub async fn changed(&self) {
        self.any.notified().await;
    }

    /// Wakes whoever waits in [`Wake::changed`].
    pub fn poke(&self) {
        self.any.notify_one();
    }

    /// What to wait on for one queue.
    pub fn of(&self, queue: &Arc<str>) -> Arc<Notify> {
        let mut waiting = self.waiting.lock();
        if waiting.len() > QUEUES_MAX {
            waiting.retain(|_, notify| Arc::strong_count(notify) > 1);
        }
        waiting.entry(queue.clone()).or_default().clone()
    }
}

impl TaskWatch for Wake {
    fn due(&self, queue: &Arc<str>, due: Timestamp) {
        {
            let mut news = self.news.lock();
            if news.len() < QUEUES_MAX || news.contains_key(queue) {
                let first = news.entry(queue.clone()).or_insert(due);
                *first = (*first).min(due);
            }
        }
        self.any.notify_one();
        let one = self.waiting.lock().get(queue).cloned();
        if let Some(one) = one {
            one.notify_one();
        }
    }
}
