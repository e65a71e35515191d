//! What the handle, the readers and the writer of an open app share.

use crate::blocking::{Blocking, Party};
use crate::error::Typed;
use crate::files::DataDir;
use crate::metrics::Counters;
use crate::options::Options;
use crate::reads::{Lease, Pool};
use crate::schema::Schema;
use arc_swap::ArcSwap;
use basalt_base::{Monotonic, Result};
use basalt_store::TaskWatch;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// What belongs to the whole store.
pub(crate) struct Common {
    pub(crate) dir: DataDir,
    pub(crate) options: Options,
    pub(crate) counters: Counters,
    /// For reads that take long.
    pub(crate) reading: Blocking,
    /// For opening and deleting apps, which may have to wait for one that closes.
    pub(crate) opening: Blocking,
    /// For the registry, one thing at a time.
    pub(crate) registry: Blocking,
    /// For checkpoints.
    pub(crate) checkpointing: Blocking,
}

/// Threads that open and delete apps.
const OPENERS_MAX: usize = 4;
/// Threads that checkpoint: they wait for the disk, and the writers' commits do, too.
const CHECKPOINTERS_MAX: usize = 2;

impl Common {
    pub(crate) fn new(dir: DataDir, options: Options) -> Self {
        let queue_max = options.blocking_queue_max;
        Self {
            dir,
            counters: Counters::default(),
            reading: Blocking::new("store-read", options.blocking_threads_max, queue_max),
            opening: Blocking::new("store-open", OPENERS_MAX, queue_max),
            registry: Blocking::new("store-registry", 1, queue_max),
            checkpointing: Blocking::new("store-log", CHECKPOINTERS_MAX, queue_max),
            options,
        }
    }
}

/// When a snapshot was opened, and its connection.
pub(crate) type OpenSnapshot = (Monotonic, Weak<tokio::sync::Mutex<Option<Lease>>>);

/// One open app.
pub(crate) struct Shared {
    pub(crate) common: Arc<Common>,
    pub(crate) path: PathBuf,
    pub(crate) pool: Arc<Pool>,
    /// As of the last commit.
    pub(crate) schema: ArcSwap<Schema>,
    /// As of the last commit.
    pub(crate) position: AtomicU64,
    pub(crate) wal_pages: AtomicU64,
    pub(crate) snapshots: Mutex<Vec<OpenSnapshot>>,
    /// Who is told of tasks that became due.
    pub(crate) task_watches: Mutex<Vec<Weak<dyn TaskWatch>>>,
    checkpointing: AtomicBool,
    checkpointer: Mutex<Option<Connection>>,
}

impl Shared {
    pub(crate) fn new(common: Arc<Common>, path: PathBuf) -> Self {
        let pool = Arc::new(Pool::new(path.clone(), common.options.clone()));
        Self {
            common,
            path,
            pool,
            schema: ArcSwap::default(),
            position: AtomicU64::new(0),
            wal_pages: AtomicU64::new(0),
            snapshots: Mutex::default(),
            task_watches: Mutex::default(),
            checkpointing: AtomicBool::new(false),
            checkpointer: Mutex::new(None),
        }
    }

    /// This app among those that share threads.
    pub(crate) fn party(self: &Arc<Self>) -> Party {
        Party(Arc::as_ptr(self).addr())
    }

    /// Moves what it can from the log into the database file, on a background thread, without
    /// holding up readers or the writer.
    pub(crate) fn start_checkpoint(self: &Arc<Self>) {
        if self.checkpointing.swap(true, Ordering::SeqCst) {
            return;
        }
        let shared = self.clone();
        let started = self.common.checkpointing.start(self.party(), move || {
            if let Err(error) = shared.checkpoint() {
                tracing::warn!(?error, "a background checkpoint failed");
            }
            shared.checkpointing.store(false, Ordering::SeqCst);
        });
        if started.is_err() {
            self.checkpointing.store(false, Ordering::SeqCst);
        }
    }

    /// Closes snapshots that nobody reads from and that are too old: they keep the log from
    /// shrinking.
    pub(crate) fn expire_snapshots(&self) {
        let now = self.common.options.clock.monotonic();
        let age_max = self.common.options.snapshot_age_max;
        self.snapshots.lock().retain(|(opened, lease)| {
            let Some(lease) = lease.upgrade() else {
                return false;
            };
            if now.since(*opened) <= age_max {
                return true;
            }
            match lease.try_lock() {
                Ok(mut held) => {
                    *held = None;
                    false
                }
                Err(_) => true,
            }
        });
    }

    fn checkpoint(&self) -> Result<()> {
        let mut slot = self.checkpointer.lock();
        let conn = match slot.take() {
            Some(conn) => conn,
            None => crate::connection::open_checkpointer(&self.path, &self.common.options)?,
        };
        let _clearing = self.pool.clear_log();
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .typed()?;
        Counters::count(&self.common.counters.checkpoints);
        *slot = Some(conn);
        Ok(())
    }

    /// Closes the checkpointing connection, waiting for a checkpoint under way.
    pub(crate) fn close_checkpointer(&self) {
        drop(self.checkpointer.lock().take());
    }
}
