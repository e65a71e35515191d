//! The handle of an app's queues.

use crate::wake::Wake;
use basalt_base::{Clock, Error, Result, Timestamp};
use basalt_store::{
    AppStore, QueueStand, Receipt, Task, TaskDone, TaskId, TaskPage, TaskPick, TaskPut, TaskState,
    TaskWatch, TaskWrite, Write, WriteBatch, Written, task::TASK_STEP_MAX,
};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The longest sleep of a long poll: other nodes' commits are not told.
const POLL: Duration = Duration::from_secs(2);

/// What a put came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// The task, or the one that has the dedupe key.
    pub id: TaskId,
    /// Whether it is a new one.
    pub fresh: bool,
}

/// The queues of one app. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    store: Arc<dyn AppStore>,
    clock: Arc<dyn Clock>,
    wake: Arc<Wake>,
}

impl Queue {
    /// Over an open store.
    pub fn new(store: Arc<dyn AppStore>, clock: Arc<dyn Clock>) -> Self {
        let wake = Arc::new(Wake::default());
        let watch = Arc::downgrade(&wake);
        store.watch_tasks(watch as Weak<dyn TaskWatch>);
        Self { store, clock, wake }
    }

    /// The app's store.
    pub fn store(&self) -> &Arc<dyn AppStore> {
        &self.store
    }

    /// The clock by which tasks are put and leased.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What hears of this app's commits.
    pub fn wake(&self) -> &Arc<Wake> {
        &self.wake
    }

    /// Writes one batch; durable when it returns.
    pub async fn write(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        let mut answers = self.store.write(vec![WriteBatch::of(writes)]).await?;
        match answers.pop() {
            Some(answer) => answer,
            None => Err(Error::internal("a batch without an answer")),
        }
    }

    /// One step of a queue.
    pub async fn step(&self, write: TaskWrite) -> Result<TaskDone> {
        let mut done = self.write(vec![Write::Task(write)]).await?;
        match done.pop() {
            Some(Written::Task(done)) => Ok(done),
            _ => Err(Error::internal("a step of a queue without its answer")),
        }
    }

    /// Puts a task; durable when it returns.
    pub async fn put(&self, put: TaskPut) -> Result<Put> {
        match self.step(TaskWrite::Put(put)).await? {
            TaskDone::Put { id, fresh } => Ok(Put { id, fresh }),
            _ => Err(Error::internal("a put with a foreign answer")),
        }
    }

    /// Leases what is visible now.
    pub async fn lease(&self, queue: &Arc<str>, count: u32, lease: Duration) -> Result<Vec<Task>> {
        let at = self.clock.now();
        let step = TaskWrite::Lease {
            queue: queue.clone(),
            count,
            until: at.plus(lease),
            at,
        };
        match self.step(step).await? {
            TaskDone::Leased { tasks, .. } => Ok(tasks),
            _ => Err(Error::internal("a lease with a foreign answer")),
        }
    }

    /// Leases up to `count` tasks, waiting up to `wait` for the first one. Woken at once by a
    /// commit of this process, and when a delay or a lease ends.
    pub async fn receive(
        &self,
        queue: &Arc<str>,
        count: u32,
        lease: Duration,
        wait: Duration,
    ) -> Result<Vec<Task>> {
        let end = self.clock.monotonic().after(wait);
        let notify = self.wake.of(queue);
        loop {
            let woken = notify.notified();
            // A write costs a commit even when there is nothing: look first.
            let due = self.store.queue(queue).await?.next_due;
            let now = self.clock.now();
            if due.is_some_and(|due| due <= now) {
                let tasks = self.lease(queue, count, lease).await?;
                if !tasks.is_empty() {
                    // There may be more than these.
                    notify.notify_one();
                    return Ok(tasks);
                }
            }
            let rest = end.since(self.clock.monotonic());
            if rest.is_zero() {
                return Ok(Vec::new());
            }
            let pause = due
                .map_or(POLL, |due| due.since(now))
                .max(Duration::from_millis(1));
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(pause.min(POLL).min(rest)) => {}
            }
        }
    }

    /// Makes what is leased in a queue visible again, for when whoever leased it is known to be gone.
    /// Those attempts count. Says how many.
    pub async fn reclaim(&self, queue: &Arc<str>) -> Result<u64> {
        let mut left = self.store.queue(queue).await?.leased;
        let mut reclaimed = 0;
        let mut page = TaskPage {
            queue: queue.clone(),
            dead: false,
            after: None,
            limit: TASK_STEP_MAX,
        };
        while left > 0 {
            let tasks = self.peek(&page).await?;
            let Some(last) = tasks.last() else {
                break;
            };
            page.after = Some(last.id);
            let leased = tasks.iter().filter(|task| task.state == TaskState::Leased);
            let visible_at = self.clock.now();
            let releases = leased.map(|task| {
                Write::Task(TaskWrite::Release {
                    receipt: task.receipt(),
                    visible_at,
                    counts: true,
                    error: None,
                })
            });
            let releases: Vec<_> = releases.collect();
            if !releases.is_empty() {
                left = left.saturating_sub(releases.len() as u64);
                reclaimed += releases.len() as u64;
                self.write(releases).await?;
            }
        }
        Ok(reclaimed)
    }

    /// Completes a task together with its effects. `StaleReceipt` when somebody else has it; then
    /// nothing was written.
    pub async fn complete(&self, receipt: Receipt, mut effects: Vec<Write>) -> Result<()> {
        effects.push(Write::Task(TaskWrite::Complete(receipt)));
        self.write(effects).await.map(drop)
    }

    /// How each queue stands that has a task.
    pub async fn stands(&self) -> Result<Vec<QueueStand>> {
        self.store.queues().await
    }

    /// Tasks of a queue in the order of putting.
    pub async fn peek(&self, page: &TaskPage) -> Result<Vec<Task>> {
        self.store.tasks(page).await
    }

    async fn count(&self, write: TaskWrite) -> Result<u64> {
        match self.step(write).await? {
            TaskDone::Count(count) => Ok(count),
            _ => Err(Error::internal("a count with a foreign answer")),
        }
    }

    /// Makes tasks visible now, dead ones with all their attempts; says how many.
    pub async fn retry(&self, queue: Arc<str>, pick: TaskPick, limit: u32) -> Result<u64> {
        let visible_at = self.clock.now();
        self.count(TaskWrite::Retry {
            queue,
            pick,
            visible_at,
            limit,
        })
        .await
    }

    /// Removes tasks; says how many.
    pub async fn purge(&self, queue: Arc<str>, pick: TaskPick, limit: u32) -> Result<u64> {
        self.count(TaskWrite::Purge { queue, pick, limit }).await
    }

    /// When the app next has something to do.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        let stands = self.stands().await?;
        Ok(stands.into_iter().filter_map(|s| s.next_due).min())
    }
}
