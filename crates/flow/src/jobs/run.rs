//! Running a job's task.

use super::{INTERRUPTIONS_MAX, JobRun, Jobs, decoded, text};
use crate::{Handler, Outcome, Progress, TaskRun, status};
use basalt_base::{BoxFuture, Value};
use basalt_store::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// How often a running job looks whether it was cancelled.
const CANCEL_POLL: Duration = Duration::from_secs(1);

pub(super) struct JobHandler(pub(super) Jobs);

impl Handler for JobHandler {
    fn run(&self, run: TaskRun) -> BoxFuture<'_, Outcome> {
        Box::pin(self.attempt(run))
    }
}

impl JobHandler {
    async fn attempt(&self, mut run: TaskRun) -> Outcome {
        let Some(job) = self.job(&run) else {
            return Outcome::Dead("The task is no run of a job.".to_owned());
        };
        let id = job.id.clone();
        if run.task.attempts > INTERRUPTIONS_MAX {
            let message = "The job was interrupted too often.".to_owned();
            return self.finished(&id, "failed", Some(message));
        }
        if self.0.is_cancelled(&id).await {
            return Outcome::Done(Vec::new());
        }
        let mut working = pin!(guarded(self.0.deps.code.run(job)));
        loop {
            tokio::select! {
                ended = &mut working => return match ended {
                    Ok(message) => self.finished(&id, "succeeded", message),
                    Err(message) => self.finished(&id, "failed", Some(message)),
                },
                () = tokio::time::sleep(CANCEL_POLL) => {
                    if self.0.is_cancelled(&id).await {
                        return Outcome::Done(Vec::new());
                    }
                }
                () = run.cancelled() => return Outcome::Later(Duration::ZERO),
            }
        }
    }

    fn job(&self, run: &TaskRun) -> Option<JobRun> {
        let map = decoded(&run.task.payload)?;
        let id = text(&map, "id")?;
        let params = match map.get("params") {
            Some(Value::Map(params)) => params.clone(),
            _ => basalt_base::Map::new(),
        };
        Some(JobRun {
            name: text(&map, "name")?,
            params,
            attempt: run.task.attempts,
            source: text(&map, "source")?,
            progress: Progress {
                queue: self.0.deps.queue.clone(),
                id: id.clone(),
            },
            id,
        })
    }

    fn finished(&self, id: &str, word: &str, message: Option<String>) -> Outcome {
        let at = self.0.deps.queue.clock().now();
        let mut writes: Vec<Write> = status::ensure();
        writes.push(status::finished(id, word, message, at));
        Outcome::Done(writes)
    }
}

/// A panic of the job's code is a failure of the job.
async fn guarded(
    work: BoxFuture<'_, Result<Option<String>, String>>,
) -> Result<Option<String>, String> {
    let mut work = work;
    std::future::poll_fn(move |context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err("The job panicked.".to_owned())))
    })
    .await
}
