//! Several reads at one state: a transaction at REPEATABLE READ.

use super::rows::Session;
use super::run::{self, View};
use super::{collect, find};
use crate::error::{is_lost, postgres};
use crate::net::{Conn, Lease};
use crate::shared::Shared;
use basalt_base::{BoxFuture, Error, Monotonic, Reason, Result, Value};
use basalt_store::{Found, Path, Position, Query, ReadOptions, Reads, Record, Snapshot};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::Mutex;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Begins a transaction and says what it sees. Until [`end`], dropping the lease closes the
/// connection.
pub(super) async fn begin(shared: &Shared) -> Result<(Lease, View)> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut lease = shared.common.readers.lease().await?;
        lease.begin();
        let conn = lease.conn()?.clone();
        let sql = run::stand_sql(&shared.name);
        let prepared = conn.statement(&sql).await;
        let (begun, rows) = match prepared {
            // Both are sent before the first is answered.
            Ok(statement) => tokio::join!(
                biased;
                conn.client.batch_execute(BEGIN),
                conn.client.query(&statement, &[])
            ),
            Err(error) => (Err(error), Ok(Vec::new())),
        };
        let rows = match begun.and(rows) {
            Ok(rows) => rows,
            // An idle connection may have died with a restart of the server.
            Err(error) if is_lost(&error) && attempt < 20 => continue,
            Err(error) => return Err(postgres(error)),
        };
        let stand = run::stand(&rows)?;
        shared.saw(stand.position);
        let mut schema = shared.schema.load_full();
        if schema.catalogue.version < stand.version {
            shared.reload(&conn, schema.catalogue.version).await?;
            schema = shared.schema.load_full();
        }
        if schema.catalogue.version == stand.version {
            let position = stand.position;
            return Ok((lease, View { schema, position }));
        }
        // A newer catalogue than the transaction sees: the next one will see it.
        end(&mut lease).await;
        if attempt >= 50 {
            return Err(run::unsettled());
        }
    }
}

/// Ends the transaction, so that the connection may be used again.
pub(super) async fn end(lease: &mut Lease) {
    let Ok(conn) = lease.conn().cloned() else {
        return;
    };
    if conn.client.batch_execute("ROLLBACK").await.is_ok() {
        lease.settle();
    }
}

/// A snapshot: a connection in a read transaction.
pub(crate) struct HeldSnapshot {
    shared: Arc<Shared>,
    /// Reads of one snapshot take turns.
    lease: Arc<Mutex<Option<Lease>>>,
    view: View,
    opened: Monotonic,
}

/// Opens a snapshot of the latest state.
pub(crate) async fn open(shared: &Arc<Shared>) -> Result<HeldSnapshot> {
    let (lease, view) = begin(shared).await?;
    Ok(HeldSnapshot {
        shared: shared.clone(),
        lease: Arc::new(Mutex::new(Some(lease))),
        view,
        opened: shared.common.options.clock.monotonic(),
    })
}

impl Drop for HeldSnapshot {
    fn drop(&mut self) {
        let lease = self.lease.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if let Some(mut lease) = lease.lock().await.take() {
                end(&mut lease).await;
            }
        });
    }
}

fn expired() -> Error {
    Error::new(Reason::Timeout, "The snapshot was open for too long.")
}

/// A snapshot's connection for one read.
struct Turn<'a> {
    conn: Arc<Conn>,
    _held: tokio::sync::MutexGuard<'a, Option<Lease>>,
}

impl Turn<'_> {
    fn session(&self) -> Session<'_> {
        Session { conn: &self.conn }
    }

    /// A read that failed because the server closed the connection came too late.
    fn result<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if self.conn.is_closed() => Err(expired().with_source(error)),
            result => result,
        }
    }
}

impl HeldSnapshot {
    async fn turn(&self) -> Result<Turn<'_>> {
        let held = self.lease.lock().await;
        let now = self.shared.common.options.clock.monotonic();
        let too_old = now.since(self.opened) > self.shared.common.options.snapshot_age_max;
        let Some(lease) = held.as_ref().filter(|_| !too_old) else {
            return Err(expired());
        };
        let conn = lease.conn()?.clone();
        Ok(Turn { conn, _held: held })
    }
}

impl Reads for HeldSnapshot {
    fn find<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<Found>> {
        Box::pin(run::now(options, async move {
            let turn = self.turn().await?;
            turn.result(find::find(&turn.session(), &self.view, query).await)
        }))
    }

    fn get<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Record>>> {
        Box::pin(run::now(ReadOptions::default(), async move {
            let turn = self.turn().await?;
            turn.result(find::by_id_in(&turn.session(), &self.view, collection, id).await)
        }))
    }

    fn count<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<u64>> {
        Box::pin(run::now(options, async move {
            let turn = self.turn().await?;
            turn.result(collect::count(&turn.session(), &self.view, query).await)
        }))
    }

    fn distinct<'a>(
        &'a self,
        query: &'a Query,
        path: &'a Path,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Value>>> {
        Box::pin(run::now(options, async move {
            let turn = self.turn().await?;
            turn.result(collect::distinct(&turn.session(), &self.view, query, path).await)
        }))
    }

    fn scan<'a>(
        &'a self,
        query: Query,
        options: ReadOptions,
        mut sink: Box<dyn FnMut(Record) -> ControlFlow<()> + Send + 'static>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(run::now(options, async move {
            let turn = self.turn().await?;
            turn.result(find::scan(&turn.session(), &self.view, &query, &mut *sink).await)
        }))
    }
}

impl Snapshot for HeldSnapshot {
    fn position(&self) -> Position {
        Position(self.view.position)
    }
}
