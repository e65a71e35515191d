//! What can be set about the store.

use basalt_base::{Clock, SystemClock};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// When a commit counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// After an fsync: it survives a power cut.
    #[default]
    Full,
    /// After a write to the operating system: it survives a crash of the server, and a power cut
    /// can lose the last commits. Group commit makes this hardly faster.
    Normal,
}

/// Settings of a [`crate::SqliteStore`]. The defaults suit a server of a few cores.
#[derive(Clone)]
pub struct Options {
    /// When a commit counts as durable.
    pub synchronous: Synchronous,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Most reader connections that inline reads of one app use at once; more reads wait.
    pub readers_max: usize,
    /// Most snapshots of one app open at once; more wait.
    pub snapshots_max: usize,
    /// Threads for reads that pass the inline budget, shared by all apps.
    pub blocking_threads_max: usize,
    /// Most reads waiting for such a thread; more are refused with `Overloaded`.
    pub blocking_queue_max: usize,
    /// How many thousand VM steps a read may take inside the async task (8 are about 200 µs).
    pub inline_kilosteps_max: u32,
    /// Most write requests waiting for the writer of one app; more are refused with `Overloaded`.
    pub write_queue_max: usize,
    /// Most batches in one transaction of the writer.
    pub group_batches_max: usize,
    /// Largest encoded form of an object, in bytes; a write that would leave a larger one is refused
    /// with `ObjectTooLarge`.
    pub record_bytes_max: usize,
    /// The write-ahead log is checkpointed in the background each time it grew by this many bytes.
    pub wal_checkpoint_bytes: u64,
    /// Above this many bytes the writer itself empties the write-ahead log.
    pub wal_bytes_max: u64,
    /// A snapshot older than this is closed; its next read fails with `Timeout`.
    pub snapshot_age_max: Duration,
    /// How long changes are kept in the change log.
    pub change_age_max: Duration,
    /// How many bytes of changes are kept in the change log.
    pub change_bytes_max: u64,
    /// Page cache of a writer, in KiB.
    pub writer_cache_kib: u32,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: u32,
    /// How much of a database file readers may map into memory, in bytes.
    pub mmap_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            clock: Arc::new(SystemClock),
            readers_max: 8,
            snapshots_max: 16,
            blocking_threads_max: 4,
            blocking_queue_max: 1_024,
            inline_kilosteps_max: 8,
            write_queue_max: 8_192,
            group_batches_max: 512,
            record_bytes_max: basalt_base::Limits::default().object_bytes_max,
            wal_checkpoint_bytes: 16 * 1024 * 1024,
            wal_bytes_max: 64 * 1024 * 1024,
            snapshot_age_max: Duration::from_secs(30),
            change_age_max: Duration::from_mins(10),
            change_bytes_max: 64 * 1024 * 1024,
            writer_cache_kib: 8 * 1024,
            reader_cache_kib: 1024,
            mmap_bytes_max: 0,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("synchronous", &self.synchronous)
            .field("readers_max", &self.readers_max)
            .field("blocking_threads_max", &self.blocking_threads_max)
            .finish_non_exhaustive()
    }
}
