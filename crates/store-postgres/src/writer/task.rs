//! The writer's task: taking what waits, in groups.

use super::{Message, Outcomes, group, log};
use crate::shared::Shared;
use basalt_base::{Error, Reason, Result};
use basalt_store::WriteBatch;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// Where requests to the writer go in.
#[derive(Clone)]
pub(crate) struct Inbox(mpsc::Sender<Message>);

impl Inbox {
    /// Asks for writes; `Overloaded` when too many wait.
    pub(crate) async fn write(&self, batches: Vec<WriteBatch>) -> Result<Outcomes> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Write(batches, reply))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Asks for everything to be removed.
    pub(crate) async fn clear(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Clear(reply))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn send(&self, message: Message) -> Result<()> {
        self.0.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => Error::new(Reason::Overloaded, "Too many writes are waiting.")
                .with_retry_after(std::time::Duration::from_secs(1)),
            TrySendError::Closed(_) => {
                Error::new(Reason::StoreUnavailable, "The store can't write right now.")
            }
        })
    }
}

/// A request that the writer dropped in a panic or when the server stopped: it may have been
/// committed.
fn gone() -> Error {
    Error::new(
        Reason::OutcomeUnknown,
        "The store failed during the write: it may or may not have happened.",
    )
}

/// Starts the writer of an app; it ends when the last inbox is dropped and all is done.
pub(crate) fn start(shared: &Arc<Shared>) -> Inbox {
    let (sender, mut inbox) = mpsc::channel(shared.common.options.write_queue_max.max(1));
    let shared = shared.clone();
    tokio::spawn(async move {
        let most = shared.common.options.group_batches_max.max(1);
        let mut tending = log::Tending::default();
        let mut waiting = Vec::new();
        while inbox.recv_many(&mut waiting, most).await > 0 {
            // A panic must not take the writer away from those who come later.
            let work = group::run_all(shared.clone(), std::mem::take(&mut waiting));
            if tokio::spawn(work).await.is_err() {
                tracing::error!("the writer panicked; those who waited don't know the outcome");
            }
            tending.after_group(&shared);
        }
    });
    Inbox(sender)
}
