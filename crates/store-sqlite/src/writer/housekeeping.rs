//! What the writer does besides writing: keeping the write-ahead log short, purging the change
//! log, and reclaiming the space of dropped collections and fields, in slices when nothing else
//! waits.

use super::group::Trust;
use super::log;
use super::reclaim::{self, SLICE_ROWS};
use super::thread::Writer;
use crate::connection::Session;
use crate::error::CommitFailure;
use basalt_base::Error;
use std::time::Duration;

/// Bytes of a page of the database and of its frame in the log.
const PAGE_BYTES: u64 = 4_096 + 24;
/// How long a slice of idle work may hold up a write that comes in meanwhile.
const SLICE_MAX: Duration = Duration::from_millis(20);
/// How often a writer that is never idle does a slice.
const BUSY_SLICE_EVERY: Duration = Duration::from_secs(1);

/// How long to wait for work before the next idle step; `None` for as long as it takes.
pub(super) fn pause(quiet: u32) -> Option<Duration> {
    match quiet {
        0 | 1 => Some(Duration::from_secs(1)),
        2..=30 => Some(Duration::from_secs(30)),
        _ => None,
    }
}

/// How much of a slice may go by before it is committed. Writing the pages and waiting for the disk
/// take as long again or longer, which depends on the rows and the disk: the last slices tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rows_time_max: Duration,
}

impl Pace {
    /// What slices aim at, so that most of those that take longer are within [`SLICE_MAX`], too.
    const AIM: Duration = Duration::from_millis(12);
    const LEAST: Duration = Duration::from_micros(500);

    pub(super) fn new() -> Self {
        let rows_time_max = Self::AIM / 4;
        Self { rows_time_max }
    }

    /// After a slice that took so long, its commit included.
    fn learn(&mut self, took: Duration) {
        let aimed = self.rows_time_max.as_secs_f64() * Self::AIM.as_secs_f64()
            / took.as_secs_f64().max(Self::LEAST.as_secs_f64());
        // One flush that is slow or quick by chance changes little.
        let next = self.rows_time_max.as_secs_f64().mul_add(0.5, 0.5 * aimed);
        let (least, most) = (Self::LEAST.as_secs_f64(), Self::AIM.as_secs_f64());
        self.rows_time_max = Duration::from_secs_f64(next.clamp(least, most));
    }
}

impl Writer {
    /// After a commit: has the log checkpointed when it grew, and empties it when it is too long.
    pub(super) fn tend_log(&mut self, session: &Session) {
        let pages = self.wal_pages();
        let options = &self.shared.common.options;
        if pages < self.wal_pages_asked {
            // The log started over from its beginning.
            self.wal_pages_asked = 0;
        }
        if pages.saturating_sub(self.wal_pages_asked) * PAGE_BYTES < options.wal_checkpoint_bytes {
            return;
        }
        self.wal_pages_asked = pages;
        if pages * PAGE_BYTES < options.wal_bytes_max {
            self.shared.start_checkpoint();
            return;
        }
        self.shared.expire_snapshots();
        self.truncate_log(session);
    }

