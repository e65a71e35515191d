//! The store: a data directory with the registry and the apps.

use crate::app::App;
use crate::blocking::Blocking;
use crate::files::DataDir;
use crate::metrics::{Counters, reading};
use crate::options::Options;
use crate::shared::{Common, Shared};
use crate::system::System;
use basalt_base::{BoxFuture, Error, Reason, Result};
use basalt_store::{AppStore, Reading, Store, StoreId, SystemStore};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

/// Bytes of a page and of its frame in the write-ahead log.
const WAL_PAGE_BYTES: u64 = 4_096 + 24;

/// The embedded store.
pub struct SqliteStore {
    common: Arc<Common>,
    system: System,
    apps: Arc<Mutex<HashMap<StoreId, Slot>>>,
}

/// An app's place in the table. The lock of one is held while that app opens or is deleted, so
/// that two openers share one writer.
type Slot = Arc<Mutex<Weak<App>>>;

impl SqliteStore {
    /// Opens a data directory, making it when there is none. Blocks for a few milliseconds.
    ///
    /// Fails with `StoreLocked` when another server uses the directory and with `StoreVersion`
    /// when a newer version of this server wrote it.
    pub fn open(data_dir: impl AsRef<Path>, options: Options) -> Result<Arc<Self>> {
        let dir = DataDir::lock(data_dir.as_ref())?;
        let blocking = Blocking::new(options.blocking_threads_max, options.blocking_queue_max);
        let common = Arc::new(Common {
            dir,
            options,
            counters: Counters::default(),
            blocking,
        });
        let system = System::open(common.clone())?;
        Ok(Arc::new(Self {
            common,
            system,
            apps: Arc::default(),
        }))
    }

    fn slot(&self, id: StoreId) -> Slot {
        self.apps.lock().entry(id).or_default().clone()
    }

    fn open_now(common: &Arc<Common>, slot: &Slot, id: StoreId) -> Result<Arc<App>> {
        let mut slot = slot.lock();
        if let Some(app) = slot.upgrade() {
            return Ok(app);
        }
        let path = common.dir.make_app_dir(id)?;
        let app = Arc::new(App::open(Arc::new(Shared::new(common.clone(), path)))?);
        *slot = Arc::downgrade(&app);
        Ok(app)
    }
}

impl Store for SqliteStore {
    fn system(&self) -> &dyn SystemStore {
        &self.system
    }

    fn open_app(&self, id: StoreId) -> BoxFuture<'_, Result<Arc<dyn AppStore>>> {
        Box::pin(async move {
            let slot = self.slot(id);
            let open = slot.try_lock().and_then(|slot| slot.upgrade());
            if let Some(app) = open {
                return Ok(app as Arc<dyn AppStore>);
            }
            let common = self.common.clone();
            let work = move || Self::open_now(&common, &slot, id);
            let app = self.common.blocking.run(work).await?;
            Ok(app as Arc<dyn AppStore>)
        })
    }

    fn delete_app(&self, id: StoreId) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (slot, common) = (self.slot(id), self.common.clone());
            let work = move || {
                let slot = slot.lock();
                if slot.strong_count() > 0 {
                    return Err(Error::new(Reason::StoreUnavailable, "The app is open."));
                }
                common.dir.remove_app_dir(id)
            };
            self.common.blocking.run(work).await?;
            self.apps.lock().remove(&id);
            Ok(())
        })
    }

    fn metrics(&self) -> Vec<Reading> {
        let slots: Vec<Slot> = self.apps.lock().values().cloned().collect();
        let open = slots.iter().filter_map(|slot| slot.try_lock()?.upgrade());
        let pages: Vec<u64> = open.map(|app| app.shared.wal_pages.load(Relaxed)).collect();
        let mut readings = self.common.counters.readings();
        readings.push(reading("basalt_store_open_apps", pages.len() as u64));
        let wal_bytes = pages.iter().sum::<u64>() * WAL_PAGE_BYTES;
        readings.push(reading("basalt_store_wal_bytes", wal_bytes));
        readings
    }
}
