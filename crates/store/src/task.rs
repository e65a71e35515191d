//! Tasks: the queue's rows, written in the same batch as objects.
//!
//! A task lies in a named queue until its time comes, is *leased* to a worker for a while, and is
//! completed, released for another attempt, or buried with the reason. The store knows no policy:
//! who leases how many, for how long and with which pauses is up to the engine above it.
//!
//! ```text
//!            put               complete
//!   (nothing) ──▶ waiting ──▶ leased ──▶ (gone)
//!                  ▲   ▲        │  │
//!                  │   └release─┘  └bury──▶ dead ──retry──▶ waiting
//!   (in a group: held until those before it are gone or dead)
//! ```
//!
//! - A lease that ran out makes the task visible again; its receipt stays good until somebody else
//!   leases the task, so that work done a little too late still counts.
//! - Of the tasks that share a *group* only the oldest can be leased, so they are done in the order
//!   in which they were put, one at a time.
//! - A task whose attempts are used up is buried at the next lease that meets it, so that one that
//!   kills its workers ends too.
//! - All times are the caller's. They are kept in whole milliseconds.

#[cfg(any(test, feature = "conformance"))]
pub mod model;

use basalt_base::{Error, Reason, Result, Timestamp};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Largest payload of a task, in bytes.
pub const TASK_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Longest name of a queue, in bytes.
pub const QUEUE_NAME_BYTES_MAX: usize = 256;
/// Longest group key or dedupe key, in bytes.
pub const TASK_KEY_BYTES_MAX: usize = 512;
/// Longest error text that a task keeps, in bytes; the rest is cut off.
pub const TASK_ERROR_BYTES_MAX: usize = 4 * 1024;
/// The most urgent priority; 0 is the least.
pub const TASK_PRIORITY_MAX: u8 = 9;
/// Most tasks that one step leases, retries, moves or purges.
pub const TASK_STEP_MAX: u32 = 1_000;

/// The shortest lease; shorter ones last as long.
pub const LEASE_MIN: Duration = Duration::from_millis(1);

/// The number of a task: unique in its app for good, growing in the order of putting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Proof of a lease: the task, and the number of the lease, unique in the app for good.
/// As text `TASK-LEASE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The task.
    pub task: TaskId,
    /// The lease.
    pub lease: u64,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.task, self.lease)
    }
}

impl FromStr for Receipt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('-').and_then(|(task, lease)| {
            Some(Self {
                task: TaskId(task.parse().ok()?),
                lease: lease.parse().ok()?,
            })
        });
        parts.ok_or_else(stale_receipt)
    }
}

/// A key of which a queue takes only one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// The key, unique per queue.
    pub key: Box<str>,
    /// How long it is taken.
    pub hold: Hold,
}

/// How long a dedupe key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Until this time, whatever becomes of the task.
    Until(Timestamp),
    /// Until the task is completed, dead or removed.
    Task,
}

/// A task to put.
#[derive(Clone, Debug)]
pub struct TaskPut {
    /// The queue's name, 1 to [`QUEUE_NAME_BYTES_MAX`] bytes; it comes into being with its first
    /// task.
    pub queue: Arc<str>,
    /// What the handler gets, at most [`TASK_PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Arc<[u8]>,
    /// When it may be leased.
    pub visible_at: Timestamp,
    /// 0 to [`TASK_PRIORITY_MAX`]: among visible tasks the higher ones are leased first.
    pub priority: u8,
    /// Tasks of one group are done in order, one at a time. A task that is not visible yet holds up
    /// those behind it.
    pub group: Option<Box<str>>,
    /// Refuses doubles: a put under a taken key changes nothing and names the task that took it.
    pub dedupe: Option<Dedupe>,
    /// How often it is leased before it is buried; 0 for without end.
    pub attempts_max: u32,
    /// The time of the write.
    pub at: Timestamp,
}

impl TaskPut {
    /// A task without group, key or limit of attempts that is visible at once.
    pub fn now(queue: impl Into<Arc<str>>, payload: impl Into<Arc<[u8]>>, at: Timestamp) -> Self {
        Self {
            queue: queue.into(),
            payload: payload.into(),
            visible_at: at,
            priority: 0,
            group: None,
            dedupe: None,
            attempts_max: 0,
            at,
        }
    }

