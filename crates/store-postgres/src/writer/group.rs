//! Group commit: what waits is applied in one transaction and answered after its COMMIT.
//!
//! A group that fails is run again: as it is when it only lost against another one or lost its
//! connection before COMMIT was sent, in halves when one of its batches is at fault.

use super::flush::{self, Order};
use super::locks::{self, Locks};
use super::prefetch::{self, Begun};
use super::tx::Tx;
use super::{Message, Outcomes, apply, tasks};
use crate::error::{driver, is_conflict, is_unsendable, postgres};
use crate::metrics::Counters;
use crate::net::{Conn, Lease, in_order, refs};
use crate::row::Param;
use crate::schema::{Layout, ddl, duplicate, refresh_views};
use crate::shared::Shared;
use basalt_base::{BoxFuture, Error, Reason, Result};
use basalt_store::{WriteBatch, Written};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// Once its changes take as many bytes, a group takes no more batches.
const GROUP_BYTES_MAX: u64 = flush::STATEMENT_BYTES_MAX as u64;
/// Times that a group is tried again because of others.
const TRIES_MAX: u32 = 8;

/// How an attempt to commit batches ended.
enum Attempt {
    /// So many of them are done, with these results; the rest needs a transaction of its own.
    Done(Vec<Result<Vec<Written>>>),
    /// The catalogue was not the newest; it is now.
    Stale,
    /// Nothing was written; may go better another time.
    Again(Error),
    /// Nothing was written, because of one of the batches.
    Faulty(Error),
    /// Nothing was written: the first batch changes the catalogue and did not get its lock in time.
    Locked(Error),
    /// It may or may not be written.
    Unknown(Error),
}

/// Does what was asked, in order.
pub(super) async fn run_all(shared: Arc<Shared>, messages: Vec<Message>) {
    let mut requests = Vec::new();
    for message in messages {
        match message {
            Message::Write(batches, reply) => requests.push((batches, reply)),
            Message::Clear(reply) => {
                group(&shared, std::mem::take(&mut requests)).await;
                let _ = reply.send(clear(&shared).await);
            }
        }
    }
    group(&shared, requests).await;
}

type Request = (
    Vec<WriteBatch>,
    tokio::sync::oneshot::Sender<Result<Outcomes>>,
);

async fn group(shared: &Shared, requests: Vec<Request>) {
    if requests.is_empty() {
        return;
    }
    let batches: Vec<&WriteBatch> = requests.iter().flat_map(|(batches, _)| batches).collect();
    let mut outcomes = run(shared, &batches).await.into_iter();
    for (batches, reply) in requests {
        let own: Outcomes = outcomes.by_ref().take(batches.len()).collect();
        let unknown = own.iter().position(|outcome| {
            let error = outcome.as_ref().err();
            error.is_some_and(|e| e.reason() == Reason::OutcomeUnknown)
        });
        // Nobody may be waiting any more; the writes stay.
        let _ = reply.send(match unknown {
            Some(_) => Err(unknown_outcome()),
            None => Ok(own),
        });
    }
}

fn unknown_outcome() -> Error {
    Error::new(
        Reason::OutcomeUnknown,
        "The store failed during commit: the write may or may not have happened.",
    )
}

fn unavailable(source: Error) -> Error {
    if matches!(source.reason(), Reason::StoreVersion | Reason::Overloaded) {
        return source;
    }
    Error::new(Reason::StoreUnavailable, "The store can't write right now.")
        .with_retry_after(Duration::from_secs(1))
        .with_source(source)
}

