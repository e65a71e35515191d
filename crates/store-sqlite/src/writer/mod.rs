//! The writer: one thread per open app.

mod apply;
mod batch;
mod group;
mod housekeeping;
mod log;
mod reclaim;
mod tasks;
#[cfg(test)]
mod tests;
mod thread;

pub(crate) use thread::{Inbox, start};

use crate::lease::LeaseCall;
use basalt_base::Result;
use basalt_store::{WriteBatch, Written};
use tokio::sync::oneshot;

/// What each batch of a request came to.
pub(crate) type Outcomes = Vec<Result<Vec<Written>>>;

/// What the writer is asked to do.
pub(crate) enum Message {
    /// Apply each batch, and answer when that is durable.
    Write(Vec<WriteBatch>, oneshot::Sender<Result<Outcomes>>),
    /// Acquire, renew or release a lease.
    Lease(LeaseCall, oneshot::Sender<Result<Option<u64>>>),
    /// Remove everything.
    Clear(oneshot::Sender<Result<()>>),
}