    /// Whether it keeps the limits; `ObjectTooLarge` for the payload, `InvalidValue` for the rest.
    pub fn check(&self) -> Result<()> {
        check_queue(&self.queue)?;
        if self.payload.len() > TASK_PAYLOAD_BYTES_MAX {
            let text = "The payload of a task is at most 1 MiB.";
            return Err(Error::new(Reason::ObjectTooLarge, text));
        }
        if self.priority > TASK_PRIORITY_MAX {
            let text = "The priority of a task is 0 to 9.";
            return Err(Error::new(Reason::InvalidValue, text));
        }
        let keys = [self.group.as_deref(), self.dedupe.as_ref().map(|d| &*d.key)];
        for key in keys.into_iter().flatten() {
            if key.is_empty() || key.len() > TASK_KEY_BYTES_MAX || key.contains('\0') {
                let text = "A group or dedupe key is 1 to 512 bytes of text.";
                return Err(Error::new(Reason::InvalidValue, text));
            }
        }
        Ok(())
    }
}

/// Whether a queue can have this name.
pub fn check_queue(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > QUEUE_NAME_BYTES_MAX || name.contains('\0') {
        let text = "The name of a queue is 1 to 256 bytes of text.";
        return Err(Error::new(Reason::InvalidValue, text));
    }
    Ok(())
}

/// Which tasks of a queue an operator means.
#[derive(Clone, Debug)]
pub enum TaskPick {
    /// These, as far as they are in the queue.
    Ids(Vec<TaskId>),
    /// The dead ones.
    Dead,
    /// Those that are neither dead nor leased.
    Idle,
    /// All, leased ones included.
    All,
}

/// A step of a batch that concerns a task. Steps name at most [`TASK_STEP_MAX`] tasks; larger
/// counts are cut to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TaskWrite {
    /// Puts a task. Answers [`TaskDone::Put`].
    Put(TaskPut),
    /// Leases visible tasks, most urgent first, then by the time since which they are visible.
    /// Buries those that it meets whose attempts are used up. Answers [`TaskDone::Leased`].
    Lease {
        /// The queue.
        queue: Arc<str>,
        /// How many at most.
        count: u32,
        /// Until when they are invisible to others.
        until: Timestamp,
        /// Now: what is visible by then counts.
        at: Timestamp,
    },
    /// Removes a leased task for good: its work is done. Answers [`TaskDone::Done`]; a stale
    /// receipt is refused with `StaleReceipt`, as in the steps below.
    Complete(Receipt),
    /// Moves the end of a lease.
    Extend {
        /// The lease.
        receipt: Receipt,
        /// The new end.
        until: Timestamp,
    },
    /// Ends a lease without success.
    Release {
        /// The lease.
        receipt: Receipt,
        /// When the task is visible again.
        visible_at: Timestamp,
        /// Whether the attempt counts; one that was interrupted from outside should not.
        counts: bool,
        /// Why it failed; `None` keeps the text that is there.
        error: Option<Box<str>>,
    },
    /// Ends a lease and gives the task up: it is dead until somebody retries or purges it.
    Bury {
        /// The lease.
        receipt: Receipt,
        /// Why.
        error: Box<str>,
        /// The time of the write.
        at: Timestamp,
    },
    /// Makes tasks visible at a time, dead ones with all their attempts again; leased ones stay as
    /// they are. Answers [`TaskDone::Count`].
    Retry {
        /// The queue.
        queue: Arc<str>,
        /// Which.
        pick: TaskPick,
        /// When they are visible.
        visible_at: Timestamp,
        /// How many at most.
        limit: u32,
    },
    /// Removes tasks. Answers [`TaskDone::Count`].
    Purge {
        /// The queue.
        queue: Arc<str>,
        /// Which; leased ones only by their id or with [`TaskPick::All`].
        pick: TaskPick,
        /// How many at most.
        limit: u32,
    },
    /// Moves tasks to another queue, where they are waiting with all their attempts; leased ones
    /// stay. Answers [`TaskDone::Count`].
    Move {
        /// The queue.
        queue: Arc<str>,
        /// Which.
        pick: TaskPick,
        /// The other queue.
        to: Arc<str>,
        /// When they are visible there.
        visible_at: Timestamp,
        /// How many at most.
        limit: u32,
    },
}

