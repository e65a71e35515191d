//! The registry of apps in `system.db`.

use crate::blocking::Party;
use crate::connection::{Session, open_writer};
use crate::error::{Typed, corrupt, sqlite};
use crate::lease::{self, LeaseCall};
use crate::schema::{load, migrate};
use crate::shared::Common;
use basalt_base::{AppId, BoxFuture, Error, Map, Reason, Result, Timestamp, Value};
use basalt_store::{
    AppRow, Lease, LeaseView, Leases, Node, NodeView, Nodes, StoreId, SystemStore, codec,
};
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, Row, params};
use std::sync::Arc;
use std::time::Duration;

/// The registry. Each write is a transaction of its own; they are rare.
pub(crate) struct System {
    common: Arc<Common>,
    /// Opened anew by the next one to use it after a failure of the disk.
    session: Arc<Mutex<Option<Session>>>,
}

/// Opens or makes the registry's file.
fn open(common: &Common) -> Result<Session> {
    let path = common.dir.system_file();
    let mut session = open_writer(&path, &common.options)?;
    migrate::migrate(&mut session.conn, migrate::SYSTEM)?;
    session
        .conn
        .execute_batch("PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -256")
        .typed()?;
    if let Some(dir) = path.parent() {
        crate::files::sync_dir(dir)?;
    }
    Ok(session)
}

impl System {
    /// Opens or makes the registry. Blocks.
    pub(crate) fn open(common: Arc<Common>) -> Result<Self> {
        let session = open(&common)?;
        Ok(Self {
            common,
            session: Arc::new(Mutex::new(Some(session))),
        })
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (session, common) = (self.session.clone(), self.common.clone());
        let work = move || {
            let mut place = session.lock();
            let open = match place.take() {
                Some(open) => open,
                None => open(&common)?,
            };
            let result = work(&open.conn);
            match &result {
                // What the connection holds in memory may not be what is on the disk.
                Err(error) if is_doubtful(error) => {
                    tracing::error!(?error, "the registry failed; it is opened anew");
                }
                _ => *place = Some(open),
            }
            result
        };
        self.common.registry.run(Party(0), work).await
    }

    /// The same for what writes: a failure of the disk leaves open whether it was done.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.on_thread(work).await.map_err(|error| {
            if !is_doubtful(&error) {
                return error;
            }
            let message = "The store failed during commit: the write may or may not have happened.";
            Error::new(Reason::OutcomeUnknown, message).with_source(error)
        })
    }
}

/// Whether the disk failed under a statement.
fn is_doubtful(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    let cause = source.and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    let code = cause.and_then(rusqlite::Error::sqlite_error_code);
    matches!(
        code,
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn app_row(row: &Row<'_>) -> Result<AppRow> {
    Ok(AppRow {
        store_id: StoreId(row.get(0).typed()?),
        app_id: AppId::new(row.get::<_, String>(1).typed()?),
        account: row.get(2).typed()?,
        settings: load::map(&row.get::<_, String>(3).typed()?)?,
        created_at: Timestamp::from_millis(row.get(4).typed()?),
    })
}

fn settings_text(settings: Map) -> String {
    codec::encode_to_string(&Value::Map(settings))
}

fn changed_one(count: usize) -> Result<()> {
    match count {
        0 => Err(Error::new(Reason::ObjectNotFound, "No such app.")),
        _ => Ok(()),
    }
}

impl SystemStore for System {
    fn apps(&self) -> BoxFuture<'_, Result<Vec<AppRow>>> {
        Box::pin(self.on_thread(|conn| {
            let sql = "SELECT store_id, app_id, account, settings, created_at
                       FROM apps ORDER BY store_id";
            let mut statement = conn.prepare_cached(sql).typed()?;
            let mut rows = statement.query([]).typed()?;
            let mut apps = Vec::new();
            while let Some(row) = rows.next().typed()? {
                apps.push(app_row(row)?);
            }
            Ok(apps)
        }))
    }

    fn create_app<'a>(
        &'a self,
        app_id: &'a AppId,
        account: &'a str,
        settings: Map,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<AppRow>> {
        let (app_id, account) = (app_id.clone(), account.to_owned());
        Box::pin(self.write(move |conn| {
            let sql = "INSERT INTO apps (app_id, account, settings, created_at)
                       VALUES (?, ?, ?, ?)
                       RETURNING store_id, app_id, account, settings, created_at";
            let mut statement = conn.prepare_cached(sql).typed()?;
            let text = settings_text(settings);
            let mut rows = statement
                .query(params![app_id.as_str(), account, text, at.millis()])
                .typed()?;
            let made = match rows.next().map_err(taken)? {
                Some(row) => app_row(row)?,
                None => return Err(corrupt("an insert that returned nothing")),
            };
            // The transaction commits when the statement has run to its end.
            rows.next().typed()?;
            Ok(made)
        }))
    }

    fn update_app(&self, store_id: StoreId, settings: Map) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |conn| {
            conn.prepare_cached("UPDATE apps SET settings = ? WHERE store_id = ?")
                .and_then(|mut s| s.execute(params![settings_text(settings), store_id.0]))
                .typed()
                .and_then(changed_one)
        }))
    }

    fn remove_app(&self, store_id: StoreId) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |conn| {
            conn.prepare_cached("DELETE FROM apps WHERE store_id = ?")
                .and_then(|mut s| s.execute([store_id.0]))
                .typed()
                .and_then(changed_one)
        }))
    }

    fn registry_version(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.on_thread(|conn| {
            conn.prepare_cached("SELECT version FROM registry")
                .and_then(|mut s| s.query_row([], |row| row.get(0)))
                .map(Some)
                .typed()
        }))
    }

    fn leases(&self) -> &dyn Leases {
        self
    }

    fn nodes(&self) -> &dyn Nodes {
        self
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Vec<(StoreId, Timestamp)>>> {
        Box::pin(self.on_thread(|conn| {
            let mut statement = conn
                .prepare_cached("SELECT store_id, at FROM due")
                .typed()?;
            let rows = statement
                .query_map([], |row| {
                    Ok((StoreId(row.get(0)?), Timestamp::from_millis(row.get(1)?)))
                })
                .typed()?;
            rows.collect::<rusqlite::Result<_>>().typed()
        }))
    }

    fn set_next_due(&self, id: StoreId, due: Option<Timestamp>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |conn| {
            let at = due.map(Timestamp::millis);
            let sql = match at {
                Some(_) => {
                    "INSERT OR REPLACE INTO due SELECT store_id, ?2 FROM apps WHERE store_id = ?1"
                }
                None => "DELETE FROM due WHERE store_id = ?1 AND ?2 IS NULL",
            };
            conn.prepare_cached(sql)
                .and_then(|mut s| s.execute(params![id.0, at]))
                .map(drop)
                .typed()
        }))
    }
}

