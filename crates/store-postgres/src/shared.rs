//! What the handle, the readers and the writer of an open app share.

use crate::error::Typed;
use crate::metrics::Counters;
use crate::net::{Conn, Lanes, Pool};
use crate::options::Options;
use crate::schema::{Schema, load};
use arc_swap::ArcSwap;
use basalt_base::{Monotonic, Result};
use basalt_store::{StoreId, TaskWatch};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};

/// What belongs to the whole store.
pub(crate) struct Common {
    pub(crate) options: Options,
    pub(crate) counters: Counters,
    pub(crate) lanes: Lanes,
    pub(crate) readers: Arc<Pool>,
    pub(crate) writers: Arc<Pool>,
    pub(crate) keepers: Arc<Pool>,
    pub(crate) builders: Arc<Pool>,
    /// Statements that ran past the limit of the shared connections: they get one of their own.
    pub(crate) slow: Mutex<HashSet<Box<str>>>,
}

impl Common {
    /// The PostgreSQL schema of an app.
    pub(crate) fn app_schema(&self, id: StoreId) -> String {
        format!("{}_app_{}", self.options.schema_prefix, id.0)
    }
}

/// One open app.
pub(crate) struct Shared {
    pub(crate) common: Arc<Common>,
    /// The PostgreSQL schema of the app.
    pub(crate) name: Arc<str>,
    /// The newest one known here.
    pub(crate) schema: ArcSwap<Schema>,
    /// The newest one known here.
    pub(crate) position: AtomicU64,
    /// Held while the catalogue is read again, so that one caller does it for all.
    reloading: tokio::sync::Mutex<()>,
    /// The numbers of queues, which never change.
    pub(crate) queues: Mutex<HashMap<Arc<str>, i64>>,
    /// When a change of the catalogue was last refused because of long reads.
    pub(crate) lock_refused_at: Mutex<Option<Monotonic>>,
    /// Those who wait for tasks.
    pub(crate) task_watches: Mutex<Vec<Weak<dyn TaskWatch>>>,
    /// Told when the catalogue was changed here: there may be an index to build.
    pub(crate) declared: Arc<tokio::sync::Notify>,
}

impl Shared {
    pub(crate) fn new(common: Arc<Common>, name: Arc<str>, schema: Schema, position: u64) -> Self {
        Self {
            common,
            name,
            schema: ArcSwap::from_pointee(schema),
            position: AtomicU64::new(position),
            reloading: tokio::sync::Mutex::default(),
            queues: Mutex::default(),
            lock_refused_at: Mutex::default(),
            task_watches: Mutex::default(),
            declared: Arc::default(),
        }
    }

    /// A position that was seen committed.
    pub(crate) fn saw(&self, position: u64) {
        self.position.fetch_max(position, SeqCst);
    }

    /// Takes a schema for the newest one, unless a newer one is known.
    pub(crate) fn publish(&self, schema: &Arc<Schema>) {
        self.schema.rcu(|known| {
            if known.catalogue.version < schema.catalogue.version {
                schema.clone()
            } else {
                known.clone()
            }
        });
    }

    /// Reads the catalogue again, unless the known one is no longer that of `stale`.
    pub(crate) async fn reload(&self, conn: &Conn, stale: u64) -> Result<()> {
        let _turn = self.reloading.lock().await;
        let known = self.schema.load_full();
        if known.catalogue.version > stale {
            return Ok(());
        }
        Counters::count(&self.common.counters.reloads);
        let rows = conn
            .query(&load::catalogue_sql(&self.name), &[])
            .await
            .typed()?;
        let fresh = Schema::of(&self.name, load::from_rows(&rows)?, Some(&known));
        self.publish(&Arc::new(fresh));
        Ok(())
    }
}
