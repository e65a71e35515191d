//! The bus: hints between the nodes of a cluster.
//!
//! A message says that there may be something to look at; what there is stands in the store. So a
//! message may be lost, doubled, late or forged, and nothing but time is lost: whoever listens also
//! looks by itself now and then. That is why nothing here is acknowledged, kept or signed.
//!
//! [`LocalBus`] connects parts of one process, [`NatsBus`] the nodes of a cluster over NATS. Both pass
//! [`conformance`].
//!
//! What it must never know: what the messages of its users mean.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod local;
mod nats;
mod payload;
mod queue;
mod subject;
#[cfg(test)]
mod tests;
mod tls;

pub use local::LocalBus;
pub use nats::{NatsBus, NatsOptions};
pub use payload::{PAYLOAD_BYTES_MAX, Payload, decode, encode};
pub use queue::{Event, QUEUE_MESSAGES_MAX, Subscription};
pub use subject::Subject;

use basalt_base::{BoxFuture, Result};

/// How a bus is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusView {
    /// `in-process` or `nats`.
    pub kind: &'static str,
    /// Whether messages travel right now.
    pub connected: bool,
    /// The version of the server, where there is one and it was reached.
    pub server_version: Option<String>,
    /// How often the connection was made.
    pub connects: u64,
    /// Messages handed to it.
    pub published: u64,
    /// Messages that went nowhere: no connection, or a full queue.
    pub dropped: u64,
    /// Messages that came in.
    pub received: u64,
    /// Messages that came in and were thrown away: too large, or garbled.
    pub malformed: u64,
}

/// A bus.
pub trait Bus: Send + Sync {
    /// Sends a message to whoever listens on the subject, the sender's own subscriptions included.
    /// Never waits; without a connection the message is dropped.
    fn publish(&self, subject: &Subject, payload: Payload);

    /// Listens on a subject until the subscription is dropped. Works without a connection too: what
    /// is sent once there is one arrives, after an [`Event::Gap`]. Fails when the bus was shut down.
    fn subscribe<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Subscription>>;

    /// How it is doing.
    fn view(&self) -> BusView;

    /// Counts a message that its receiver could not understand.
    fn malformed(&self, subject: &Subject);
}
