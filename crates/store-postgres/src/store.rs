//! The store: a database with the registry and the apps.

use crate::app::App;
use crate::error::Typed;
use crate::metrics::{Counters, reading};
use crate::net::{Lanes, Pool, Role, Target, schema_of};
use crate::options::Options;
use crate::schema::{Schema, load, migrate};
use crate::shared::{Common, Shared};
use crate::system::System;
use basalt_base::{BoxFuture, Error, Reason, Result};
use basalt_store::{AppStore, Reading, Store, StoreId, SystemStore};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// The store in a PostgreSQL database, which other nodes may use at the same time.
pub struct PostgresStore {
    common: Arc<Common>,
    system: System,
    apps: Mutex<HashMap<StoreId, Slot>>,
}

/// An app's place in the table. The lock of one is held while that app opens or is deleted, so
/// that two openers share one writer.
type Slot = Arc<tokio::sync::Mutex<Weak<App>>>;

impl PostgresStore {
    /// Connects to a database and makes the registry when there is none. Needs a tokio runtime, here
    /// and for everything else.
    ///
    /// `url` is `postgres://user:password@host:port/database`, with `sslmode` (`disable`, `prefer`,
    /// `require`, `verify-ca`, `verify-full`) and `sslrootcert` (a PEM file) behind a `?` if wanted. `basalt_schema` overrides
    /// [`Options::schema_prefix`].
    /// Fails with `InvalidValue` for another URL, `StoreUnavailable` when the server can't be
    /// reached, `StoreVersion` when a newer version of this server wrote the registry.
    pub async fn open(url: &str, mut options: Options) -> Result<Arc<Self>> {
        if let Some(schema) = schema_of(url) {
            schema.clone_into(&mut options.schema_prefix);
        }
        let valid = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
        if !options
            .schema_prefix
            .starts_with(|c: char| c.is_ascii_lowercase())
            || !options.schema_prefix.chars().all(valid)
            || options.schema_prefix.len() > 40
        {
            let message = "The prefix of the schemas must be lower-case letters, digits and _.";
            return Err(Error::new(Reason::InvalidValue, message));
        }
        let target = Target::parse(url, &options)?;
        let pool = |role, max| Pool::new(target.clone(), options.clone(), role, max);
        let common = Arc::new(Common {
            lanes: Lanes::new(target.clone(), options.clone()),
            readers: pool(Role::Reader, options.connections_max),
            writers: pool(Role::Writer, options.writers_max),
            keepers: pool(Role::Keeper, 2),
            builders: pool(Role::Builder, 1),
            counters: Counters::default(),
            slow: Mutex::default(),
            options: options.clone(),
        });
        let system = System::open(common.clone()).await?;
        Ok(Arc::new(Self {
            common,
            system,
            apps: Mutex::default(),
        }))
    }

    fn slot(&self, id: StoreId) -> Slot {
        self.apps.lock().entry(id).or_default().clone()
    }

    async fn open_now(&self, id: StoreId) -> Result<App> {
        let name: Arc<str> = self.common.app_schema(id).into();
        let mut lease = self.common.keepers.lease().await?;
        lease.begin();
        migrate::migrate(lease.conn()?, &name, migrate::APP).await?;
        lease.settle();
        let sql = load::catalogue_sql(&name);
        let rows = self.common.lanes.read(&sql, &[]).await?;
        let schema = Schema::of(&name, load::from_rows(&rows)?, None);
        let shared = Arc::new(Shared::new(self.common.clone(), name, schema, 0));
        crate::reads::refresh(&shared).await?;
        Ok(App::new(shared))
    }
}

impl Store for PostgresStore {
    fn system(&self) -> &dyn SystemStore {
        &self.system
    }

    fn open_app(&self, id: StoreId) -> BoxFuture<'_, Result<Arc<dyn AppStore>>> {
        Box::pin(async move {
            let slot = self.slot(id);
            let mut slot = slot.lock().await;
            if let Some(app) = slot.upgrade() {
                return Ok(app as Arc<dyn AppStore>);
            }
            let app = Arc::new(self.open_now(id).await?);
            *slot = Arc::downgrade(&app);
            Ok(app as Arc<dyn AppStore>)
        })
    }

    fn delete_app(&self, id: StoreId) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let slot = self.slot(id);
            let slot = slot.lock().await;
            if slot.strong_count() > 0 {
                return Err(Error::new(Reason::StoreUnavailable, "The app is open."));
            }
            let lease = self.common.keepers.lease().await?;
            let name = self.common.app_schema(id);
            let sql = format!("DROP SCHEMA IF EXISTS {name} CASCADE");
            lease.conn()?.client.batch_execute(&sql).await.typed()?;
            self.apps.lock().remove(&id);
            Ok(())
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn metrics(&self) -> Vec<Reading> {
        let slots: Vec<Slot> = self.apps.lock().values().cloned().collect();
        let open = slots
            .iter()
            .filter(|slot| slot.try_lock().is_ok_and(|slot| slot.strong_count() > 0));
        let open = open.count() as u64;
        let common = &self.common;
        let idle = common.readers.idle_count() + common.writers.idle_count();
        let mut readings = common.counters.readings();
        readings.push(reading("basalt_store_open_apps", open));
        readings.push(reading(
            "basalt_store_shared_connections",
            common.lanes.open_count() as u64,
        ));
        readings.push(reading("basalt_store_idle_connections", idle as u64));
        readings
    }
}
