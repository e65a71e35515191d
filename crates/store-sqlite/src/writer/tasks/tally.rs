//! What a group did to queues: written to their rows once, before the commit, and told to those who
//! wait after it.

use super::super::batch::Tx;
use super::{execute, one};
use crate::shared::Shared;
use basalt_base::{Result, Timestamp};
use basalt_store::TaskState;
use rusqlite::params;
use std::collections::HashMap;
use std::sync::Arc;

/// Expired dedupe keys that a commit of puts removes at most.
const KEYS_PURGED: u64 = 64;

/// How a state is stored.
pub(super) fn number(state: TaskState) -> usize {
    match state {
        TaskState::Waiting => 0,
        TaskState::Leased => 1,
        TaskState::Held => 2,
        TaskState::Dead => 3,
    }
}

/// What happened to one queue.
#[derive(Default)]
struct Delta {
    counts: [i64; 4],
    /// The earliest time at which a task became visible.
    due: Option<i64>,
    name: Option<Arc<str>>,
}

/// An event of the batch under way.
enum Event {
    Count(i64, Option<TaskState>, Option<TaskState>),
    Due(i64, i64),
}

/// The sums of a group.
#[derive(Default)]
pub(crate) struct Tally {
    group: HashMap<i64, Delta>,
    batch: Vec<Event>,
    queues: HashMap<Arc<str>, i64>,
    /// The earliest time of a put: dedupe keys that ended by then are over for everybody.
    put_at: Option<i64>,
    /// Queues that the batch under way made.
    fresh: Vec<Arc<str>>,
}

impl Tally {
    /// The number of a queue that the group met before.
    pub(super) fn queue(&self, name: &str) -> Option<i64> {
        self.queues.get(name).copied()
    }

    /// Remembers the number of a queue.
    pub(super) fn know(&mut self, name: &Arc<str>, id: i64, fresh: bool) {
        self.queues.insert(name.clone(), id);
        if fresh {
            self.fresh.push(name.clone());
        }
    }

    /// A task came from a state into another one.
    pub(super) fn count(&mut self, queue: i64, from: Option<TaskState>, to: Option<TaskState>) {
        if from != to {
            self.batch.push(Event::Count(queue, from, to));
        }
    }

    /// A task of the queue is visible from then on.
    pub(super) fn due(&mut self, queue: i64, at: i64) {
        self.batch.push(Event::Due(queue, at));
    }

    /// A task was put at that time.
    pub(super) fn put(&mut self, at: i64) {
        self.put_at = Some(self.put_at.map_or(at, |old| old.min(at)));
    }

    /// The batch was applied.
    pub(in super::super) fn keep(&mut self) {
        self.fresh.clear();
        for event in self.batch.drain(..) {
            match event {
                Event::Count(queue, from, to) => {
                    let counts = &mut self.group.entry(queue).or_default().counts;
                    for (state, by) in [(from, -1), (to, 1)] {
                        if let Some(state) = state {
                            counts[number(state)] += by;
                        }
                    }
                }
                Event::Due(queue, at) => {
                    let due = &mut self.group.entry(queue).or_default().due;
                    *due = Some(due.map_or(at, |due| due.min(at)));
                }
            }
        }
    }

    /// The batch was refused.
    pub(in super::super) fn forget(&mut self) {
        self.batch.clear();
        for name in self.fresh.drain(..) {
            self.queues.remove(&name);
        }
    }

    /// After the commit: tells those who wait for tasks.
    pub(in super::super) fn tell(self, shared: &Shared) {
        let news = self.group.into_values();
        let news: Vec<_> = news.filter_map(|d| Some((d.name?, d.due?))).collect();
        if news.is_empty() {
            return;
        }
        let mut watches = shared.task_watches.lock();
        watches.retain(|watch| {
            let Some(watch) = watch.upgrade() else {
                return false;
            };
            for (queue, due) in &news {
                watch.due(queue, Timestamp::from_millis(*due));
            }
            true
        });
    }
}

/// Before the commit: brings the rows of the queues up to date.
pub(in super::super) fn settle(tx: &mut Tx<'_>, number_before: u64) -> Result<()> {
    if tx.state.task_number != number_before {
        let sql = "UPDATE basalt_meta SET task_number = ?";
        execute(tx.conn(), sql, [tx.state.task_number])?;
    }
    if let Some(now) = tx.tally.put_at {
        let sql = "DELETE FROM basalt_task_keys WHERE (queue, key) IN (
                       SELECT queue, key FROM basalt_task_keys
                       WHERE until IS NOT NULL AND until <= ? ORDER BY until LIMIT ?)";
        execute(tx.conn(), sql, params![now, KEYS_PURGED])?;
    }
    let mut group = std::mem::take(&mut tx.tally.group);
    for (queue, delta) in &mut group {
        let sql = "UPDATE basalt_queues SET waiting = waiting + ?, leased = leased + ?,
                       held = held + ?, dead = dead + ? WHERE id = ? RETURNING name";
        let [waiting, leased, held, dead] = delta.counts;
        let values = params![waiting, leased, held, dead, queue];
        let name: Option<String> = one(tx.conn(), sql, values, |row| row.get(0))?;
        delta.name = name.map(Into::into);
    }
    tx.tally.group = group;
    Ok(())
}
