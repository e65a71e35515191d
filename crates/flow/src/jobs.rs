//! Jobs: named code that runs in the background, once asked for or by a schedule.
//!
//! Starting a job writes its `_JobStatus` row and its task in one batch. A schedule keeps one task
//! ahead of it, its next tick; the tick starts the job, puts the next tick and is completed in one
//! batch, so that a tick starts its job exactly once, whichever node is alive. Ticks that were
//! missed collapse into the one that waits.

mod run;
mod ticks;

pub use ticks::{ScheduleView, schedule_changed};

use crate::{Handler, JOB_STATUS, Policy, Progress, Queue, status};
use basalt_base::{BoxFuture, Error, Map, Reason, Result, Rng, Value, object_id};
use basalt_store::{
    FieldRef, Filter, Path, Query, ReadOptions, Record, Sort, SortKey, TaskPut, TaskWrite, Test,
    Write, codec,
};
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
/// What ending a job that is past its deadline may take.
const JOB_DEADLINE_SLACK: Duration = Duration::from_mins(1);

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
    /// How many hooks and jobs that started each other it is within.
    pub depth: usize,
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
    /// The schedule that it belongs to.
    pub schedule: Option<Box<str>>,
    /// How many hooks and jobs that started each other its start is within.
    pub depth: usize,
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
}

impl Jobs {
    /// Over the app's queues and code.
    pub fn new(deps: JobsDeps) -> Self {
        Self { deps }
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
        self.check_name(&job.name)?;
        let id = object_id(&*self.deps.rng, 10);
        let writes = self.begin(&id, &job);
        self.deps.queue.write(writes).await?;
        Ok(id)
    }

    fn check_name(&self, name: &str) -> Result<()> {
        if self.names().iter().any(|known| **known == *name) {
            return Ok(());
        }
        Err(Error::new(Reason::ScriptFailed, "Invalid job."))
    }

    /// The writes that start a job.
    fn begin(&self, id: &str, job: &StartJob) -> Vec<Write> {
        let at = self.deps.queue.clock().now();
        let mut writes = status::ensure();
        writes.push(status::running(id, job, at));
        let text = |text: &str| Value::String(text.to_owned());
        let payload = [
            ("id", text(id)),
            ("name", text(&job.name)),
            ("source", text(job.source)),
            ("params", Value::Map(job.params.clone())),
            ("depth", Value::Int(job.depth as i64)),
        ];
        let mut put = TaskPut::now(JOBS_QUEUE, encoded(payload), at);
        if self.deps.code.one_at_a_time(&job.name) {
            put.group = Some((*job.name).into());
        }
        writes.push(Write::Task(TaskWrite::Put(put)));
        writes
    }

    /// Lets the code of a run say how far it is.
    pub fn progress(&self, id: &str) -> Progress {
        Progress {
            queue: self.deps.queue.clone(),
            id: id.into(),
        }
    }

    /// Marks a run as cancelled: it does not begin, or is dropped within seconds. Errors:
    /// `ObjectNotFound` when it is over or never was.
    pub async fn cancel(&self, id: &str) -> Result<()> {
        if !self.is_running(id).await? {
            return Err(ticks::not_found());
        }
        let at = self.deps.queue.clock().now();
        let message = Some("The job was cancelled.".to_owned());
        let write = status::finished(id, "cancelled", message, at);
        self.deps.queue.write(vec![write]).await.map(drop)
    }

    /// The last runs, newest first, at most `limit`; only those of a schedule, if one is given.
    pub async fn runs(&self, schedule: Option<&str>, limit: u64) -> Result<Vec<Record>> {
        let store = self.queue().store();
        store.refresh().await?;
        let catalogue = store.catalogue();
        let Some(collection) = catalogue.collection(JOB_STATUS) else {
            return Ok(Vec::new());
        };
        let mut query = Query::all(JOB_STATUS).limit(limit);
        if let Some(id) = schedule {
            if collection.field("schedule").is_none() {
                return Ok(Vec::new());
            }
            query.filter = Filter::test("schedule", Test::Eq(Value::String(id.to_owned())));
        }
        query.sort = vec![Sort {
            key: SortKey::Path(Path::system(FieldRef::CreatedAt)),
            descending: true,
        }];
        Ok(store.find(&query, ReadOptions::default()).await?.records)
    }

    /// The handlers of jobs and ticks, for [`crate::Workers`].
    pub fn handlers(&self) -> Vec<(Arc<str>, Policy, Arc<dyn Handler>)> {
        let jobs = Policy {
            // The handler ends a job itself, so that its row says so.
            deadline: JOB_DEADLINE + JOB_DEADLINE_SLACK,
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

    /// Whether a run's row still says that it runs: one that was cancelled or removed does not.
    async fn is_running(&self, id: &str) -> Result<bool> {
        let row = self.deps.queue.store().get(JOB_STATUS, id).await?;
        let status = row.as_ref().and_then(|row| row.get("status"));
        Ok(matches!(status, Some(Value::String(status)) if status == status::RUNNING))
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
