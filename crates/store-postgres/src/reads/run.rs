//! Where a read runs, and how it stays exact beside other nodes.
//!
//! A statement that answers the whole read runs on a shared connection, and again on one of its own
//! when it takes long. It carries the catalogue's version along, from its own snapshot; made for
//! another version, its answer is thrown away and the catalogue is read again. Every other read runs
//! in a transaction.

use super::rows::Session;
use super::snapshot;
use crate::error::{Typed, corrupt, driver, is_lost, postgres};
use crate::metrics::Counters;
use crate::net::refs;
use crate::net::{Conn, Lease};
use crate::row::Param;
use crate::schema::Schema;
use crate::shared::Shared;
use basalt_base::{Error, Reason, Result};
use basalt_store::ReadOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

/// Attempts of a read whose connection is lost or whose catalogue is stale.
const ATTEMPTS_MAX: usize = 6;

/// A state of the app: the schema and the position that a read sees.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) schema: Arc<Schema>,
    pub(crate) position: u64,
}

/// Where an app's data stands: its catalogue version and the last position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) version: u64,
    pub(crate) position: u64,
}

/// Columns that a stamped statement has before those of the read.
pub(crate) const STAMP_LEN: usize = 2;

/// The statement with where the data stands in front of each row; without any row of its own it
/// yields one of NULLs.
pub(crate) fn stamped(schema: &str, sql: &str) -> String {
    format!(
        "SELECT s.version, s.position, q.* FROM
         (SELECT version, position FROM {schema}.basalt_state WHERE one) s
         LEFT JOIN ({sql}) q ON true"
    )
}

/// The statement that only says where the data stands.
pub(crate) fn stand_sql(schema: &str) -> String {
    format!("SELECT version, position FROM {schema}.basalt_state WHERE one")
}

/// Where the data stands, from the first row of a stamped statement.
pub(crate) fn stand(rows: &[Row]) -> Result<Stand> {
    let row = rows
        .first()
        .ok_or_else(|| corrupt("an app without its state"))?;
    Ok(Stand {
        version: row.try_get::<_, i64>(0).typed()?.cast_unsigned(),
        position: row.try_get::<_, i64>(1).typed()?.cast_unsigned(),
    })
}

/// Runs a read under its deadline.
pub(crate) async fn now<T>(
    options: ReadOptions,
    read: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(options.time_max, read).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(
            Reason::Timeout,
            "The query ran past its time limit.",
        )),
    }
}

/// What one statement of a read is.
pub(crate) enum Ask {
    /// This statement, its parameters and what makes the answer of its stamped rows.
    Statement(String, Vec<Param>),
    /// No statement is needed, but the catalogue has to be the newest.
    Nothing,
}

/// Runs a read of one statement, made by `ask` for a schema; returns the stamped rows, none when
/// nothing was asked, and what they are valid for.
pub(crate) async fn single(
    shared: &Shared,
    ask: impl Fn(&Schema) -> Result<Ask>,
) -> Result<(Vec<Row>, View)> {
    let mut attempts = Attempts::default();
    loop {
        let schema = shared.schema.load_full();
        let (sql, params) = match ask(&schema)? {
            Ask::Statement(sql, params) => (stamped(&shared.name, &sql), params),
            Ask::Nothing => (stand_sql(&shared.name), Vec::new()),
        };
        if let Some((rows, position)) = attempts.rows(shared, &schema, &sql, &params).await? {
            return Ok((rows, View { schema, position }));
        }
    }
}

/// Attempts of a read of one statement, made anew when the catalogue turns out to be stale.
#[derive(Default)]
pub(crate) struct Attempts(usize);

