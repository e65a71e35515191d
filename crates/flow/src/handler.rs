//! What runs a task.

use basalt_base::BoxFuture;
use basalt_store::{Task, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How an attempt ended.
#[derive(Debug)]
pub enum Outcome {
    /// The work is done. These writes commit together with the completion or not at all: they are
    /// lost when somebody else took the task meanwhile.
    Done(Vec<Write>),
    /// It failed with this text; it is tried again as the policy says.
    Failed(String),
    /// It failed for good with this text.
    Dead(String),
    /// It could not be tried now; the attempt does not count.
    Later(Duration),
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct TaskRun {
    /// The task as leased.
    pub task: Arc<Task>,
    pub(crate) cancelled: watch::Receiver<bool>,
}

impl TaskRun {
    /// Ready when the attempt should end: the lease was lost or the server stops. A handler may
    /// ignore it; its future is dropped soon after.
    pub async fn cancelled(&mut self) {
        let gone = self.cancelled.wait_for(|yes| *yes).await.is_err();
        if gone {
            std::future::pending::<()>().await;
        }
    }
}

/// Code behind a queue. A panic in it is a failed attempt.
pub trait Handler: Send + Sync {
    /// Runs an attempt.
    fn run(&self, run: TaskRun) -> BoxFuture<'_, Outcome>;
}
