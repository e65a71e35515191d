//! Jobs: named code that runs in the background, once asked for or by a schedule.
//!
//! Starting a job writes its `_JobStatus` row and its task in one batch. A schedule keeps one task
//! ahead of it, its next tick; the tick starts the job, puts the next tick and is completed in one
//! batch, so that a tick starts its job exactly once, whichever node is alive. Ticks that were
//! missed collapse into the one that waits.

mod run;
mod ticks;

use crate::{Handler, JOB_STATUS, Policy, Progress, Queue, status};
use basalt_base::{BoxFuture, Error, Map, Reason, Result, Rng, Value, object_id};
use basalt_store::{Filter, Precondition, TaskPut, TaskWrite, Test, Write, codec};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The queue of job runs.
pub const JOBS_QUEUE: &str = "basalt.jobs";
/// The queue of schedules' ticks.
pub const TICKS_QUEUE: &str = "basalt.ticks";

/// How often a run may be interrupted by a crash before it counts as failed.
const INTERRUPTIONS_MAX: u32 = 3;
/// How long a job may take.
const JOB_DEADLINE: Duration = Duration::from_hours(24);

/// A run of a job, as its code sees it.
#[derive(Clone)]
pub struct JobRun {
    /// The job's name.
    pub name: Arc<str>,
    /// The id of its `_JobStatus` row.
    pub id: Arc<str>,
    /// What it was started with.
    pub params: Map,
    /// 1, or more when an earlier attempt was cut off by a crash.
    pub attempt: u32,
    /// What started it: `api`, `schedule`, `manual`.
    pub source: Arc<str>,
    /// Tells how far it is.
    pub progress: Progress,
}

/// The code behind the names of jobs; implemented where functions are registered.
pub trait JobCode: Send + Sync {
    /// The names that can be run, sorted.
    fn names(&self) -> Vec<String>;

    /// Whether runs of this job wait for each other.
    fn one_at_a_time(&self, _name: &str) -> bool {
        false
    }

    /// Runs a job: the message of its success, or why it failed. Dropped when it is cancelled.
    fn run(&self, run: JobRun) -> BoxFuture<'_, Result<Option<String>, String>>;
}

/// An app without jobs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJobs;

impl JobCode for NoJobs {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn run(&self, _: JobRun) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async { Err("There is no such job.".to_owned()) })
    }
}

/// A job to start.
#[derive(Clone, Debug)]
pub struct StartJob {
    /// Its name.
    pub name: Arc<str>,
    /// Its parameters.
    pub params: Map,
    /// What starts it: `api`, `schedule`, `manual`.
    pub source: &'static str,
}

/// What jobs need.
#[derive(Clone)]
pub struct JobsDeps {
    /// The app's queues.
    pub queue: Queue,
    /// Makes ids.
    pub rng: Arc<dyn Rng>,
    /// The code.
    pub code: Arc<dyn JobCode>,
}

/// The jobs of one app. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    deps: JobsDeps,
    /// Schedules whose next tick is known to be put, by id, with their revisions.
    synced: Arc<Mutex<HashMap<Box<str>, u64>>>,
}

impl Jobs {
    /// Over the app's queues and code.
    pub fn new(deps: JobsDeps) -> Self {
        Self {
            deps,
            synced: Arc::default(),
        }
    }

    /// The names of jobs that can be run, sorted.
    pub fn names(&self) -> Vec<String> {
        self.deps.code.names()
    }

    /// The app's queues.
    pub fn queue(&self) -> &Queue {
        &self.deps.queue
    }

    /// Starts a job and gives the id of its `_JobStatus` row; durable when it returns. Errors:
    /// `ScriptFailed` for an unknown name.
    pub async fn start(&self, job: StartJob) -> Result<String> {
        if !self.names().iter().any(|name| **name == *job.name) {
            return Err(Error::new(Reason::ScriptFailed, "Invalid job."));
        }
        let id = object_id(&*self.deps.rng, 10);
        let writes = self.begin(&id, &job);
        self.deps.queue.write(writes).await?;
        Ok(id)
    }

    /// The writes that start a job.
    fn begin(&self, id: &str, job: &StartJob) -> Vec<Write> {
        let at = self.deps.queue.clock().now();
        let mut writes = status::ensure();
        writes.push(status::running(
            id,
            &job.name,
            job.params.clone(),
            job.source,
            at,
        ));
        let text = |text: &str| Value::String(text.to_owned());
        let payload = [
            ("id", text(id)),
            ("name", text(&job.name)),
            ("source", text(job.source)),
            ("params", Value::Map(job.params.clone())),
        ];
        let mut put = TaskPut::now(JOBS_QUEUE, encoded(payload), at);
        if self.deps.code.one_at_a_time(&job.name) {
            put.group = Some((*job.name).into());
        }
        writes.push(Write::Task(TaskWrite::Put(put)));
        writes
    }

    /// Marks a run as cancelled: it does not begin, or is dropped within seconds. Errors:
    /// `ObjectNotFound` when it is over or never was.
    pub async fn cancel(&self, id: &str) -> Result<()> {
        let at = self.deps.queue.clock().now();
        let message = Some("The job was cancelled.".to_owned());
        let mut write = status::finished(id, "cancelled", message, at);
        if let Write::Record(record) = &mut write {
            let running = Test::Eq(Value::String("running".to_owned()));
            let running = Filter::test("status", running);
            record.precondition = Precondition::Matches(running);
        }
        self.deps.queue.write(vec![write]).await.map(drop)
    }

    /// The handlers of jobs and ticks, for [`crate::Workers`].
    pub fn handlers(&self) -> Vec<(Arc<str>, Policy, Arc<dyn Handler>)> {
        let jobs = Policy {
            deadline: JOB_DEADLINE,
            ..Policy::default()
        };
        vec![
            (
                JOBS_QUEUE.into(),
                jobs,
                Arc::new(run::JobHandler(self.clone())),
            ),
            (
                TICKS_QUEUE.into(),
                Policy::default(),
                Arc::new(ticks::TickHandler(self.clone())),
            ),
        ]
    }

    /// Whether a run was cancelled.
    async fn is_cancelled(&self, id: &str) -> bool {
        let row = self.deps.queue.store().get(JOB_STATUS, id).await;
        let status = row.ok().flatten();
        let status = status.as_ref().and_then(|row| row.get("status"));
        matches!(status, Some(Value::String(status)) if status == "cancelled")
    }
}

/// A payload of named values.
fn encoded<const N: usize>(fields: [(&str, Value); N]) -> Arc<[u8]> {
    let map: Map = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    codec::encode_to_string(&Value::Map(map))
        .into_bytes()
        .into()
}

/// The named values of a payload.
fn decoded(payload: &[u8]) -> Option<Map> {
    let text = std::str::from_utf8(payload).ok()?;
    match codec::decode(text).ok()? {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

fn text(map: &Map, name: &str) -> Option<Arc<str>> {
    match map.get(name) {
        Some(Value::String(text)) => Some(text.as_str().into()),
        _ => None,
    }
}
