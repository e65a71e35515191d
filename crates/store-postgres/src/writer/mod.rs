//! The writer: one task per open app. On each app one group of one node runs at a time.

mod apply;
mod flush;
mod group;
mod keys;
mod locks;
mod log;
mod prefetch;
mod task;
mod tasks;
mod tx;

pub(crate) use task::{Inbox, start};

use basalt_base::Result;
use basalt_store::{WriteBatch, Written};
use tokio::sync::oneshot;

/// What each batch of a request came to.
pub(crate) type Outcomes = Vec<Result<Vec<Written>>>;

/// What the writer is asked to do.
pub(crate) enum Message {
    /// Apply each batch, and answer when that is durable.
    Write(Vec<WriteBatch>, oneshot::Sender<Result<Outcomes>>),
    /// Remove everything.
    Clear(oneshot::Sender<Result<()>>),
}