impl System {
    async fn lease(&self, call: LeaseCall) -> Result<Option<u64>> {
        let now = self.common.options.clock.now();
        self.write(move |conn| lease::apply(conn, now, &call)).await
    }
}

impl Leases for System {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        time: Duration,
    ) -> BoxFuture<'a, Result<Option<Lease>>> {
        Box::pin(async move {
            let token = self.lease(LeaseCall::acquire(name, holder, time)?).await?;
            Ok(token.map(|token| lease::made(name, holder, token)))
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease, time: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let call = LeaseCall::renew(lease, time)?;
            Ok(self.lease(call).await?.is_some())
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<()>> {
        let call = LeaseCall::Release(lease.clone());
        Box::pin(async move { self.lease(call).await.map(drop) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<LeaseView>>> {
        let now = self.common.options.clock.now();
        Box::pin(self.on_thread(move |conn| lease::list(conn, now)))
    }
}

impl Nodes for System {
    fn beat<'a>(&'a self, node: &'a Node, forget: Duration) -> BoxFuture<'a, Result<()>> {
        let (node, now) = (node.clone(), self.common.options.clock.now().millis());
        let forget = i64::try_from(forget.as_millis()).unwrap_or(i64::MAX);
        Box::pin(self.write(move |conn| {
            conn.prepare_cached(
                "INSERT INTO nodes VALUES (?1, ?2, ?3, ?4, ?4)
                 ON CONFLICT (id) DO UPDATE SET version = ?2, address = ?3, seen = ?4",
            )
            .and_then(|mut s| s.execute(params![&*node.id, &*node.version, &*node.address, now]))
            .typed()?;
            conn.prepare_cached("DELETE FROM nodes WHERE seen < ?")
                .and_then(|mut s| s.execute([now.saturating_sub(forget)]))
                .map(drop)
                .typed()
        }))
    }

    fn leave<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        let id = id.to_owned();
        Box::pin(self.write(move |conn| {
            conn.prepare_cached("DELETE FROM nodes WHERE id = ?")
                .and_then(|mut s| s.execute([id]))
                .map(drop)
                .typed()
        }))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<NodeView>>> {
        let now = self.common.options.clock.now().millis();
        Box::pin(self.on_thread(move |conn| {
            let sql = "SELECT id, version, address, since, seen FROM nodes ORDER BY since, id";
            let mut statement = conn.prepare_cached(sql).typed()?;
            let rows = statement.query_map([], |row| {
                let text = |at| row.get::<_, String>(at).map(String::into_boxed_str);
                let silent = now.saturating_sub(row.get(4)?).max(0);
                Ok(NodeView {
                    node: Node {
                        id: text(0)?,
                        version: text(1)?,
                        address: text(2)?,
                    },
                    since: Timestamp::from_millis(row.get(3)?),
                    silent: Duration::from_millis(silent.unsigned_abs()),
                })
            });
            rows.and_then(Iterator::collect).typed()
        }))
    }
}
fn taken(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Error::new(
            Reason::DuplicateValue,
            "An app with this id or account exists already.",
        ),
        _ => sqlite(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::DataDir;
    use crate::options::Options;

    #[tokio::test]
    async fn a_failing_disk_has_the_registry_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DataDir::lock(dir.path()).unwrap();
        let system = System::open(Arc::new(Common::new(lock, Options::default()))).unwrap();
        let failure = |code| {
            let error = rusqlite::ffi::Error::new(code);
            rusqlite::Error::SqliteFailure(error, None)
        };
        // Something that only this connection knows of.
        let begun = system.write(|conn| conn.execute_batch("BEGIN").typed());
        begun.await.unwrap();
        let busy = move |_: &Connection| Err::<(), _>(sqlite(failure(rusqlite::ffi::SQLITE_BUSY)));
        let error = system.write(busy).await.unwrap_err();
        assert_eq!(error.reason(), Reason::StoreUnavailable);
        let kept = system.on_thread(|conn| Ok(!conn.is_autocommit())).await;
        assert!(kept.unwrap());

        let code = rusqlite::ffi::SQLITE_IOERR_FSYNC;
        let failed = move |_: &Connection| Err::<(), _>(sqlite(failure(code)));
        let error = system.write(failed).await.unwrap_err();
        assert_eq!(error.reason(), Reason::OutcomeUnknown);
        let fresh = system.on_thread(|conn| Ok(conn.is_autocommit())).await;
        assert!(fresh.unwrap());
        assert!(system.apps().await.unwrap().is_empty());
    }
}