    /// Waits for readers a moment only; the log goes on growing when one does not end, and the
    /// next growth tries again.
    fn truncate_log(&mut self, session: &Session) {
        let conn = &session.conn;
        let clearing = self.shared.pool.clear_log();
        let emptied = conn
            .busy_timeout(Duration::from_millis(100))
            .and_then(|()| {
                conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                    row.get::<_, i64>(0)
                })
            });
        drop(clearing);
        if let Err(error) = conn.busy_timeout(Duration::from_secs(5)) {
            tracing::warn!(?error, "the writer's patience could not be reset");
        }
        match emptied {
            Ok(0) => self.wal_emptied(),
            Ok(_) => tracing::debug!("a reader keeps the write-ahead log from being emptied"),
            Err(error) => tracing::warn!(?error, "the write-ahead log could not be emptied"),
        }
    }

    /// One step of idle work, the `quiet`th since the last write.
    pub(super) fn idle(&mut self, session: &Session, quiet: u32) -> Trust {
        self.shared.expire_snapshots();
        if quiet == 1 {
            self.shared.start_checkpoint();
        } else if self.wal_pages() > 0 {
            self.truncate_log(session);
        }
        if quiet > 1 {
            self.shared.pool.trim();
            let _ = session.conn.execute_batch("PRAGMA shrink_memory");
        }
        if quiet == 2
            && let Err(error) = session.conn.execute_batch("PRAGMA optimize")
        {
            tracing::warn!(?error, "the planner's statistics could not be renewed");
        }
        let clock = self.shared.common.options.clock.clone();
        while self.inbox.is_empty() {
            let started = clock.monotonic();
            match self.slice(session) {
                Ok(true) => self.tend_log(session),
                Ok(false) => break,
                Err((failure, error)) => {
                    if let Trust::Lost = slice_failed(session, failure, &error) {
                        return Trust::Lost;
                    }
                    break;
                }
            }
            if clock.monotonic().since(started) > 10 * SLICE_MAX {
                // A slow disk: leave it alone until the next idle step.
                break;
            }
        }
        Trust::Kept
    }

    /// A slice between writes when something has been waiting to be reclaimed for a while: a
    /// writer that is never idle would else never get to it.
    pub(super) fn slice_between(&mut self, session: &Session) -> Trust {
        let now = self.shared.common.options.clock.monotonic();
        if !self.reclaiming || now.since(self.sliced_at) < BUSY_SLICE_EVERY {
            return Trust::Kept;
        }
        match self.slice(session) {
            Ok(_) => Trust::Kept,
            Err((failure, error)) => slice_failed(session, failure, &error),
        }
    }

    /// A transaction of idle work of about [`SLICE_MAX`]; says whether there is more.
    pub(super) fn slice(&mut self, session: &Session) -> Result<bool, (CommitFailure, Error)> {
        let not_done = |error| (CommitFailure::NotDone, error);
        let common = self.shared.common.clone();
        let (options, clock) = (&common.options, &common.options.clock);
        let started = clock.monotonic();
        self.sliced_at = started;
        let mut tx = self.transaction(session);
        tx.execute("BEGIN IMMEDIATE").map_err(not_done)?;
        let mut more = true;
        let mut changed = false;
        while more && clock.monotonic().since(started) < self.pace.rows_time_max {
            let total = tx.state.log_total;
            let purged = log::purge(tx.conn(), options, tx.now_ms, total, SLICE_ROWS);
            more = purged.map_err(not_done)? > 0 || reclaim::step(tx.conn()).map_err(not_done)?;
            changed |= more;
        }
        tx.dirty = changed;
        if !changed {
            tx.execute("ROLLBACK").map_err(not_done)?;
            self.reclaiming = false;
            return Ok(false);
        }
        self.commit(tx, 0)?;
        self.pace.learn(clock.monotonic().since(started));
        self.reclaiming = more;
        Ok(more)
    }
}

/// After a slice whose COMMIT may or may not be on the disk, the next group must not build on it: the
/// store goes through recovery first.
fn slice_failed(session: &Session, failure: CommitFailure, error: &Error) -> Trust {
    let _ = session.conn.execute_batch("ROLLBACK");
    tracing::warn!(?failure, ?error, "idle work of the store failed");
    match failure {
        CommitFailure::NotDone => Trust::Kept,
        CommitFailure::Unknown => Trust::Lost,
    }
}

/// Before closing.
pub(super) fn finish(session: &Session) {
    if let Err(error) = session.conn.execute_batch("PRAGMA optimize") {
        tracing::debug!(?error, "the planner's statistics could not be renewed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest of the slices after the first ten, on a disk that takes `fixed` for a flush and
    /// `pages` times as long to write as the rows took to change.
    fn longest(fixed: Duration, pages: u32) -> Duration {
        let mut pace = Pace::new();
        let slice = |_| {
            let took = pace.rows_time_max * (1 + pages) + fixed;
            pace.learn(took);
            took
        };
        (0..100).map(slice).skip(10).max().unwrap()
    }

    #[test]
    fn slices_fit_whatever_a_commit_costs() {
        for fixed in [0, 1, 5] {
            for pages in [0, 1, 3, 8] {
                let longest = longest(Duration::from_millis(fixed), pages);
                assert!(longest <= SLICE_MAX, "{longest:?} at {fixed} ms, {pages}");
                assert!(
                    longest >= Pace::AIM / 2,
                    "{longest:?} at {fixed} ms, {pages}"
                );
            }
        }
    }

    #[test]
    fn a_disk_that_stands_still_leaves_a_little_to_do() {
        let mut pace = Pace::new();
        (0..50).for_each(|_| pace.learn(Duration::from_secs(5)));
        assert_eq!(pace.rows_time_max, Pace::LEAST);
        (0..50).for_each(|_| pace.learn(Duration::ZERO));
        assert_eq!(pace.rows_time_max, Pace::AIM);
    }
}
