//! What can be set.

/// Limits of one app's live queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most clients at once.
    pub clients_max: usize,
    /// Most subscriptions of all clients together.
    pub subscriptions_max: usize,
    /// Most events that wait for one client.
    pub queue_messages_max: usize,
    /// Most bytes of events that wait for one client.
    pub queue_bytes_max: usize,
    /// Most bytes of events that wait for all clients together; an event counts once for each
    /// client, though they share it.
    pub queues_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clients_max: 20_000,
            subscriptions_max: 100_000,
            queue_messages_max: 4_096,
            queue_bytes_max: 4 * 1024 * 1024,
            queues_bytes_max: 256 * 1024 * 1024,
        }
    }
}
