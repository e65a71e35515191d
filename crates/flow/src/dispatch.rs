//! Which tasks to lease next and what to do with those that ended: decisions without I/O.

use crate::{Backoff, Outcome};
use basalt_base::{Rng, Timestamp};
use basalt_store::{QueueStand, Receipt, Task, TaskWrite, Write};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The pause after a lease that the store refused.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
/// How often it doubles: up to 12.8 seconds.
const REFUSED_DOUBLINGS: u32 = 7;

/// The pause before a lease that could not be extended is extended again.
const EXTEND_AGAIN: Duration = Duration::from_secs(1);

/// How the tasks of a queue are run.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How many at once on this node.
    pub concurrency: usize,
    /// How long a lease lasts; it is extended while the handler runs, and this is how long the
    /// tasks of a node that died stay invisible.
    pub lease: Duration,
    /// How long an attempt may take.
    pub deadline: Duration,
    /// Pauses between attempts.
    pub backoff: Backoff,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            concurrency: 8,
            lease: Duration::from_secs(30),
            deadline: Duration::from_mins(15),
            backoff: Backoff::default(),
        }
    }
}

/// A queue that has a handler.
#[derive(Debug)]
struct Lane {
    policy: Policy,
    running: usize,
    /// When a task may be visible; `None` when none is known of.
    due: Option<Timestamp>,
    /// Not to be asked before this, because the store refused.
    closed_until: Option<Timestamp>,
    /// Refusals one after the other.
    refusals: u32,
}

impl Lane {
    /// When to ask for tasks, if there is room.
    fn opens(&self) -> Option<Timestamp> {
        let due = self.due?;
        Some(self.closed_until.map_or(due, |until| until.max(due)))
    }

    fn is_open(&self, now: Timestamp) -> bool {
        self.opens().is_some_and(|at| at <= now)
    }
}

/// A task in work.
#[derive(Debug)]
struct Running {
    queue: Arc<str>,
    until: Timestamp,
}

/// What becomes of an attempt that ended.
#[derive(Debug)]
pub struct Verdict {
    /// Steps of one batch.
    pub writes: Vec<Write>,
    /// Whether the task is given up.
    pub dead: bool,
}

impl Verdict {
    /// What to write when an attempt ended; the last step ends the lease.
    pub fn of(
        task: &Task,
        outcome: Outcome,
        backoff: Backoff,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Self {
        let receipt = task.receipt();
        let bury = |error: String| TaskWrite::Bury {
            receipt,
            error: error.into(),
            at: now,
        };
        let release = |pause, counts, error: Option<String>| TaskWrite::Release {
            receipt,
            visible_at: now.plus(pause),
            counts,
            error: error.map(Into::into),
        };
        let used_up = task.attempts_max > 0 && task.attempts >= task.attempts_max;
        let (mut writes, last, dead) = match outcome {
            Outcome::Done(writes) => (writes, TaskWrite::Complete(receipt), false),
            Outcome::Dead(error) => (Vec::new(), bury(error), true),
            Outcome::Failed(error) if used_up => (Vec::new(), bury(error), true),
            Outcome::Failed(error) => {
                let pause = backoff.pause(task.attempts, rng);
                (Vec::new(), release(pause, true, Some(error)), false)
            }
            Outcome::Later(pause) => (Vec::new(), release(pause, false, None), false),
        };
        writes.push(Write::Task(last));
        Self { writes, dead }
    }
}

/// The decisions of one node about one app.
#[derive(Debug)]
pub struct Dispatch {
    lanes: BTreeMap<Arc<str>, Lane>,
    running: HashMap<Receipt, Running>,
    /// How many tasks may run at once.
    concurrency: usize,
    /// The queue that was served last; the next one goes first.
    last: Option<Arc<str>>,
    /// How long to sleep at most: wake-ups can get lost.
    poll: Duration,
}

impl Dispatch {
    /// For these queues; `concurrency` bounds all of them together.
    pub fn new(
        queues: impl IntoIterator<Item = (Arc<str>, Policy)>,
        concurrency: usize,
        poll: Duration,
    ) -> Self {
        let lanes = queues.into_iter().map(|(name, policy)| {
            let lane = Lane {
                policy,
                running: 0,
                due: None,
                closed_until: None,
                refusals: 0,
            };
            (name, lane)
        });
        Self {
            lanes: lanes.collect(),
            running: HashMap::new(),
            concurrency: concurrency.max(1),
            last: None,
            poll,
        }
    }

    /// The policy of a queue that has a handler.
    pub fn policy(&self, queue: &str) -> Option<&Policy> {
        self.lanes.get(queue).map(|lane| &lane.policy)
    }

    /// How many tasks are in work.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// A task of the queue is visible from `at` on.
    pub fn due(&mut self, queue: &str, at: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(queue) {
            lane.due = Some(lane.due.map_or(at, |due| due.min(at)));
        }
    }

    /// How the queues stand, as asked at start and now and then.
    pub fn stands(&mut self, stands: &[QueueStand]) {
        for stand in stands {
            if let Some(due) = stand.next_due {
                self.due(&stand.queue, due);
            }
        }
    }

