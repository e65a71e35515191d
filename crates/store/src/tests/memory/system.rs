//! The registry.

use super::cluster::{LeaseTable, NodeTable};
use crate::{AppRow, StoreId, SystemStore};
use basalt_base::{AppId, BoxFuture, Error, Map, Reason, Result, Timestamp};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

#[derive(Default)]
pub struct System {
    rows: Mutex<(u32, Vec<AppRow>)>,
    version: AtomicU64,
    leases: LeaseTable,
    nodes: NodeTable,
    due: Mutex<BTreeMap<StoreId, Timestamp>>,
}

impl SystemStore for System {
    fn apps(&self) -> BoxFuture<'_, Result<Vec<AppRow>>> {
        let rows = self.rows.lock().unwrap().1.clone();
        Box::pin(async { Ok(rows) })
    }

    fn create_app<'a>(
        &'a self,
        app_id: &'a AppId,
        account: &'a str,
        settings: Map,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<AppRow>> {
        Box::pin(async move {
            let mut rows = self.rows.lock().unwrap();
            if rows.1.iter().any(|row| row.app_id == *app_id) {
                return Err(Error::new(Reason::DuplicateValue, "The app id is taken."));
            }
            rows.0 += 1;
            self.version.fetch_add(1, SeqCst);
            let row = AppRow {
                store_id: StoreId(rows.0),
                app_id: app_id.clone(),
                account: account.to_owned(),
                settings,
                created_at: at,
            };
            rows.1.push(row.clone());
            Ok(row)
        })
    }

    fn update_app(&self, store_id: StoreId, settings: Map) -> BoxFuture<'_, Result<()>> {
        let mut rows = self.rows.lock().unwrap();
        for row in rows.1.iter_mut().filter(|row| row.store_id == store_id) {
            row.settings.clone_from(&settings);
        }
        self.version.fetch_add(1, SeqCst);
        Box::pin(async { Ok(()) })
    }

    fn remove_app(&self, store_id: StoreId) -> BoxFuture<'_, Result<()>> {
        let mut rows = self.rows.lock().unwrap();
        rows.1.retain(|row| row.store_id != store_id);
        self.version.fetch_add(1, SeqCst);
        self.due.lock().unwrap().remove(&store_id);
        Box::pin(async { Ok(()) })
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Vec<(StoreId, Timestamp)>>> {
        let due = self.due.lock().unwrap().clone();
        Box::pin(async { Ok(due.into_iter().collect()) })
    }

    fn set_next_due(&self, id: StoreId, due: Option<Timestamp>) -> BoxFuture<'_, Result<()>> {
        let known = self.rows.lock().unwrap().1.iter().any(|r| r.store_id == id);
        let mut all = self.due.lock().unwrap();
        match due.filter(|_| known) {
            Some(due) => drop(all.insert(id, due.truncate_to_millis())),
            None => drop(all.remove(&id)),
        }
        Box::pin(async { Ok(()) })
    }

    fn registry_version(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async { Ok(Some(self.version.load(SeqCst))) })
    }

    fn leases(&self) -> &dyn crate::Leases {
        &self.leases
    }

    fn nodes(&self) -> &dyn crate::Nodes {
        &self.nodes
    }
}
