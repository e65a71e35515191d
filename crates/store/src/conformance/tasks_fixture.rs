//! What the cases about tasks are written with. Times count in milliseconds from [`AT`]; a task is
//! known by its payload.

use super::fixture::*;
use crate::{
    Dedupe, Hold, Receipt, Task, TaskDone, TaskId, TaskPage, TaskPick, TaskPut, TaskWrite, Write,
    Written,
};
use basalt_base::{Result, Timestamp};
use std::time::Duration;

/// How long the cases lease, in milliseconds.
pub(super) const LEASE: i64 = 1_000;

/// That many milliseconds after [`AT`].
pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(AT + ms)
}

pub(super) fn put(queue: &str, payload: &str) -> TaskPut {
    TaskPut::now(queue, payload.as_bytes(), at(0))
}

pub(super) fn later(task: TaskPut, ms: u64) -> TaskPut {
    let visible_at = task.at.plus(Duration::from_millis(ms));
    TaskPut { visible_at, ..task }
}

pub(super) fn urgent(task: TaskPut, priority: u8) -> TaskPut {
    TaskPut { priority, ..task }
}

pub(super) fn keyed(task: TaskPut, key: &str, hold: Hold) -> TaskPut {
    let key = key.into();
    let dedupe = Some(Dedupe { key, hold });
    TaskPut { dedupe, ..task }
}

pub(super) fn release(receipt: Receipt, ms: i64) -> TaskWrite {
    TaskWrite::Release {
        receipt,
        visible_at: at(ms),
        counts: true,
        error: Some("failed".into()),
    }
}

pub(super) fn bury(receipt: Receipt, error: &str) -> TaskWrite {
    let (error, at) = (error.into(), at(0));
    TaskWrite::Bury { receipt, error, at }
}

pub(super) fn retry(queue: &str, pick: TaskPick, ms: i64) -> TaskWrite {
    TaskWrite::Retry {
        queue: queue.into(),
        pick,
        visible_at: at(ms),
        limit: 100,
    }
}

/// The payloads with spaces between them.
pub(super) fn names(tasks: &[Task]) -> String {
    let each = tasks.iter().map(|t| String::from_utf8_lossy(&t.payload));
    each.collect::<Vec<_>>().join(" ")
}

impl Fixture {
    /// One step of the queue.
    pub(super) async fn end(&self, write: TaskWrite) -> Result<TaskDone> {
        match self.write(Write::Task(write)).await? {
            Written::Task(done) => Ok(done),
            other => panic!("a step of a queue gave {other:?}"),
        }
    }

    pub(super) async fn try_put(&self, task: TaskPut) -> Result<(TaskId, bool)> {
        match self.end(TaskWrite::Put(task)).await? {
            TaskDone::Put { id, fresh } => Ok((id, fresh)),
            other => panic!("putting gave {other:?}"),
        }
    }

    /// Puts a task that must be new.
    pub(super) async fn put(&self, task: TaskPut) -> TaskId {
        let (id, fresh) = self.try_put(task).await.expect("the task is put");
        assert!(fresh, "the task is new");
        id
    }

    pub(super) async fn put_fresh(&self, task: TaskPut) -> bool {
        self.try_put(task).await.expect("the task is put").1
    }

    /// Leases at a time; the payloads and what was buried.
    pub(super) async fn lease_all(
        &self,
        queue: &str,
        count: u32,
        ms: i64,
    ) -> (String, Vec<TaskId>) {
        let (tasks, buried) = self.leased(queue, count, ms).await;
        (names(&tasks), buried)
    }

    async fn leased(&self, queue: &str, count: u32, ms: i64) -> (Vec<Task>, Vec<TaskId>) {
        let lease = TaskWrite::Lease {
            queue: queue.into(),
            count,
            until: at(ms + LEASE),
            at: at(ms),
        };
        match self.end(lease).await.expect("leasing works") {
            TaskDone::Leased { tasks, buried } => (tasks, buried),
            other => panic!("leasing gave {other:?}"),
        }
    }

    /// The payloads of what is leased at a time.
    pub(super) async fn lease(&self, queue: &str, count: u32, ms: i64) -> String {
        self.lease_all(queue, count, ms).await.0
    }

    /// Leases the one task that is next.
    pub(super) async fn take(&self, queue: &str, ms: i64) -> Task {
        let (mut tasks, _) = self.leased(queue, 1, ms).await;
        tasks.pop().expect("a task is visible")
    }

    pub(super) async fn complete_next(&self, queue: &str, ms: i64) {
        let receipt = self.take(queue, ms).await.receipt();
        let done = self.end(TaskWrite::Complete(receipt)).await;
        done.expect("the receipt is good");
    }

    /// The task of that payload in whatever queue.
    pub(super) async fn named(&self, payload: &str) -> Task {
        for stand in self.app.queues().await.expect("reading works") {
            for dead in [false, true] {
                let page = TaskPage {
                    queue: stand.queue.clone(),
                    dead,
                    after: None,
                    limit: 1_000,
                };
                let tasks = self.app.tasks(&page).await.expect("reading works");
                if let Some(task) = tasks
                    .into_iter()
                    .find(|t| *t.payload == *payload.as_bytes())
                {
                    return task;
                }
            }
        }
        panic!("there is no task {payload}");
    }

    pub(super) async fn receipt(&self, payload: &str) -> Receipt {
        self.named(payload).await.receipt()
    }

    pub(super) async fn complete(&self, payload: &str) {
        let receipt = self.receipt(payload).await;
        let done = self.end(TaskWrite::Complete(receipt)).await;
        done.expect("the receipt is good");
    }

    /// How many tasks a step was about.
    pub(super) async fn count(&self, write: TaskWrite) -> u64 {
        match self.end(write).await.expect("the step works") {
            TaskDone::Count(count) => count,
            other => panic!("the step gave {other:?}"),
        }
    }

    /// `waiting+leased+held dead N`.
    pub(super) async fn stand(&self, queue: &str) -> String {
        let s = self.app.queue(queue).await.expect("reading works");
        format!("{}+{}+{} dead {}", s.waiting, s.leased, s.held, s.dead)
    }
}