    /// How many tasks could be leased now.
    pub fn wish(&self, now: Timestamp) -> usize {
        let room = self.concurrency.saturating_sub(self.running.len());
        let open = self.lanes.values().filter(|lane| lane.is_open(now));
        let free = open.map(|lane| lane.policy.concurrency.saturating_sub(lane.running));
        free.sum::<usize>().min(room)
    }

    /// What to lease now, at most `room` tasks: each due queue in turn, each its share.
    pub fn wants(&mut self, now: Timestamp, room: usize) -> Vec<TaskWrite> {
        let mut room = room.min(self.concurrency.saturating_sub(self.running.len()));
        let open = |lane: &Lane| lane.running < lane.policy.concurrency && lane.is_open(now);
        let names = self.lanes.iter().filter(|(_, lane)| open(lane));
        let mut names: Vec<Arc<str>> = names.map(|(name, _)| name.clone()).collect();
        let after = names.partition_point(|name| self.last.as_ref().is_some_and(|l| name <= l));
        names.rotate_left(after);
        let mut writes = Vec::new();
        let mut left = names.len();
        for queue in names {
            if room == 0 {
                break;
            }
            let Some(lane) = self.lanes.get(&queue) else {
                continue;
            };
            let share = room.div_ceil(left).max(1);
            let count = share.min(lane.policy.concurrency - lane.running);
            room -= count;
            left -= 1;
            writes.push(TaskWrite::Lease {
                queue: queue.clone(),
                count: u32::try_from(count).unwrap_or(u32::MAX),
                until: now.plus(lane.policy.lease),
                at: now,
            });
            self.last = Some(queue);
        }
        writes
    }

    /// The answer to a lease of `asked` tasks. When it was less, nothing more is visible until
    /// `next`, as asked after the lease.
    pub fn leased(&mut self, queue: &str, asked: u32, tasks: &[Task], next: Option<Timestamp>) {
        let Some(lane) = self.lanes.get_mut(queue) else {
            return;
        };
        lane.running += tasks.len();
        lane.closed_until = None;
        lane.refusals = 0;
        if tasks.len() < asked as usize {
            lane.due = next;
        }
        for task in tasks {
            let running = Running {
                queue: task.queue.clone(),
                until: task.visible_at,
            };
            self.running.insert(task.receipt(), running);
        }
    }

    /// The store could not answer a lease: the queue is asked again after a pause, which doubles
    /// with each refusal in a row.
    pub fn refused(&mut self, queue: &str, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(queue) {
            let pause = REFUSED_PAUSE * (1 << lane.refusals.min(REFUSED_DOUBLINGS));
            lane.closed_until = Some(now.plus(pause));
            lane.refusals += 1;
        }
    }

    /// Extensions of leases of which half is over.
    pub fn extensions(&mut self, now: Timestamp) -> Vec<(Receipt, TaskWrite)> {
        let mut writes = Vec::new();
        for (receipt, running) in &mut self.running {
            let Some(lane) = self.lanes.get(&running.queue) else {
                continue;
            };
            if running.until > now.plus(lane.policy.lease / 2) {
                continue;
            }
            running.until = now.plus(lane.policy.lease);
            let extend = TaskWrite::Extend {
                receipt: *receipt,
                until: running.until,
            };
            writes.push((*receipt, extend));
        }
        writes.sort_by_key(|(receipt, _)| receipt.lease);
        writes
    }

    /// The store could not extend a lease: it is asked again soon.
    pub fn not_extended(&mut self, receipt: Receipt, now: Timestamp) {
        if let Some(running) = self.running.get_mut(&receipt)
            && let Some(lane) = self.lanes.get(&running.queue)
        {
            running.until = now.plus(EXTEND_AGAIN + lane.policy.lease / 2);
        }
    }

    /// The attempt is over, its verdict written or refused.
    pub fn forget(&mut self, receipt: Receipt) {
        if let Some(running) = self.running.remove(&receipt)
            && let Some(lane) = self.lanes.get_mut(&running.queue)
        {
            lane.running = lane.running.saturating_sub(1);
        }
    }

    /// How long nothing will be to do, as far as is known.
    pub fn sleep(&self, now: Timestamp) -> Duration {
        let full = self.running.len() >= self.concurrency;
        let open = self
            .lanes
            .values()
            .filter(|lane| !full && lane.running < lane.policy.concurrency);
        let first = open.filter_map(Lane::opens).chain(self.halves()).min();
        self.until(first, now)
    }

    /// The same for as long as no task may be leased.
    pub fn sleep_without_room(&self, now: Timestamp) -> Duration {
        self.until(self.halves().min(), now)
    }

    /// When half of each lease is over.
    fn halves(&self) -> impl Iterator<Item = Timestamp> {
        self.running.values().filter_map(|running| {
            let lane = self.lanes.get(&running.queue)?;
            Some(running.until.minus(lane.policy.lease / 2))
        })
    }

    fn until(&self, first: Option<Timestamp>, now: Timestamp) -> Duration {
        let pause = first.map_or(self.poll, |first| first.since(now));
        pause.min(self.poll)
    }
}
