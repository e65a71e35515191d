//! The store: a data directory with the registry and the apps.

use crate::app::App;
use crate::blocking::Party;
use crate::files::DataDir;
use crate::metrics::reading;
use crate::options::Options;
use crate::presence::Gate;
use crate::shared::{Common, Shared};
use crate::system::System;
use basalt_base::{BoxFuture, Error, Reason, Result};
use basalt_store::{AppStore, Reading, Store, StoreId, SystemStore};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};

/// Bytes of a page and of its frame in the write-ahead log.
const WAL_PAGE_BYTES: u64 = 4_096 + 24;

/// The embedded store.
pub struct SqliteStore {
    common: Arc<Common>,
    system: System,
    apps: Mutex<HashMap<StoreId, Arc<Slot>>>,
    /// Until the store is dropped.
    open: Arc<AtomicBool>,
}

/// An app's place in the table.
#[derive(Default)]
struct Slot {
    /// The lock is held while that app opens or is deleted, so that two openers share one writer.
    app: Mutex<Weak<App>>,
    /// Taken until the writer of an app that was dropped has closed the file.
    gate: Arc<Gate>,
}

impl SqliteStore {
    /// Opens a data directory, making it when there is none. Blocks for a few milliseconds.
    ///
    /// Fails with `StoreLocked` when another server uses the directory and with `StoreVersion`
    /// when a newer version of this server wrote it.
    pub fn open(data_dir: impl AsRef<Path>, options: Options) -> Result<Arc<Self>> {
        let dir = DataDir::lock(data_dir.as_ref())?;
        let common = Arc::new(Common::new(dir, options));
        let system = System::open(common.clone())?;
        Ok(Arc::new(Self {
            common,
            system,
            apps: Mutex::default(),
            open: Arc::new(AtomicBool::new(true)),
        }))
    }

    fn slot(&self, id: StoreId) -> Arc<Slot> {
        self.apps.lock().entry(id).or_default().clone()
    }
}

fn open_now(
    common: &Arc<Common>,
    slot: &Slot,
    id: StoreId,
    store_open: Arc<AtomicBool>,
) -> Result<Arc<App>> {
    let mut place = slot.app.lock();
    if let Some(app) = place.upgrade() {
        return Ok(app);
    }
    let presence = slot.gate.enter();
    let path = common.dir.make_app_dir(id)?;
    let shared = Arc::new(Shared::new(common.clone(), path));
    let app = Arc::new(App::open(shared, presence, store_open)?);
    *place = Arc::downgrade(&app);
    Ok(app)
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // An app that is dropped from now on waits for its writer itself; those that were dropped
        // before are waited for here. Then the directory is free for whoever opens it next.
        self.open.store(false, SeqCst);
        for slot in self.apps.lock().values() {
            if slot.app.lock().strong_count() == 0 {
                drop(slot.gate.enter());
            }
        }
    }
}

/// An app among those that share threads, before it is open.
fn party(id: StoreId) -> Party {
    Party(usize::try_from(id.0).unwrap_or_default())
}

impl Store for SqliteStore {
    fn system(&self) -> &dyn SystemStore {
        &self.system
    }

    fn open_app(&self, id: StoreId) -> BoxFuture<'_, Result<Arc<dyn AppStore>>> {
        Box::pin(async move {
            let slot = self.slot(id);
            let open = slot.app.try_lock().and_then(|app| app.upgrade());
            if let Some(app) = open {
                return Ok(app as Arc<dyn AppStore>);
            }
            let (common, open) = (self.common.clone(), self.open.clone());
            let work = move || open_now(&common, &slot, id, open);
            let app = self.common.opening.run(party(id), work).await?;
            Ok(app as Arc<dyn AppStore>)
        })
    }

    fn delete_app(&self, id: StoreId) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (slot, common) = (self.slot(id), self.common.clone());
            let work = move || {
                let app = slot.app.lock();
                if app.strong_count() > 0 {
                    return Err(Error::new(Reason::StoreUnavailable, "The app is open."));
                }
                let _presence = slot.gate.enter();
                common.dir.remove_app_dir(id)
            };
            // Its place stays in the table: somebody may be about to open the app again with it.
            self.common.opening.run(party(id), work).await
        })
    }

    fn metrics(&self) -> Vec<Reading> {
        let slots: Vec<Arc<Slot>> = self.apps.lock().values().cloned().collect();
        let open = slots
            .iter()
            .filter_map(|slot| slot.app.try_lock()?.upgrade());
        let pages: Vec<u64> = open.map(|app| app.shared.wal_pages.load(Relaxed)).collect();
        let mut readings = self.common.counters.readings();
        readings.push(reading("basalt_store_open_apps", pages.len() as u64));
        let wal_bytes = pages.iter().sum::<u64>() * WAL_PAGE_BYTES;
        readings.push(reading("basalt_store_wal_bytes", wal_bytes));
        readings
    }
}