/// What each of the batches came to.
async fn run(shared: &Shared, batches: &[&WriteBatch]) -> Vec<Result<Vec<Written>>> {
    let mut outcomes: Vec<Option<Result<Vec<Written>>>> = batches.iter().map(|_| None).collect();
    let mut ranges: VecDeque<Range<usize>> = std::iter::once(0..batches.len()).collect();
    let mut tries = 0;
    let mut locks = Locks::default();
    let clock = &shared.common.options.clock;
    let fail = |outcomes: &mut Vec<Option<_>>, range: Range<usize>, error: &dyn Fn() -> Error| {
        Counters::count(&shared.common.counters.commits_failed);
        for outcome in &mut outcomes[range] {
            *outcome = Some(Err(error()));
        }
    };
    while let Some(range) = ranges.pop_front() {
        if range.is_empty() {
            continue;
        }
        let refused_at = *shared.lock_refused_at.lock();
        let wary = locks::is_wary(refused_at, clock.monotonic());
        match attempt(shared, &batches[range.clone()], &locks, wary).await {
            Attempt::Locked(error) => {
                tracing::warn!(?error, "a schema change waits for long reads of its class");
                match locks.failed(batches[range.start], wary) {
                    locks::Next::Wait(time) => {
                        Counters::count(&shared.common.counters.retries);
                        tokio::time::sleep(time).await;
                        ranges.push_front(range);
                    }
                    locks::Next::Refuse => {
                        *shared.lock_refused_at.lock() = Some(clock.monotonic());
                        fail(&mut outcomes, range.start..range.start + 1, &locks::refused);
                        ranges.push_front(range.start + 1..range.end);
                    }
                }
            }
            Attempt::Done(done) => {
                tries = 0;
                let rest = range.start + done.len()..range.end;
                for (at, outcome) in done.into_iter().enumerate() {
                    outcomes[range.start + at] = Some(outcome);
                }
                ranges.push_front(rest);
            }
            Attempt::Stale if tries < 10 * TRIES_MAX => {
                tries += 1;
                ranges.push_front(range);
            }
            Attempt::Stale => fail(&mut outcomes, range, &crate::reads::unsettled),
            Attempt::Again(error) if tries < TRIES_MAX => {
                tries += 1;
                tracing::debug!(?error, tries, "a write group is run again");
                Counters::count(&shared.common.counters.retries);
                tokio::time::sleep(Duration::from_millis(5 << tries.min(8))).await;
                ranges.push_front(range);
            }
            Attempt::Again(error) => {
                tracing::error!(?error, "a write group failed and was not written");
                let text = error.to_string();
                fail(&mut outcomes, range, &|| {
                    unavailable(Error::internal(text.clone()))
                });
            }
            Attempt::Faulty(error) if range.len() == 1 => {
                let error = refusal(shared, error);
                outcomes[range.start] = Some(Err(error));
            }
            Attempt::Faulty(error) => {
                tracing::warn!(?error, "a write group is run again in halves");
                Counters::count(&shared.common.counters.retries);
                let middle = usize::midpoint(range.start, range.end);
                ranges.push_front(middle..range.end);
                ranges.push_front(range.start..middle);
            }
            Attempt::Unknown(error) => {
                tracing::error!(?error, "a commit failed: its outcome is unknown");
                fail(&mut outcomes, range, &unknown_outcome);
            }
        }
    }
    let missing = || Err(Error::internal("a batch without an outcome"));
    outcomes
        .into_iter()
        .map(|o| o.unwrap_or_else(missing))
        .collect()
}

/// What a failed step means for its group, as long as COMMIT was not sent.
fn not_committed(error: Error) -> Attempt {
    match driver(&error) {
        None if error.reason() == Reason::StoreUnavailable => Attempt::Again(error),
        None => Attempt::Faulty(error),
        Some(cause) => match cause.code() {
            None if is_unsendable(cause) => Attempt::Faulty(error),
            None => Attempt::Again(error),
            Some(code) if is_conflict(cause) || is_passing(code) => Attempt::Again(error),
            Some(_) => Attempt::Faulty(error),
        },
    }
}

/// The server or the connection went away, or the server was stopping or is not up yet.
fn is_passing(code: &SqlState) -> bool {
    matches!(code.code().get(..2), Some("08" | "57" | "53" | "25"))
        && *code != SqlState::QUERY_CANCELED
}

