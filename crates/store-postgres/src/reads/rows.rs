//! Rows of a statement inside a transaction, all at once or as they come.

use crate::error::Typed;
use crate::net::{Conn, refs};
use crate::row;
use crate::sql::Plan;
use basalt_base::Result;
use basalt_store::{Query, Record, eval};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio_postgres::Row;

/// Rows that are asked for at a time.
const CHUNK: usize = 500;

/// Of the cursors of this process.
static CURSORS: AtomicU64 = AtomicU64::new(0);

/// A connection in a transaction.
pub(crate) struct Session<'a> {
    pub(crate) conn: &'a Conn,
}

impl Session<'_> {
    /// All rows of a statement.
    pub(crate) async fn all(&self, sql: &str, params: &[row::Param]) -> Result<Vec<Row>> {
        self.conn.query(sql, &refs(params)).await.typed()
    }

    /// Hands the rows of a statement to `sink` in chunks until it breaks.
    pub(crate) async fn stream(
        &self,
        sql: &str,
        params: &[row::Param],
        mut sink: impl FnMut(&Row) -> Result<ControlFlow<()>> + Send,
    ) -> Result<()> {
        let client = &self.conn.client;
        // A name of its own: one whose caller goes away stays open until the transaction ends.
        let name = format!("basalt_rows_{}", CURSORS.fetch_add(1, Relaxed));
        let declare = format!("DECLARE {name} NO SCROLL CURSOR FOR {sql}");
        client.execute(&declare, &refs(params)).await.typed()?;
        let fetch = client
            .prepare(&format!("FETCH {CHUNK} FROM {name}"))
            .await
            .typed()?;
        let mut result = Ok(ControlFlow::Continue(()));
        while matches!(result, Ok(ControlFlow::Continue(()))) {
            let rows = client.query(&fetch, &[]).await.typed()?;
            for row in &rows {
                result = sink(row);
                if !matches!(result, Ok(ControlFlow::Continue(()))) {
                    break;
                }
            }
            if rows.len() < CHUNK {
                break;
            }
        }
        let closed = client.batch_execute(&format!("CLOSE {name}")).await.typed();
        result.and(closed)
    }

    /// Hands each match and its row number to `sink`, before skip and limit unless SQL applied them.
    pub(crate) async fn each_match(
        &self,
        query: &Query,
        plan: &Plan<'_>,
        mut sink: impl FnMut(i64, Record) -> Result<ControlFlow<()>> + Send,
    ) -> Result<()> {
        let mut each = |row: &Row| match matching(row, 0, query, plan)? {
            Some((number, record)) => sink(number, record),
            None => Ok(ControlFlow::Continue(())),
        };
        if plan.slices_in_sql() {
            for row in self.all(&plan.sql, &plan.params).await? {
                if each(&row)?.is_break() {
                    break;
                }
            }
            return Ok(());
        }
        self.stream(&plan.sql, &plan.params, each).await
    }
}

/// The row number and object of a row, from column `at` on; `None` when Rust says that it does not
/// match.
pub(super) fn matching(
    row: &Row,
    at: usize,
    query: &Query,
    plan: &Plan<'_>,
) -> Result<Option<(i64, Record)>> {
    let number = row.try_get(at).typed()?;
    let columns = plan.columns.iter().copied();
    let record = row::record(row, at + 1, columns, |name| plan.reads_null(name))?;
    if plan.rechecks() && !eval::matches(&query.filter, &record)? {
        return Ok(None);
    }
    Ok(Some((number, record)))
}
