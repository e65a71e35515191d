//! The tasks of one app in memory, as plain as can be: what every store has to agree with, and what
//! simulations run on. Nothing is indexed.

use super::{
    ATTEMPTS_USED_UP, Hold, LEASE_MIN, QueueStand, Receipt, TASK_STEP_MAX, Task, TaskDone, TaskId,
    TaskPage, TaskPick, TaskPut, TaskState, TaskWrite, error_text, stale_receipt,
};
use basalt_base::{Result, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A dedupe key: who took it, and until when or until the task ends.
#[derive(Clone, Copy, Debug)]
struct Taken {
    by: TaskId,
    hold: Hold,
}

/// The tasks of an app.
#[derive(Clone, Debug, Default)]
pub struct TaskModel {
    tasks: BTreeMap<TaskId, Task>,
    keys: BTreeMap<(Arc<str>, Box<str>), Taken>,
    last: u64,
}

fn ms(at: Timestamp) -> Timestamp {
    at.truncate_to_millis()
}

impl TaskModel {
    /// Applies a step; a refused one changes nothing.
    pub fn apply(&mut self, write: &TaskWrite) -> Result<TaskDone> {
        match write {
            TaskWrite::Put(put) => self.put(put),
            TaskWrite::Lease {
                queue,
                count,
                until,
                at,
            } => Ok(self.lease(queue, *count, ms(*until), ms(*at))),
            TaskWrite::Complete(receipt) => {
                let id = self.held(*receipt)?.id;
                self.end(id);
                self.tasks.remove(&id);
                Ok(TaskDone::Done)
            }
            TaskWrite::Extend { receipt, until } => {
                self.held(*receipt)?.visible_at = ms(*until);
                Ok(TaskDone::Done)
            }
            TaskWrite::Release {
                receipt,
                visible_at,
                counts,
                error,
            } => {
                let task = self.held(*receipt)?;
                task.state = TaskState::Waiting;
                task.visible_at = ms(*visible_at);
                task.attempts -= u32::from(!counts);
                if let Some(error) = error {
                    task.error = Some(error_text(error).into());
                }
                Ok(TaskDone::Done)
            }
            TaskWrite::Bury { receipt, error, at } => {
                let task = self.held(*receipt)?;
                task.error = Some(error_text(error).into());
                let id = task.id;
                self.bury(id, ms(*at));
                Ok(TaskDone::Done)
            }
            TaskWrite::Retry {
                queue,
                pick,
                visible_at,
                limit,
            } => {
                let picked = self.pick(queue, pick, *limit, false);
                for &id in &picked {
                    self.renew(id, ms(*visible_at));
                }
                Ok(TaskDone::Count(picked.len() as u64))
            }
            TaskWrite::Purge { queue, pick, limit } => {
                let picked = self.pick(queue, pick, *limit, true);
                for id in &picked {
                    self.end(*id);
                    self.tasks.remove(id);
                }
                Ok(TaskDone::Count(picked.len() as u64))
            }
            TaskWrite::Move {
                queue,
                pick,
                to,
                visible_at,
                limit,
            } => {
                super::check_queue(to)?;
                let picked = self.pick(queue, pick, *limit, false);
                for id in &picked {
                    self.end(*id);
                    if let Some(mut task) = self.tasks.remove(id) {
                        task.queue = to.clone();
                        task.state = TaskState::Dead;
                        self.tasks.insert(*id, task);
                        self.renew(*id, ms(*visible_at));
                    }
                }
                Ok(TaskDone::Count(picked.len() as u64))
            }
        }
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn put(&mut self, put: &TaskPut) -> Result<TaskDone> {
        put.check()?;
        if let Some(dedupe) = &put.dedupe {
            let key = (put.queue.clone(), dedupe.key.clone());
            if let Some(taken) = self.keys.get(&key) {
                let still = match taken.hold {
                    Hold::Until(until) => ms(until) > ms(put.at),
                    Hold::Task => true,
                };
                if still {
                    let id = taken.by;
                    return Ok(TaskDone::Put { id, fresh: false });
                }
            }
            let (by, hold) = (TaskId(self.last + 1), dedupe.hold);
            self.keys.insert(key, Taken { by, hold });
        }
        let id = TaskId(self.next());
        let behind = self.in_group(&put.queue, put.group.as_deref()).is_some();
        let task = Task {
            id,
            queue: put.queue.clone(),
            payload: put.payload.clone(),
            state: if behind {
                TaskState::Held
            } else {
                TaskState::Waiting
            },
            visible_at: ms(put.visible_at),
            priority: put.priority,
            group: put.group.clone(),
            attempts: 0,
            attempts_max: put.attempts_max,
            put_at: ms(put.at),
            first_at: None,
            lease: 0,
            error: None,
        };
        self.tasks.insert(id, task);
        Ok(TaskDone::Put { id, fresh: true })
    }

    /// A task of the group that is not dead.
    fn in_group(&self, queue: &str, group: Option<&str>) -> Option<TaskId> {
        let group = group?;
        let mut all = self.tasks.values();
        let found = all.find(|t| {
            &*t.queue == queue && t.group.as_deref() == Some(group) && t.state != TaskState::Dead
        });
        found.map(|t| t.id)
    }

    fn lease(&mut self, queue: &str, count: u32, until: Timestamp, at: Timestamp) -> TaskDone {
        let (mut leased, mut buried) = (Vec::new(), Vec::new());
        let until = until.max(at.plus(LEASE_MIN));
        for _ in 0..count.min(TASK_STEP_MAX) {
            while let Some(id) = self.front(queue, at) {
                let number = self.last + 1;
                let Some(task) = self.tasks.get_mut(&id) else {
                    break;
                };
                if task.attempts_max > 0 && task.attempts >= task.attempts_max {
                    task.error.get_or_insert_with(|| ATTEMPTS_USED_UP.into());
                    self.bury(id, at);
                    buried.push(id);
                    continue;
                }
                task.state = TaskState::Leased;
                task.lease = number;
                task.attempts += 1;
                task.first_at.get_or_insert(at);
                task.visible_at = until;
                leased.push(task.clone());
                self.last = number;
                break;
            }
        }
        let tasks = leased;
        TaskDone::Leased { tasks, buried }
    }

    fn front(&self, queue: &str, at: Timestamp) -> Option<TaskId> {
        let ready = self.tasks.values().filter(|t| {
            let open = matches!(t.state, TaskState::Waiting | TaskState::Leased);
            &*t.queue == queue && open && t.visible_at <= at
        });
        ready
            .min_by_key(|t| (u8::MAX - t.priority, t.visible_at, t.id))
            .map(|t| t.id)
    }

    fn held(&mut self, receipt: Receipt) -> Result<&mut Task> {
        let task = self.tasks.get_mut(&receipt.task);
        task.filter(|t| t.state == TaskState::Leased && t.lease == receipt.lease)
            .ok_or_else(stale_receipt)
    }

    fn bury(&mut self, id: TaskId, at: Timestamp) {
        self.end(id);
        if let Some(task) = self.tasks.get_mut(&id) {
            task.state = TaskState::Dead;
            task.visible_at = at;
        }
    }

    /// The task stops standing in the way of others: of its group, and of its dedupe key.
    fn end(&mut self, id: TaskId) {
        self.keys
            .retain(|_, taken| taken.by != id || taken.hold != Hold::Task);
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        let was_front = matches!(task.state, TaskState::Waiting | TaskState::Leased);
        // Not found below.
        task.state = TaskState::Dead;
        let Some(group) = task.group.clone().filter(|_| was_front) else {
            return;
        };
        let queue = task.queue.clone();
        if let Some(next) = self.in_group(&queue, Some(&group))
            && let Some(task) = self.tasks.get_mut(&next)
        {
            task.state = TaskState::Waiting;
        }
    }

    fn pick(&self, queue: &str, pick: &TaskPick, limit: u32, leased_too: bool) -> Vec<TaskId> {
        let wanted = self.tasks.values().filter(|t| {
            let by_kind = match pick {
                TaskPick::Ids(ids) => {
                    ids.contains(&t.id) && (leased_too || t.state != TaskState::Leased)
                }
                TaskPick::Dead => t.state == TaskState::Dead,
                TaskPick::Idle => matches!(t.state, TaskState::Waiting | TaskState::Held),
                TaskPick::All => leased_too || t.state != TaskState::Leased,
            };
            &*t.queue == queue && by_kind
        });
        let limit = limit.min(TASK_STEP_MAX) as usize;
        wanted.take(limit).map(|t| t.id).collect()
    }

    /// Makes a task visible at a time; a dead one with all its attempts, behind its group.
    fn renew(&mut self, id: TaskId, visible_at: Timestamp) {
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let dead = task.state == TaskState::Dead;
        let behind = dead && {
            let group = task.group.as_deref();
            self.in_group(&task.queue, group).is_some()
        };
        if let Some(task) = self.tasks.get_mut(&id) {
            task.visible_at = visible_at;
            if dead {
                task.attempts = 0;
                task.state = if behind {
                    TaskState::Held
                } else {
                    TaskState::Waiting
                };
            }
        }
    }

    /// As [`crate::AppStore::task`].
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id)
    }

    /// All tasks, in the order of putting.
    pub fn all(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// As [`crate::AppStore::tasks`].
    pub fn page(&self, page: &TaskPage) -> Vec<Task> {
        let found = self.tasks.values().filter(|t| {
            t.queue == page.queue
                && (t.state == TaskState::Dead) == page.dead
                && page.after.is_none_or(|after| t.id > after)
        });
        found.take(page.limit as usize).cloned().collect()
    }

    /// As [`crate::AppStore::queue`].
    pub fn queue(&self, queue: &str) -> QueueStand {
        let mut stand = QueueStand::empty(queue.into());
        for task in self.tasks.values().filter(|t| &*t.queue == queue) {
            match task.state {
                TaskState::Waiting => stand.waiting += 1,
                TaskState::Leased => stand.leased += 1,
                TaskState::Held => stand.held += 1,
                TaskState::Dead => stand.dead += 1,
            }
            if matches!(task.state, TaskState::Waiting | TaskState::Leased) {
                let due = stand.next_due.unwrap_or(task.visible_at);
                stand.next_due = Some(due.min(task.visible_at));
            }
            if task.state != TaskState::Dead {
                stand.oldest_put.get_or_insert(task.put_at);
            }
        }
        stand
    }

    /// As [`crate::AppStore::queues`].
    pub fn queues(&self) -> Vec<QueueStand> {
        let names: BTreeSet<&Arc<str>> = self.tasks.values().map(|t| &t.queue).collect();
        names.into_iter().map(|name| self.queue(name)).collect()
    }

    /// What a [`crate::TaskWatch`] hears when this state follows `before`.
    pub fn news(&self, before: &Self) -> Vec<(Arc<str>, Timestamp)> {
        let mut news: BTreeMap<&Arc<str>, Timestamp> = BTreeMap::new();
        for task in self.tasks.values() {
            let open = matches!(task.state, TaskState::Waiting | TaskState::Leased);
            let old = before.tasks.get(&task.id);
            let same = old.is_some_and(|old| {
                (old.state, old.visible_at, &old.queue)
                    == (task.state, task.visible_at, &task.queue)
            });
            if open && !same {
                let due = news.entry(&task.queue).or_insert(task.visible_at);
                *due = (*due).min(task.visible_at);
            }
        }
        news.into_iter()
            .map(|(queue, due)| (queue.clone(), due))
            .collect()
    }

    /// Removes everything; numbers go on from where they are.
    pub fn clear(&mut self) {
        self.tasks.clear();
        self.keys.clear();
    }
}
