//! The suite that every store passes.

use basalt_base::BoxFuture;
use basalt_store::Store;
use basalt_store::conformance::Harness;
use basalt_store_sqlite::{Options, SqliteStore};
use std::sync::Arc;

struct Dir(tempfile::TempDir);

impl Harness for Dir {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        let store = SqliteStore::open(self.0.path(), Options::default()).unwrap();
        Box::pin(async move { store as Arc<dyn Store> })
    }
}

basalt_store::conformance_tests!(|| Dir(tempfile::tempdir().unwrap()));
basalt_store::cluster_conformance_tests!(|| Dir(tempfile::tempdir().unwrap()));
basalt_store::task_conformance_tests!(|| Dir(tempfile::tempdir().unwrap()));
