//! What a group did to queues: written to their rows with the commit, and told to those who wait
//! after it.

use super::super::flush::Order;
use super::super::tx::Tx;
use crate::row::Param;
use crate::shared::Shared;
use basalt_base::Timestamp;
use basalt_store::TaskState;
use std::collections::HashMap;
use std::sync::Arc;

/// Expired dedupe keys that a commit of puts removes at most.
const KEYS_PURGED: i64 = 64;
/// Numbers of queues that are remembered; with more, all are let go.
const QUEUES_MAX: usize = 10_000;

/// How a state is stored.
pub(super) fn number(state: TaskState) -> u8 {
    match state {
        TaskState::Waiting => 0,
        TaskState::Leased => 1,
        TaskState::Held => 2,
        TaskState::Dead => 3,
    }
}

/// A queue: its number and its name.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) id: i64,
    pub(super) name: Arc<str>,
}

/// What happened to one queue.
#[derive(Default)]
struct Delta {
    counts: Counts,
    /// The earliest time at which a task became visible.
    due: Option<(Arc<str>, i64)>,
}

/// What is added to the sums of a queue, by state.
type Counts = [i64; 4];

/// An event of the batch under way.
enum Event {
    Count(i64, Option<TaskState>, Option<TaskState>),
    Due(Queue, i64),
}

/// A task without group and key: nothing has to be looked at to put it.
pub(super) type Plain = [Param; 7];

/// The sums of a group.
#[derive(Default)]
pub(in super::super) struct Tally {
    group: HashMap<i64, Delta>,
    batch: Vec<Event>,
    queues: HashMap<Arc<str>, i64>,
    /// The earliest time of a put with a key: keys that ended by then are over for everybody.
    keyed_at: Option<i64>,
    /// Tasks that are still to be written.
    pub(super) plain: Vec<Plain>,
    /// How many of them earlier batches put.
    kept: usize,
    /// Queues that the batch under way made.
    fresh: Vec<Arc<str>>,
}

impl Tally {
    /// The number of a queue that the group met before.
    pub(super) fn queue(&self, name: &str) -> Option<i64> {
        self.queues.get(name).copied()
    }

    /// Remembers the number of a queue.
    pub(super) fn know(&mut self, queue: &Queue, fresh: bool) {
        self.queues.insert(queue.name.clone(), queue.id);
        if fresh {
            self.fresh.push(queue.name.clone());
        }
    }

    /// A task came from a state into another one.
    pub(super) fn count(&mut self, queue: i64, from: Option<TaskState>, to: Option<TaskState>) {
        if from != to {
            self.batch.push(Event::Count(queue, from, to));
        }
    }

    /// A task of the queue is visible from then on.
    pub(super) fn due(&mut self, queue: &Queue, at: i64) {
        self.batch.push(Event::Due(queue.clone(), at));
    }

    /// A task with a key was put at that time.
    pub(super) fn keyed(&mut self, at: i64) {
        self.keyed_at = Some(self.keyed_at.map_or(at, |old| old.min(at)));
    }

    /// The batch was applied.
    pub(super) fn keep(&mut self) {
        self.fresh.clear();
        self.kept = self.plain.len();
        for event in self.batch.drain(..) {
            match event {
                Event::Count(queue, from, to) => {
                    let counts = &mut self.group.entry(queue).or_default().counts;
                    for (state, by) in [(from, -1), (to, 1)] {
                        if let Some(state) = state {
                            counts[usize::from(number(state))] += by;
                        }
                    }
                }
                Event::Due(queue, at) => {
                    let due = &mut self.group.entry(queue.id).or_default().due;
                    let earliest = due.as_ref().map_or(at, |(_, due)| at.min(*due));
                    *due = Some((queue.name, earliest));
                }
            }
        }
    }

    /// The batch was refused.
    pub(super) fn forget(&mut self) {
        self.batch.clear();
        self.plain.truncate(self.kept);
        for name in self.fresh.drain(..) {
            self.queues.remove(&name);
        }
    }

    /// The tasks to be written, all at once.
    pub(super) fn take_plain(&mut self) -> Vec<Plain> {
        self.kept = 0;
        std::mem::take(&mut self.plain)
    }

    /// After the commit: remembers the queues and tells those who wait for tasks.
    pub(in super::super) fn tell(self, shared: &Shared) {
        if !self.queues.is_empty() {
            let mut known = shared.queues.lock();
            if known.len() + self.queues.len() > QUEUES_MAX {
                known.clear();
            }
            known.extend(self.queues);
        }
        let news: Vec<_> = self.group.into_values().filter_map(|d| d.due).collect();
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

/// The statements that bring the rows of the queues up to date, sent before the commit.
pub(in super::super) fn orders(tx: &mut Tx<'_>) -> Vec<Order> {
    let mut orders = Vec::new();
    if let Some(order) = super::plain_order(tx) {
        orders.push(order);
    }
    let schema = &tx.shared.name;
    if let Some(at) = tx.tally.keyed_at {
        let sql = format!(
            "DELETE FROM {schema}.basalt_task_keys WHERE (queue, key) IN (
                 SELECT queue, key FROM {schema}.basalt_task_keys
                 WHERE until IS NOT NULL AND until <= $1::int8 ORDER BY until LIMIT $2::int8)"
        );
        orders.push((sql, vec![Param::Int(at), Param::Int(KEYS_PURGED)]));
    }
    let changed = tx.tally.group.iter().filter(|(_, d)| d.counts != [0; 4]);
    let changed: Vec<(i64, Counts)> = changed.map(|(id, d)| (*id, d.counts)).collect();
    if !changed.is_empty() {
        let sql = format!(
            "UPDATE {schema}.basalt_queues q SET waiting = q.waiting + d.waiting,
                 leased = q.leased + d.leased, held = q.held + d.held, dead = q.dead + d.dead
             FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::int8[])
                 AS d(id, waiting, leased, held, dead) WHERE q.id = d.id"
        );
        let column = |of: &dyn Fn(&(i64, Counts)) -> i64| {
            Param::List(changed.iter().map(|c| Param::Int(of(c))).collect())
        };
        let mut params = vec![column(&|c| c.0)];
        params.extend((0..4).map(|at| column(&|c| c.1[at])));
        orders.push((sql, params));
    }
    orders
}
