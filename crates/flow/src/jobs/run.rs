//! Running a job's task.

use super::{INTERRUPTIONS_MAX, JOB_DEADLINE, JobRun, Jobs, decoded, text};
use crate::{Handler, Outcome, Progress, TaskRun, status};
use basalt_base::{BoxFuture, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// How often a running job looks whether it was cancelled.
const CANCEL_POLL: Duration = Duration::from_secs(1);

/// How long to wait when the store can't say whether a job was cancelled.
const STORE_PAUSE: Duration = Duration::from_secs(1);

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
        match self.0.is_running(&id).await {
            Ok(true) => {}
            Ok(false) => return Outcome::Done(Vec::new()),
            Err(error) => {
                tracing::warn!(?error, "a job's row can't be read");
                return Outcome::Later(STORE_PAUSE);
            }
        }
        if run.task.attempts > INTERRUPTIONS_MAX {
            let message = "The job was interrupted too often.".to_owned();
            return self.finished(&id, "failed", Some(message));
        }
        let mut working = pin!(guarded(self.0.deps.code.run(job)));
        let mut deadline = pin!(tokio::time::sleep(JOB_DEADLINE));
        loop {
            tokio::select! {
                ended = &mut working => return match ended {
                    Ok(message) => self.finished(&id, "succeeded", message),
                    Err(message) => self.finished(&id, "failed", Some(message)),
                },
                () = &mut deadline => {
                    let message = "The job ran past its deadline.".to_owned();
                    return self.finished(&id, "failed", Some(message));
                }
                () = tokio::time::sleep(CANCEL_POLL) => {
                    if let Ok(false) = self.0.is_running(&id).await {
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
            depth: match map.get("depth") {
                Some(Value::Int(depth)) => usize::try_from(*depth).unwrap_or(usize::MAX),
                _ => 0,
            },
            progress: Progress {
                queue: self.0.deps.queue.clone(),
                id: id.clone(),
            },
            id,
        })
    }

    /// The end of a run. If it was cancelled at the same moment, this is refused, and the next
    /// attempt sees it.
    fn finished(&self, id: &str, word: &str, message: Option<String>) -> Outcome {
        let at = self.0.deps.queue.clock().now();
        Outcome::Done(vec![status::finished(id, word, message, at)])
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
