//! Several reads at one state.

use super::pool::Lease;
use super::run::{self, View};
use super::{collect, find};
use crate::connection::Session;
use crate::metrics::Counters;
use crate::shared::Shared;
use basalt_base::{BoxFuture, Error, Monotonic, Reason, Result, Value};
use basalt_store::{Found, Path, Position, Query, ReadOptions, Reads, Record, Snapshot};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A snapshot: a connection in a read transaction.
pub(crate) struct HeldSnapshot {
    shared: Arc<Shared>,
    /// `None` once it is too old. Reads of one snapshot take turns.
    lease: Arc<Mutex<Option<Lease>>>,
    view: View,
    opened: Monotonic,
}

/// Opens a snapshot of the latest state.
pub(crate) async fn open(shared: &Arc<Shared>) -> Result<HeldSnapshot> {
    let (lease, waited) = shared.pool.lease_snapshot().await?;
    if waited {
        Counters::count(&shared.common.counters.reader_waits);
    }
    let session = lease.session()?;
    session.control.start_free();
    let view = run::begin(shared, session)?;
    let lease = Arc::new(Mutex::new(Some(lease)));
    let opened = shared.common.options.clock.monotonic();
    let mut open = shared.snapshots.lock();
    if open.len() > 2 * shared.common.options.snapshots_max {
        open.retain(|(_, lease)| lease.strong_count() > 0);
    }
    open.push((opened, Arc::downgrade(&lease)));
    drop(open);
    Ok(HeldSnapshot {
        shared: shared.clone(),
        lease,
        view,
        opened,
    })
}

fn expired() -> Error {
    Error::new(Reason::Timeout, "The snapshot was open for too long.")
}

impl HeldSnapshot {
    async fn run<T: Send + 'static>(
        &self,
        options: ReadOptions,
        job: impl Fn(&Session, &View) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let deadline = run::deadline(&self.shared, options);
        let held = self.lease.clone().lock_owned().await;
        let now = self.shared.common.options.clock.monotonic();
        let too_old = now.since(self.opened) > self.shared.common.options.snapshot_age_max;
        let Some(lease) = held.as_ref().filter(|_| !too_old) else {
            return Err(expired());
        };
        if let Some(result) = run::inline(&self.shared, lease, |s| job(s, &self.view)) {
            return result;
        }
        Counters::count(&self.shared.common.counters.reads_long);
        let (cancel, guard) = run::cancellation();
        let view = self.view.clone();
        let work = move || {
            let lease = held.as_ref().ok_or_else(expired)?;
            cancel.during(lease.session()?, deadline, |session| job(session, &view))
        };
        let reading = &self.shared.common.reading;
        let result = reading.run(self.shared.party(), work).await;
        drop(guard);
        result
    }
}

impl Reads for HeldSnapshot {
    fn find<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<Found>> {
        let query = query.clone();
        Box::pin(self.run(options, move |session, view| {
            find::find(session, view, &query)
        }))
    }

    fn get<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Record>>> {
        let (collection, id) = (collection.to_owned(), id.to_owned());
        Box::pin(self.run(ReadOptions::default(), move |session, view| {
            find::by_id_in(session, view, &collection, &id)
        }))
    }

    fn count<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<u64>> {
        let query = query.clone();
        Box::pin(self.run(options, move |session, view| {
            collect::count(session, view, &query)
        }))
    }

    fn distinct<'a>(
        &'a self,
        query: &'a Query,
        path: &'a Path,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Value>>> {
        let (query, path) = (query.clone(), path.clone());
        Box::pin(self.run(options, move |session, view| {
            collect::distinct(session, view, &query, &path)
        }))
    }

    fn scan<'a>(
        &'a self,
        query: Query,
        options: ReadOptions,
        mut sink: Box<dyn FnMut(Record) -> ControlFlow<()> + Send + 'static>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let deadline = run::deadline(&self.shared, options);
            let held = self.lease.clone().lock_owned().await;
            let (cancel, guard) = run::cancellation();
            let view = self.view.clone();
            let work = move || {
                let lease = held.as_ref().ok_or_else(expired)?;
                cancel.during(lease.session()?, deadline, |session| {
                    find::scan(session, &view, &query, &mut sink)
                })
            };
            let reading = &self.shared.common.reading;
            let result = reading.run(self.shared.party(), work).await;
            drop(guard);
            result
        })
    }
}

impl Snapshot for HeldSnapshot {
    fn position(&self) -> Position {
        Position(self.view.position)
    }
}
