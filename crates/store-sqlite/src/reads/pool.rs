//! The reader connections of an app.

use super::run::end;
use crate::connection::{Session, open_reader};
use crate::options::Options;
use basalt_base::{Error, Reason, Result};
use parking_lot::{Condvar, Mutex};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Idle connections kept when the app is quiet.
const KEPT_WHEN_QUIET: usize = 2;

#[derive(Default)]
struct Inside {
    idle: Vec<Session>,
    out: usize,
    closed: bool,
    /// Counts closings: a connection from before one is not kept.
    era: u64,
}

/// The pool: connections are opened when needed and the last used one is taken first.
pub(crate) struct Pool {
    path: PathBuf,
    options: Options,
    inside: Mutex<Inside>,
    returned: Condvar,
    /// For reads inside the async tasks. Reads on blocking threads are bounded by those threads.
    inline: Arc<Semaphore>,
    snapshots: Arc<Semaphore>,
    /// Counts the states that the writer published.
    state: AtomicU64,
    /// How many want the log to themselves.
    clearing: AtomicUsize,
}

impl Pool {
    pub(crate) fn new(path: PathBuf, options: Options) -> Self {
        let inline = Arc::new(Semaphore::new(options.readers_max.max(1)));
        let snapshots = Arc::new(Semaphore::new(options.snapshots_max.max(1)));
        Self {
            path,
            options,
            inside: Mutex::default(),
            returned: Condvar::new(),
            inline,
            snapshots,
            state: AtomicU64::new(0),
            clearing: AtomicUsize::new(0),
        }
    }

    /// The number of the latest state. A transaction that began after this was read sees it.
    pub(crate) fn state(&self) -> u64 {
        self.state.load(SeqCst)
    }

    /// Makes reads that start from now on see what was committed.
    pub(crate) fn publish(&self) {
        self.state.fetch_add(1, SeqCst);
    }

    /// Has idle connections let go of the log until the returned value is dropped: a transaction
    /// that is kept would keep the log from being emptied.
    pub(crate) fn clear_log(&self) -> Clearing<'_> {
        self.clearing.fetch_add(1, SeqCst);
        self.inside.lock().idle.iter().for_each(end);
        Clearing(self)
    }

    /// A connection for a read inside the async task; also says whether it had to wait.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<(Lease, bool)> {
        Self::with_permit(self, &self.inline).await
    }

    /// A connection for a snapshot.
    pub(crate) async fn lease_snapshot(self: &Arc<Self>) -> Result<(Lease, bool)> {
        Self::with_permit(self, &self.snapshots).await
    }

    async fn with_permit(self: &Arc<Self>, from: &Arc<Semaphore>) -> Result<(Lease, bool)> {
        let (permit, waited) = if let Ok(permit) = from.clone().try_acquire_owned() {
            (permit, false)
        } else {
            let permit = from.clone().acquire_owned().await;
            (permit.map_err(|_| unavailable())?, true)
        };
        let mut lease = self.checkout()?;
        lease.permit = Some(permit);
        Ok((lease, waited))
    }

    /// A connection without waiting for a turn.
    pub(crate) fn checkout(self: &Arc<Self>) -> Result<Lease> {
        let (idle, era) = {
            let mut inside = self.inside.lock();
            if inside.closed {
                return Err(unavailable());
            }
            inside.out += 1;
            (inside.idle.pop(), inside.era)
        };
        let mut lease = Lease {
            session: idle,
            era,
            pool: self.clone(),
            permit: None,
        };
        if lease.session.is_none() {
            // A failure drops the lease, which counts it back in.
            lease.session = Some(open_reader(&self.path, &self.options)?);
        }
        Ok(lease)
    }

    /// Closes every connection, waiting a while for those in use; none is given out until
    /// [`Pool::reopen`]. Says whether all are closed.
    pub(crate) fn close(&self) -> bool {
        let mut inside = self.inside.lock();
        inside.closed = true;
        inside.era += 1;
        let idle = std::mem::take(&mut inside.idle);
        parking_lot::MutexGuard::unlocked(&mut inside, || drop(idle));
        while inside.out > 0 {
            let waited = self.returned.wait_for(&mut inside, Duration::from_secs(2));
            if waited.timed_out() {
                return false;
            }
        }
        true
    }

    /// Gives connections out again.
    pub(crate) fn reopen(&self) {
        self.inside.lock().closed = false;
    }

    /// Closes idle connections that a quiet app does not need.
    pub(crate) fn trim(&self) {
        let surplus = {
            let mut inside = self.inside.lock();
            let surplus = inside.idle.len().saturating_sub(KEPT_WHEN_QUIET);
            inside.idle.drain(..surplus).collect::<Vec<_>>()
        };
        drop(surplus);
    }
}

fn unavailable() -> Error {
    Error::new(Reason::StoreUnavailable, "The store can't serve right now.")
        .with_retry_after(Duration::from_secs(1))
}

/// See [`Pool::clear_log`].
pub(crate) struct Clearing<'a>(&'a Pool);

impl Drop for Clearing<'_> {
    fn drop(&mut self) {
        self.0.clearing.fetch_sub(1, SeqCst);
    }
}

/// A connection out of the pool; dropping it brings it back.
pub(crate) struct Lease {
    session: Option<Session>,
    era: u64,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// The connection.
    pub(crate) fn session(&self) -> Result<&Session> {
        self.session.as_ref().ok_or_else(unavailable)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut session = self.session.take();
        if let Some(open) = &session {
            open.control.start_free();
            let state = open.held.borrow().as_ref().map(|held| held.state);
            if state != Some(self.pool.state()) {
                end(open);
            }
            let held = open.held.borrow().is_some();
            if !held && !open.conn.is_autocommit() {
                session = None;
            }
        }
        let mut inside = self.pool.inside.lock();
        // Looked at under the lock, so that whoever wants the log finds it among the idle ones.
        if let Some(open) = &session
            && self.pool.clearing.load(SeqCst) > 0
        {
            end(open);
        }
        let keep = self.era == inside.era && inside.idle.len() < self.pool.options.readers_max;
        match session {
            Some(session) if keep => inside.idle.push(session),
            // Closed before it counts as back: whoever waits for that wants the file closed.
            session => parking_lot::MutexGuard::unlocked(&mut inside, || drop(session)),
        }
        inside.out -= 1;
        drop(inside);
        self.pool.returned.notify_all();
    }
}