impl Attempts {
    /// The rows of a stamped statement that was made for the schema, and the position that they are
    /// valid at; `None` when it has to be made again.
    pub(crate) async fn rows(
        &mut self,
        shared: &Shared,
        schema: &Schema,
        sql: &str,
        params: &[Param],
    ) -> Result<Option<(Vec<Row>, u64)>> {
        self.0 += 1;
        let last = self.0 >= ATTEMPTS_MAX;
        match execute(shared, sql, params).await {
            Ok(rows) => {
                let stand = stand(&rows)?;
                shared.saw(stand.position);
                if stand.version == schema.catalogue.version {
                    return Ok(Some((rows, stand.position)));
                }
                if last {
                    return Err(unsettled());
                }
            }
            Err(error) if last || !may_pass(&error) => return Err(postgres_or(error)),
            Err(Failed::Statement(error)) if is_lost(&error) => {
                wait(self.0).await;
                return Ok(None);
            }
            Err(_) => {}
        }
        let conn = shared.common.lanes.pick().await?;
        match shared.reload(&conn, schema.catalogue.version).await {
            Err(error) if last || !driver(&error).is_some_and(is_lost) => Err(error),
            _ => Ok(None),
        }
    }
}

/// Why a statement gave no rows.
pub(crate) enum Failed {
    /// There is no connection for it.
    Connection(Error),
    /// The server refused it, or the connection broke.
    Statement(tokio_postgres::Error),
}

fn postgres_or(error: Failed) -> Error {
    match error {
        Failed::Connection(error) => error,
        Failed::Statement(error) => postgres(error),
    }
}

/// Whether a read may do better when it is tried again: the connection broke, or the catalogue is
/// so old that the tables or columns are gone.
fn may_pass(error: &Failed) -> bool {
    let Failed::Statement(error) = error else {
        return false;
    };
    is_lost(error)
        || error.code().is_some_and(|code| {
            *code == SqlState::UNDEFINED_TABLE
                || *code == SqlState::UNDEFINED_COLUMN
                || *code == SqlState::UNDEFINED_OBJECT
                || code.code().starts_with("40")
        })
}

pub(crate) fn unsettled() -> Error {
    Error::new(
        Reason::StoreUnavailable,
        "The schema changes too fast to read.",
    )
    .with_retry_after(Duration::from_secs(1))
}

async fn wait(attempt: usize) {
    let pause = Duration::from_millis(10 << attempt.min(6));
    tokio::time::sleep(pause).await;
}

/// Runs a statement on a shared connection, or on one of its own when it is known to take long.
async fn execute(shared: &Shared, sql: &str, params: &[Param]) -> Result<Vec<Row>, Failed> {
    let common = &shared.common;
    if !common.slow.lock().contains(sql) {
        let conn = common.lanes.pick().await.map_err(Failed::Connection)?;
        match conn.query(sql, &refs(params)).await {
            Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {}
            result => return result.map_err(Failed::Statement),
        }
        let mut slow = common.slow.lock();
        if slow.len() >= 1_000 {
            slow.clear();
        }
        slow.insert(sql.into());
    }
    Counters::count(&common.counters.reads_long);
    let mut lease = common.readers.lease().await.map_err(Failed::Connection)?;
    lease.begin();
    let conn = lease.conn().map_err(Failed::Connection)?.clone();
    let rows = conn.query(sql, &refs(params)).await;
    if rows.as_ref().is_ok() || !conn.is_closed() {
        lease.settle();
    }
    rows.map_err(Failed::Statement)
}

/// A transaction that a read of several statements, or of one whose rows Rust looks through, runs in.
pub(crate) struct Reading {
    lease: Lease,
    conn: Arc<Conn>,
    /// What it sees.
    pub(crate) view: View,
}

impl Reading {
    /// Begins one at the latest state.
    pub(crate) async fn begin(shared: &Shared) -> Result<Self> {
        Counters::count(&shared.common.counters.reads_long);
        let (lease, view) = snapshot::begin(shared).await?;
        let conn = lease.conn()?.clone();
        Ok(Self { lease, conn, view })
    }

    /// Where its statements run.
    pub(crate) fn session(&self) -> Session<'_> {
        Session { conn: &self.conn }
    }

    /// Ends it, so that its connection serves others, and hands the result on. Dropped without, it
    /// closes the connection.
    pub(crate) async fn finish<T>(mut self, result: T) -> T {
        snapshot::end(&mut self.lease).await;
        result
    }
}

/// Learns what other nodes committed.
pub(crate) async fn refresh(shared: &Shared) -> Result<basalt_store::Position> {
    let (_, view) = single(shared, |_| Ok(Ask::Nothing)).await?;
    Ok(basalt_store::Position(view.position))
}