/// The error for the only batch that is at fault.
fn refusal(shared: &Shared, error: Error) -> Error {
    let schema = shared.schema.load();
    let Some(database) = driver(&error).and_then(tokio_postgres::Error::as_db_error) else {
        return error;
    };
    if *database.code() != SqlState::UNIQUE_VIOLATION {
        return error;
    }
    let Some(table) = database.table() else {
        return error;
    };
    let of_table = |layout: &&Arc<Layout>| layout.table.ends_with(&format!(".{table}"));
    let layout = schema.layouts().find(of_table).cloned();
    let index = layout.as_ref().and_then(|l| super::keys::unique(l).next());
    match (&layout, index) {
        (Some(layout), Some(index)) => duplicate(layout, &index.name),
        _ => error,
    }
}

/// Tries to commit these batches, or the first of them.
async fn attempt(shared: &Shared, batches: &[&WriteBatch], locks: &Locks, wary: bool) -> Attempt {
    let mut lease = match shared.common.writers.lease().await {
        Ok(lease) => lease,
        Err(error) => return Attempt::Again(error),
    };
    let conn = match lease.conn() {
        Ok(conn) => conn.clone(),
        Err(error) => return Attempt::Again(error),
    };
    lease.begin();
    let mut tx = match prefetch::begin(shared, &conn, batches).await {
        Ok(Begun::Ours(tx)) => tx,
        Ok(Begun::Stale) => {
            roll_back(&conn, &mut lease).await;
            let stale = shared.schema.load().catalogue.version;
            return match shared.reload(&conn, stale).await {
                Ok(()) => Attempt::Stale,
                Err(error) => Attempt::Again(error),
            };
        }
        Err(error) => {
            roll_back(&conn, &mut lease).await;
            return not_committed(error);
        }
    };
    tx.lock_wait = locks.wait();
    tx.last_try = locks.is_last(wary);
    let result = apply_all(&mut tx, batches, locks).await;
    let (results, alone_refused) = match result {
        Ok(results) => results,
        Err(error) => {
            conn.forget();
            roll_back(&conn, &mut lease).await;
            return undone(&tx, error);
        }
    };
    if alone_refused || !tx.has_changes() {
        if alone_refused {
            conn.forget();
        }
        roll_back(&conn, &mut lease).await;
        return Attempt::Done(results);
    }
    match commit(&mut tx, results.len()).await {
        Ok(()) => {
            lease.settle();
            Attempt::Done(results)
        }
        Err(Uncommitted::No(error)) => {
            conn.forget();
            roll_back(&conn, &mut lease).await;
            undone(&tx, error)
        }
        Err(Uncommitted::Perhaps(error)) => Attempt::Unknown(error),
    }
}

/// What a failure of a group that was under way means.
fn undone(tx: &Tx<'_>, error: Error) -> Attempt {
    if tx.altering && locks::is_locked(&error) {
        return Attempt::Locked(error);
    }
    not_committed(error)
}

async fn roll_back(conn: &Conn, lease: &mut Lease) {
    if conn.client.batch_execute("ROLLBACK").await.is_ok() {
        lease.settle();
    }
}

/// Applies the batches; stops before one that changes the catalogue, which is applied alone. Says
/// whether that one was refused. An error means that the transaction can't go on.
async fn apply_all(
    tx: &mut Tx<'_>,
    batches: &[&WriteBatch],
    locks: &Locks,
) -> Result<(Vec<Result<Vec<Written>>>, bool)> {
    let mut results = Vec::with_capacity(batches.len());
    for batch in batches {
        let alone = apply::changes_schema(tx, batch);
        if alone && locks.refuses(batch) {
            results.push(Err(locks::refused()));
            continue;
        }
        let full = alone || tx.change_bytes() > GROUP_BYTES_MAX;
        if full && !results.is_empty() {
            break;
        }
        match tx.batch(batch).await {
            Ok(written) => results.push(Ok(written)),
            // Refused in Rust: the transaction is as it was.
            Err(error) if driver(&error).is_none() && !tx.broken => {
                results.push(Err(error));
                if alone {
                    return Ok((results, true));
                }
            }
            Err(error) => return Err(error),
        }
        if alone {
            break;
        }
    }
    Ok((results, false))
}

