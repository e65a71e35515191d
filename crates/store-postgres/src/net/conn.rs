//! A connection with its prepared statements.

use super::tls::Tls;
use crate::error::is_lost;
use basalt_base::BoxFuture;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::task::Poll;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

/// Parameters of a statement.
pub(crate) type Params<'a> = [&'a (dyn ToSql + Sync)];

/// Parameters as the driver takes them.
pub(crate) fn refs(params: &[crate::row::Param]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|p| p as &(dyn ToSql + Sync)).collect()
}

/// Prepared statements kept on a connection; with more, all are let go.
const STATEMENTS_MAX: usize = 1_000;
/// Longer statements hold long lists and are not worth keeping.
const STATEMENT_BYTES_MAX: usize = 16 * 1024;

/// A connection.
pub(crate) struct Conn {
    pub(crate) client: Client,
    tls: Tls,
    statements: Mutex<HashMap<Box<str>, Statement>>,
    /// Statements under way.
    busy: AtomicUsize,
    warnings: Arc<AtomicU64>,
    /// The server said that it ends the session; the socket closes a moment later.
    lost: AtomicBool,
}

impl Conn {
    pub(super) fn new(client: Client, tls: Tls, warnings: Arc<AtomicU64>) -> Self {
        Self {
            client,
            tls,
            statements: Mutex::default(),
            busy: AtomicUsize::new(0),
            warnings,
            lost: AtomicBool::new(false),
        }
    }

    /// The prepared statement of that text.
    pub(crate) async fn statement(&self, sql: &str) -> Result<Statement, Error> {
        if let Some(known) = self.statements.lock().get(sql) {
            return Ok(known.clone());
        }
        let made = self.client.prepare(sql).await?;
        if sql.len() <= STATEMENT_BYTES_MAX {
            let mut statements = self.statements.lock();
            if statements.len() >= STATEMENTS_MAX {
                statements.clear();
            }
            statements.insert(sql.into(), made.clone());
        }
        Ok(made)
    }

    /// Runs a prepared statement.
    pub(crate) async fn query(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        let _busy = Busy::on(&self.busy);
        let rows = match self.statement(sql).await {
            Ok(statement) => self.client.query(&statement, params).await,
            Err(error) => Err(error),
        };
        if rows.as_ref().is_err_and(is_lost) {
            self.lost.store(true, SeqCst);
        }
        rows
    }

    /// Statements under way.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Relaxed)
    }

    /// Lets the prepared statements go: those made for columns that were rolled back would be found
    /// again when another transaction gives the columns' numbers to other types.
    pub(crate) fn forget(&self) {
        self.statements.lock().clear();
    }

    /// How many warnings the server sent so far; those before an answer are counted when it comes.
    ///
    /// A COMMIT whose wait for a standby is cancelled is answered as done, behind a warning.
    pub(crate) fn warnings(&self) -> u64 {
        self.warnings.load(SeqCst)
    }

    /// Whether it is of no more use.
    pub(crate) fn is_closed(&self) -> bool {
        self.lost.load(SeqCst) || self.client.is_closed()
    }

    /// Stops the statement under way, in the background.
    pub(crate) fn cancel(self: &Arc<Self>) {
        let (token, tls) = (self.client.cancel_token(), self.tls.clone());
        let kept = self.clone();
        tokio::spawn(async move {
            let cancelled = token.cancel_query(tls).await;
            drop(kept);
            if let Err(error) = cancelled {
                tracing::debug!(%error, "a query could not be cancelled");
            }
        });
    }
}

struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn on(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Waits for all of these, having started them in this order: so their statements reach the server
/// in this order, without waiting for each other's answers.
pub(crate) async fn in_order<T: Send>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    let futures_len = futures.len();
    let mut first_open = 0;
    let mut started = false;
    std::future::poll_fn(move |cx| {
        let mut look = |at: usize| {
            if done[at].is_none()
                && let Poll::Ready(output) = futures[at].as_mut().poll(cx)
            {
                done[at] = Some(output);
            }
            done[at].is_some()
        };
        if !started {
            started = true;
            for at in 0..futures_len {
                look(at);
            }
        }
        // Answers come in the same order: only the oldest open one is looked at.
        while first_open < futures_len {
            if !look(first_open) {
                return Poll::Pending;
            }
            first_open += 1;
        }
        Poll::Ready(done.drain(..).flatten().collect())
    })
    .await
}