/// What a step that concerns a task did.
#[derive(Clone, Debug)]
pub enum TaskDone {
    /// A put.
    Put {
        /// The task, or the one that took the dedupe key.
        id: TaskId,
        /// Whether it is a new one.
        fresh: bool,
    },
    /// A lease.
    Leased {
        /// The tasks, each with its receipt.
        tasks: Vec<Task>,
        /// Those that were buried because their attempts are used up.
        buried: Vec<TaskId>,
    },
    /// How many tasks were retried, purged or moved.
    Count(u64),
    /// The lease was ended or extended.
    Done,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// It can be leased once it is visible.
    Waiting,
    /// Somebody works on it, or did until the lease ran out.
    Leased,
    /// Others of its group come first.
    Held,
    /// It failed for good.
    Dead,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// Its queue.
    pub queue: Arc<str>,
    /// What the handler gets.
    pub payload: Arc<[u8]>,
    /// Where it stands.
    pub state: TaskState,
    /// Since when or from when on it is visible; of a leased one the end of the lease, of a dead
    /// one the time of its death.
    pub visible_at: Timestamp,
    /// Its priority.
    pub priority: u8,
    /// Its group.
    pub group: Option<Box<str>>,
    /// How often it was leased.
    pub attempts: u32,
    /// How often it may be, 0 for without end.
    pub attempts_max: u32,
    /// When it was put.
    pub put_at: Timestamp,
    /// When it was leased first.
    pub first_at: Option<Timestamp>,
    /// The number of the last lease; see [`Task::receipt`].
    pub lease: u64,
    /// Why the last attempt failed.
    pub error: Option<Box<str>>,
}

impl Task {
    /// The receipt of its last lease.
    pub fn receipt(&self) -> Receipt {
        Receipt {
            task: self.id,
            lease: self.lease,
        }
    }
}

/// Which tasks to look at.
#[derive(Clone, Debug)]
pub struct TaskPage {
    /// The queue.
    pub queue: Arc<str>,
    /// The dead ones, or all others.
    pub dead: bool,
    /// Only those with larger numbers.
    pub after: Option<TaskId>,
    /// How many at most.
    pub limit: u32,
}

/// How a queue stands. Cheap to ask for, however much is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStand {
    /// Its name.
    pub queue: Arc<str>,
    /// Tasks that wait, visible or not.
    pub waiting: u64,
    /// Tasks that are leased; those whose lease ran out count until somebody leases them again.
    pub leased: u64,
    /// Tasks that others of their group hold up.
    pub held: u64,
    /// Dead tasks.
    pub dead: u64,
    /// The earliest time at which one of the waiting or leased tasks is visible.
    pub next_due: Option<Timestamp>,
    /// When the oldest task that is not dead was put.
    pub oldest_put: Option<Timestamp>,
}

impl QueueStand {
    /// A queue with nothing in it.
    pub fn empty(queue: Arc<str>) -> Self {
        Self {
            queue,
            waiting: 0,
            leased: 0,
            held: 0,
            dead: 0,
            next_due: None,
            oldest_put: None,
        }
    }

    /// Tasks that are still to be done.
    pub fn depth(&self) -> u64 {
        self.waiting + self.leased + self.held
    }
}

/// Is told of commits that made tasks leasable, so that nobody has to ask again and again.
pub trait TaskWatch: Send + Sync {
    /// Tasks of the queue are visible from `due` on. Called after the commit on the writer's
    /// thread: must return at once.
    fn due(&self, queue: &Arc<str>, due: Timestamp);
}

/// The refusal of a receipt that is not the task's current one.
pub fn stale_receipt() -> Error {
    Error::new(
        Reason::StaleReceipt,
        "The task was leased to somebody else, completed or removed.",
    )
}

/// The text that a buried task gets when its attempts are used up and none of them said why.
pub const ATTEMPTS_USED_UP: &str = "The lease ran out and no attempts are left.";

/// An error text cut to [`TASK_ERROR_BYTES_MAX`], without U+0000.
pub fn error_text(text: &str) -> String {
    let end = text.floor_char_boundary(TASK_ERROR_BYTES_MAX);
    text[..end].replace('\0', " ")
}