/// Why a commit did not succeed.
enum Uncommitted {
    /// It did not happen.
    No(Error),
    /// It may have happened.
    Perhaps(Error),
}

impl Tx<'_> {
    fn has_changes(&self) -> bool {
        !self.changes.is_empty()
            || self.dirty
            || self.state.schema.catalogue.version != self.shared.schema.load().catalogue.version
    }
}

/// Sends what is left and the COMMIT behind it, and publishes the new state.
async fn commit(tx: &mut Tx<'_>, batches: usize) -> std::result::Result<(), Uncommitted> {
    let views = std::mem::take(&mut tx.state.views);
    if !views.is_empty() {
        let mut next_id = tx.state.next_id;
        let ddl = ddl::Ddl {
            conn: tx.conn,
            next_id: &mut next_id,
            index_at_once_rows_max: tx.shared.common.options.index_at_once_rows_max,
        };
        let made = refresh_views(&ddl, &tx.state.schema, &views).await;
        made.map_err(Uncommitted::No)?;
    }
    let mut orders = tx.orders().map_err(Uncommitted::No)?;
    if !tx.changes.is_empty() {
        orders.extend(flush::log(&tx.shared.name, &tx.changes, tx.now.millis()));
    }
    orders.extend(tasks::orders(tx));
    orders.push(state_order(tx));
    send(tx, &orders).await?;
    let shared = tx.shared;
    if tx.state.schema.catalogue.version != shared.schema.load().catalogue.version {
        shared.declared.notify_one();
    }
    shared.publish(&tx.state.schema);
    shared.saw(tx.state.position);
    shared.common.counters.commits.fetch_add(1, Relaxed);
    shared
        .common
        .counters
        .batches
        .fetch_add(batches as u64, Relaxed);
    std::mem::take(&mut tx.tally).tell(shared);
    Ok(())
}

fn state_order(tx: &Tx<'_>) -> Order {
    let sql = format!(
        "UPDATE {}.basalt_state SET version = $1, position = $2, next_id = $3, log_total = $4,
             task_number = $5 WHERE one",
        tx.shared.name
    );
    let state = &tx.state;
    let params = [
        state.schema.catalogue.version,
        state.position,
        u64::from(state.next_id),
        state.log_total,
        state.task_number,
    ];
    (sql, params.map(|n| Param::Int(n.cast_signed())).to_vec())
}

/// Whether the server answered in time.
type InTime = std::result::Result<bool, tokio_postgres::Error>;

