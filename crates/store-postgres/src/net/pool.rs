//! Connections that one caller has at a time: for snapshots, long reads and writers.

use super::conn::Conn;
use super::target::{Role, Target, unavailable};
use crate::options::Options;
use basalt_base::{Error, Reason, Result};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A pool of connections of one role.
pub(crate) struct Pool {
    target: Target,
    options: Options,
    role: Role,
    idle: Mutex<Vec<Arc<Conn>>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(crate) fn new(target: Target, options: Options, role: Role, max: usize) -> Arc<Self> {
        Arc::new(Self {
            target,
            options,
            role,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(max.max(1))),
        })
    }

    /// A connection; `Overloaded` when none gets free in time.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Lease> {
        let waiting = self.permits.clone().acquire_owned();
        let permit = match tokio::time::timeout(self.options.connect_time_max, waiting).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(unavailable()),
            Err(_) => {
                let message = "Too many queries are waiting.";
                return Err(Error::new(Reason::Overloaded, message)
                    .with_retry_after(Duration::from_secs(1)));
            }
        };
        let idle = self.take();
        let conn = match idle {
            Some(conn) => conn,
            None => self.target.connect(self.role, &self.options).await?,
        };
        Ok(Lease {
            conn: Some(conn),
            pool: self.clone(),
            _permit: permit,
            dirty: false,
        })
    }

    fn take(&self) -> Option<Arc<Conn>> {
        let mut idle = self.idle.lock();
        while let Some(conn) = idle.pop() {
            if !conn.is_closed() {
                return Some(conn);
            }
        }
        None
    }

    /// How many connections wait for work.
    pub(crate) fn idle_count(&self) -> usize {
        self.idle.lock().len()
    }
}

/// A connection out of the pool; dropping it brings it back, unless something is under way on it.
pub(crate) struct Lease {
    conn: Option<Arc<Conn>>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
    dirty: bool,
}

impl Lease {
    /// The connection.
    pub(crate) fn conn(&self) -> Result<&Arc<Conn>> {
        self.conn.as_ref().ok_or_else(unavailable)
    }

    /// From now on a drop closes the connection and stops what runs on it…
    pub(crate) fn begin(&mut self) {
        self.dirty = true;
    }

    /// … until it is in order again.
    pub(crate) fn settle(&mut self) {
        self.dirty = false;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if !self.dirty {
            if !conn.is_closed() {
                self.pool.idle.lock().push(conn);
            }
            return;
        }
        if tokio::runtime::Handle::try_current().is_ok() {
            conn.cancel();
        }
    }
}
