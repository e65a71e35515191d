//! What can be set about the store.

use basalt_base::{Clock, SystemClock};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`crate::PostgresStore`]. The defaults suit a node of a few cores.
#[derive(Clone)]
pub struct Options {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// What the names of the PostgreSQL schemas start with; lower-case letters and `_`.
    pub schema_prefix: String,
    /// Connections that short reads of all apps share, pipelined.
    pub lanes: usize,
    /// How long a read may take on a shared connection before it is moved to one of its own.
    pub lane_time_max: Duration,
    /// Most connections for longer reads and snapshots, of all apps; more wait.
    pub connections_max: usize,
    /// Most connections for writing, of all apps; writers of more apps take turns.
    pub writers_max: usize,
    /// How long a connection attempt may take, and how long a caller waits for a free connection.
    pub connect_time_max: Duration,
    /// How long any statement may take, whatever its caller said.
    pub statement_time_max: Duration,
    /// How long a COMMIT with the last statements before it may take, waiting for a standby included;
    /// after that the outcome is unknown.
    pub commit_time_max: Duration,
    /// How long a writer may hold an app without saying anything, and wait for a lock; at most 5 s,
    /// so that a node that stands still frees the app for the others.
    pub lock_time_max: Duration,
    /// Most write requests waiting for the writer of one app; more are refused with `Overloaded`.
    pub write_queue_max: usize,
    /// Most batches in one transaction of the writer.
    pub group_batches_max: usize,
    /// Most objects of a collection whose new indexes are made in the transaction that declares them;
    /// in larger ones they are built beside the writes. Unique ones always hold up the app's writes.
    pub index_at_once_rows_max: u32,
    /// Largest encoded form of an object, in bytes; a write that would leave a larger one is refused
    /// with `ObjectTooLarge`.
    pub record_bytes_max: usize,
    /// A snapshot older than this is closed; its next read fails with `Timeout`.
    pub snapshot_age_max: Duration,
    /// How long changes are kept in the change log.
    pub change_age_max: Duration,
    /// How many bytes of changes are kept in the change log.
    pub change_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            schema_prefix: "basalt".to_owned(),
            lanes: 4,
            lane_time_max: Duration::from_secs(1),
            connections_max: 16,
            writers_max: 8,
            connect_time_max: Duration::from_secs(5),
            statement_time_max: Duration::from_mins(10),
            commit_time_max: Duration::from_mins(1),
            lock_time_max: Duration::from_secs(5),
            write_queue_max: 8_192,
            group_batches_max: 512,
            index_at_once_rows_max: 5_000,
            record_bytes_max: basalt_base::Limits::default().object_bytes_max,
            snapshot_age_max: Duration::from_secs(30),
            change_age_max: Duration::from_mins(10),
            change_bytes_max: 64 * 1024 * 1024,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("schema_prefix", &self.schema_prefix)
            .field("lanes", &self.lanes)
            .field("connections_max", &self.connections_max)
            .finish_non_exhaustive()
    }
}
