//! Waiting for the lock that a change of the catalogue needs on a class's table.
//!
//! It excludes every reader, and readers that come later queue up behind whoever waits for it. One
//! that takes its time (an export, `pg_dump`) would hold up all of them, so the wait is short, some
//! tries apart from each other, and then the change is refused.

use super::tx::Tx;
use crate::error::{Typed, driver};
use crate::schema::Layout;
use basalt_base::{Error, Monotonic, Reason, Result};
use basalt_store::{Write, WriteBatch};
use std::collections::HashSet;
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// How long the first wait for the lock may hold up readers; each later one of a batch is twice as
/// long, so that reads of some hundred milliseconds don't get in the way for good.
const WAIT: Duration = Duration::from_millis(100);
/// The same where the server gives way: it ends its own vacuum for those who wait for a second.
const WAIT_FOR_VACUUM: Duration = Duration::from_millis(1_500);
/// Tries of one batch.
const TRIES_MAX: u32 = 4;
/// After a refusal, later batches get one try for as long as this.
const WARY: Duration = Duration::from_secs(10);

/// What a run of a group knows about locks.
#[derive(Default)]
pub(super) struct Locks {
    tries: u32,
    /// Changes of these classes are refused at once.
    refused: HashSet<Box<str>>,
}

/// What to do about a batch that did not get its lock.
pub(super) enum Next {
    /// Try it again after so long.
    Wait(Duration),
    /// Refuse it.
    Refuse,
}

fn subjects(batch: &WriteBatch) -> impl Iterator<Item = &str> {
    batch.writes.iter().filter_map(|write| match write {
        Write::Schema(change) => Some(change.subject().0),
        _ => None,
    })
}

impl Locks {
    /// Whether this is the last try of a batch.
    pub(super) fn is_last(&self, wary: bool) -> bool {
        wary || self.tries + 1 >= TRIES_MAX
    }

    /// How long the next try waits.
    pub(super) fn wait(&self) -> Duration {
        WAIT * (1 << self.tries)
    }

    /// Whether changes of these classes were just refused.
    pub(super) fn refuses(&self, batch: &WriteBatch) -> bool {
        subjects(batch).any(|name| self.refused.contains(name))
    }

    /// After a try that failed.
    pub(super) fn failed(&mut self, batch: &WriteBatch, wary: bool) -> Next {
        if !self.is_last(wary) {
            self.tries += 1;
            return Next::Wait(WAIT * self.tries);
        }
        self.tries = 0;
        self.refused.extend(subjects(batch).map(Box::from));
        Next::Refuse
    }
}

/// Whether a change of the catalogue was refused a short while ago.
pub(super) fn is_wary(refused_at: Option<Monotonic>, now: Monotonic) -> bool {
    refused_at.is_some_and(|at| now.since(at) < WARY)
}

/// The error for a batch that did not get its lock.
pub(super) fn refused() -> Error {
    Error::new(
        Reason::StoreUnavailable,
        "The class can't be changed while a long read of it is under way; try again later.",
    )
    .with_retry_after(Duration::from_secs(1))
}

/// Whether a statement waited too long for a lock.
pub(super) fn is_locked(error: &Error) -> bool {
    driver(error).and_then(tokio_postgres::Error::code) == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

impl Tx<'_> {
    /// Before the catalogue's side of a class is changed: how long locks may be waited for, until
    /// the transaction ends.
    pub(super) async fn limit_waits(&mut self, layout: Option<&Layout>) -> Result<()> {
        self.altering = true;
        let wait = match layout {
            Some(layout) if self.last_try && self.is_vacuumed(layout).await? => WAIT_FOR_VACUUM,
            _ => self.lock_wait,
        };
        let wait = wait.min(self.shared.common.options.lock_time_max);
        let sql = format!("SET LOCAL lock_timeout = {}", wait.as_millis());
        self.conn.client.batch_execute(&sql).await.typed()
    }

    async fn is_vacuumed(&self, layout: &Layout) -> Result<bool> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_locks
             WHERE relation = '{}'::pg_catalog.regclass AND granted
                 AND mode = 'ShareUpdateExclusiveLock' AND pid <> pg_catalog.pg_backend_pid())",
            layout.table
        );
        let row = self.conn.client.query_one(&sql, &[]).await.typed()?;
        row.try_get(0).typed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_store::SchemaChange;

    fn drop_of(name: &str) -> WriteBatch {
        WriteBatch::of(vec![Write::Schema(SchemaChange::DropCollection {
            name: name.into(),
            only_if_empty: false,
        })])
    }

    #[test]
    fn a_batch_has_some_tries_and_the_next_one_of_its_class_none() {
        let mut locks = Locks::default();
        for _ in 1..TRIES_MAX {
            assert!(!locks.is_last(false));
            assert!(matches!(
                locks.failed(&drop_of("T"), false),
                Next::Wait(time) if !time.is_zero()
            ));
            assert!(!locks.refuses(&drop_of("T")));
        }
        assert!(locks.is_last(false));
        assert!(matches!(locks.failed(&drop_of("T"), false), Next::Refuse));
        assert!(locks.refuses(&drop_of("T")) && !locks.refuses(&drop_of("U")));
        assert!(!locks.is_last(false) && locks.is_last(true));
        assert!(matches!(locks.failed(&drop_of("U"), true), Next::Refuse));
    }
}
