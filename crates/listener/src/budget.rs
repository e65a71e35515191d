//! How much of request bodies may be in memory at once, over all requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a body may take without being counted: small requests go on when large ones fill the room.
pub(crate) const FREE_BYTES: usize = 16 * 1024;

/// The room of all bodies.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: usize,
    taken: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            taken: AtomicUsize::new(0),
        })
    }

    /// A request's part of it, empty so far.
    pub(crate) fn part(self: &Arc<Self>) -> Arc<Part> {
        Arc::new(Part {
            budget: Arc::clone(self),
            bytes: AtomicUsize::new(0),
        })
    }
}

/// What one request has taken; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    budget: Arc<Budget>,
    bytes: AtomicUsize,
}

impl Part {
    /// Takes room for a body of `bytes` so far; says whether there was some. Never waits: a server
    /// whose room is held by slow senders must not hold up the others.
    pub(crate) fn grow_to(&self, bytes: usize) -> bool {
        let has = self.bytes.load(Ordering::Relaxed);
        if bytes <= FREE_BYTES || bytes <= has {
            return true;
        }
        let more = bytes - has;
        let room = |taken: usize| {
            let then = taken.checked_add(more)?;
            (then <= self.budget.bytes_max).then_some(then)
        };
        let taken = &self.budget.taken;
        let fits = taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok();
        if fits {
            self.bytes.store(bytes, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.budget.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(100_000);
        let (one, other) = (budget.part(), budget.part());
        assert!(one.grow_to(60_000));
        assert!(other.grow_to(FREE_BYTES), "small bodies are free");
        assert!(!other.grow_to(60_000));
        assert!(other.grow_to(40_000) && !one.grow_to(60_001));
        drop(one);
        assert!(other.grow_to(100_000) && !other.grow_to(100_001));
        drop(other);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }
}