/// Once COMMIT is sent, only an answer tells what became of it.
async fn send(tx: &Tx<'_>, orders: &[Order]) -> std::result::Result<(), Uncommitted> {
    let no = |error| Uncommitted::No(postgres(error));
    let mut prepared = Vec::with_capacity(orders.len());
    for (sql, params) in orders {
        prepared.push((tx.conn.statement(sql).await.map_err(no)?, params));
    }
    let client = &tx.conn.client;
    let (failed, withheld) = (&AtomicBool::new(false), &AtomicBool::new(false));
    let mut sent: Vec<BoxFuture<'_, InTime>> = Vec::new();
    for (statement, params) in &prepared {
        sent.push(Box::pin(async move {
            let done = client.execute(statement, &refs(params)).await;
            failed.fetch_or(done.is_err(), Relaxed);
            done.map(|_| true)
        }));
    }
    let time_max = tx.shared.common.options.commit_time_max;
    sent.push(Box::pin(async move {
        // All before it were begun: what failed already never left for the server, which would not
        // know that the COMMIT lacks something.
        if failed.load(Relaxed) {
            withheld.store(true, Relaxed);
            return Ok(false);
        }
        // The server sets its own COMMIT no limit, however long a standby is away.
        match tokio::time::timeout(time_max, client.batch_execute("COMMIT")).await {
            Ok(answer) => answer.map(|()| true),
            Err(_) => Ok(false),
        }
    }));
    let warned = tx.conn.warnings();
    let mut answers = in_order(sent).await;
    let committed = answers.pop();
    // A COMMIT of a failed transaction is answered with ROLLBACK and no error, which the driver does
    // not tell from success: but then the statement right before it was refused.
    for answer in answers {
        if let Err(error) = answer {
            // The server said no, so that the COMMIT behind it rolled back. Without its word, the
            // rest may have gone through.
            let said = error.code().is_some() || withheld.load(Relaxed);
            let error = postgres(error);
            return Err(if said {
                Uncommitted::No(error)
            } else {
                Uncommitted::Perhaps(error)
            });
        }
    }
    let Some(committed) = committed else {
        let error = Error::internal("a commit that was not sent");
        return Err(Uncommitted::No(error));
    };
    answered(committed, tx.conn.warnings() != warned)
}

/// What the answer to COMMIT means.
fn answered(committed: InTime, warned: bool) -> std::result::Result<(), Uncommitted> {
    let doubt = |why: &'static str| Err(Uncommitted::Perhaps(Error::internal(why)));
    match committed {
        Ok(false) => doubt("COMMIT was not answered in time"),
        // As when the wait for a standby is cancelled: committed here, perhaps nowhere else.
        Ok(true) if warned => doubt("the server warned while it committed"),
        Ok(true) => Ok(()),
        Err(error) => {
            let refused = error.code().is_some_and(|code| {
                !matches!(code.code().get(..2), Some("08" | "57" | "58" | "XX"))
            });
            let error = postgres(error);
            Err(if refused {
                Uncommitted::No(error)
            } else {
                Uncommitted::Perhaps(error)
            })
        }
    }
}

/// Removes everything.
async fn clear(shared: &Shared) -> Result<()> {
    for tries in 1.. {
        match clear_once(shared).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(Uncommitted::Perhaps(error)) => {
                tracing::error!(?error, "a commit failed: its outcome is unknown");
                return Err(unknown_outcome());
            }
            Err(Uncommitted::No(error)) if tries < TRIES_MAX => {
                tracing::debug!(?error, "clearing an app is run again");
                tokio::time::sleep(Duration::from_millis(5 << tries)).await;
            }
            Err(Uncommitted::No(error)) => return Err(unavailable(error)),
        }
    }
    Ok(())
}

/// `false` when the catalogue was stale.
async fn clear_once(shared: &Shared) -> std::result::Result<bool, Uncommitted> {
    let mut lease = shared
        .common
        .writers
        .lease()
        .await
        .map_err(Uncommitted::No)?;
    let conn = lease.conn().map_err(Uncommitted::No)?.clone();
    lease.begin();
    let begun = prefetch::begin(shared, &conn, &[]).await;
    let mut tx = match begun.map_err(Uncommitted::No)? {
        Begun::Ours(tx) => tx,
        Begun::Stale => {
            roll_back(&conn, &mut lease).await;
            let stale = shared.schema.load().catalogue.version;
            shared.reload(&conn, stale).await.map_err(Uncommitted::No)?;
            return Ok(false);
        }
    };
    let mut next_id = tx.state.next_id;
    let work = ddl::Ddl {
        conn: &conn,
        next_id: &mut next_id,
        index_at_once_rows_max: tx.shared.common.options.index_at_once_rows_max,
    };
    let cleared = ddl::clear(&work, &tx.state.schema, tx.state.position).await;
    tx.state.schema = Arc::new(cleared.map_err(Uncommitted::No)?);
    tx.state.position += 1;
    commit(&mut tx, 1).await?;
    lease.settle();
    Ok(true)
}
