//! The queue of an app, its workers, timers, schedules and jobs.
//!
//! Tasks are rows of the app's store (`basalt_store::task`), so that they commit together with
//! objects. This crate decides: [`Dispatch`] is the deciding part without any I/O, driven by the
//! workers and by the simulator of the tests alike; [`Workers`] run [`Handler`]s by queue name;
//! [`Queue`] is the handle for those who put, receive and look. [`Jobs`] keep `_JobStatus` and run
//! what `_JobSchedule` says; the code behind a name comes from [`JobCode`].
//!
//! What it must never know: HTTP, an adapter's wire names, an SQL dialect, how user code runs.

mod backoff;
mod dispatch;
mod handler;
mod jobs;
mod queue;
mod schedule;
mod status;
mod wake;
mod workers;

pub use backoff::Backoff;
pub use dispatch::{Dispatch, Policy, Verdict};
pub use handler::{Handler, Outcome, TaskRun};
pub use jobs::{
    JOBS_QUEUE, JobCode, JobRun, Jobs, JobsDeps, NoJobs, ScheduleView, StartJob, TICKS_QUEUE,
    schedule_changed,
};
pub use queue::{Put, Queue};
pub use schedule::{Plan, Rhythm};
pub use status::{JOB_SCHEDULE, JOB_STATUS, Progress};
pub use wake::Wake;
pub use workers::{Stopper, Workers, WorkersDeps, WorkersStats};
