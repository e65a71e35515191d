//! One batch inside the group's transaction.

use super::apply;
use super::tasks::Tally;
use crate::connection::Session;
use crate::error::Typed;
use crate::lease;
use crate::schema::{Schema, ddl};
use crate::shared::Common;
use basalt_base::{Error, Reason, Result, Timestamp};
use basalt_store::{CollectionId, ReadCheck, Write, WriteBatch, Written};
use rusqlite::{CachedStatement, Connection, OptionalExtension};
use std::collections::HashSet;
use std::sync::Arc;

/// Where the app stands within the transaction.
#[derive(Clone)]
pub(super) struct State {
    pub(super) schema: Arc<Schema>,
    pub(super) position: u64,
    /// The running total of bytes in the change log.
    pub(super) log_total: u64,
    /// The last number given to a task or a lease.
    pub(super) task_number: u64,
    /// Collections whose view has to be made anew.
    pub(super) views: HashSet<CollectionId>,
}

/// A statement that is likely to be the next one again: finding it among all that are cached costs
/// more than a comparison.
#[derive(Default)]
pub(super) struct Recent<'a>(Option<(Box<str>, CachedStatement<'a>)>);

impl<'a> Recent<'a> {
    /// The statement of this text.
    pub(super) fn get(
        &mut self,
        conn: &'a Connection,
        sql: &str,
    ) -> Result<&mut CachedStatement<'a>> {
        let kept = self.0.take().filter(|(text, _)| **text == *sql);
        let kept = match kept {
            Some(kept) => kept,
            None => (sql.into(), conn.prepare_cached(sql).typed()?),
        };
        Ok(&mut self.0.insert(kept).1)
    }
}

/// The group's transaction.
pub(super) struct Tx<'a> {
    pub(super) session: &'a Session,
    pub(super) state: State,
    pub(super) now: Timestamp,
    pub(super) now_ms: i64,
    /// See [`crate::Options::record_bytes_max`].
    pub(super) record_bytes_max: usize,
    /// Whether the batch under way has changed something.
    pub(super) dirty: bool,
    /// How schema changes are timed and counted.
    pub(super) common: Arc<Common>,
    /// What the group did to queues.
    pub(super) tally: Tally,
    /// What inserts objects, and what appends to the change log.
    pub(super) inserts: Recent<'a>,
    pub(super) appends: Recent<'a>,
}

/// Why a batch was not applied.
pub(super) enum Failure {
    /// It was refused and left nothing behind.
    Refused(Error),
    /// The group's transaction is gone or can't be trusted any more.
    Lost(Error),
}

impl<'a> Tx<'a> {
    pub(super) fn conn(&self) -> &'a Connection {
        &self.session.conn
    }

    /// Applies a batch or leaves nothing of it behind. A lone write of an object or a task needs
    /// no savepoint, as it can only be refused before it changed anything; if it fails later the
    /// group is run again `carefully`, with savepoints.
    pub(super) fn batch(
        &mut self,
        batch: &WriteBatch,
        carefully: bool,
    ) -> Result<Vec<Written>, Failure> {
        let lone = matches!(&*batch.writes, [Write::Record(_) | Write::Task(_)]);
        let savepoint = carefully || !lone;
        let saved = self.state.clone();
        self.dirty = false;
        if savepoint {
            self.execute("SAVEPOINT batch").map_err(Failure::Lost)?;
        }
        match self.steps(batch) {
            Ok(written) => {
                self.tally.keep();
                if savepoint {
                    self.execute("RELEASE batch").map_err(Failure::Lost)?;
                }
                Ok(written)
            }
            // SQLite rolls the whole transaction back after some errors.
            Err(error) if self.conn().is_autocommit() => Err(Failure::Lost(error)),
            Err(error) if savepoint => {
                let undone = self
                    .execute("ROLLBACK TO batch")
                    .and_then(|()| self.execute("RELEASE batch"));
                self.state = saved;
                self.tally.forget();
                match undone {
                    Ok(()) => Err(Failure::Refused(error)),
                    Err(_) => Err(Failure::Lost(error)),
                }
            }
            Err(error) if self.dirty => Err(Failure::Lost(error)),
            Err(error) => {
                self.state = saved;
                self.tally.forget();
                Err(Failure::Refused(error))
            }
        }
    }

    fn steps(&mut self, batch: &WriteBatch) -> Result<Vec<Written>> {
        if let Some(fence) = &batch.fence {
            lease::check_fence(self.conn(), fence)?;
        }
        for check in &batch.checks {
            self.check(check)?;
        }
        let mut written = Vec::with_capacity(batch.writes.len());
        for write in &batch.writes {
            written.push(apply::step(self, write)?);
        }
        Ok(written)
    }

    fn check(&self, check: &ReadCheck) -> Result<()> {
        let rev: Option<u64> = match self.state.schema.layout(&check.collection) {
            None => None,
            Some(layout) => self
                .conn()
                .prepare_cached(&format!("SELECT _rev FROM {} WHERE _id = ?", layout.table))
                .and_then(|mut s| s.query_row([&check.id], |row| row.get(0)).optional())
                .typed()?,
        };
        if rev == check.rev {
            return Ok(());
        }
        Err(Error::new(
            Reason::TransactionConflict,
            "An object changed while the transaction was under way.",
        ))
    }

    pub(super) fn execute(&self, sql: &str) -> Result<()> {
        self.conn()
            .prepare_cached(sql)
            .and_then(|mut statement| statement.raw_execute())
            .map(drop)
            .typed()
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) -> Result<()> {
        let schema = ddl::clear(self.conn(), &self.state.schema, self.state.position)?;
        super::tasks::clear(self.conn())?;
        self.state = State {
            schema: Arc::new(schema),
            position: self.state.position + 1,
            log_total: 0,
            task_number: self.state.task_number,
            views: HashSet::new(),
        };
        Ok(())
    }
}
