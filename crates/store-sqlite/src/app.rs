//! The handle of an open app.

use crate::lease::{self, LeaseCall};
use crate::presence::Presence;
use crate::reads::{self, changes, collect, deadline, find, open_snapshot, tasks};
use crate::shared::Shared;
use crate::writer::{self, Inbox};
use basalt_base::{BoxFuture, Result, Value};
use basalt_store::{
    AppStore, Catalogue, Change, Found, Lease, LeaseView, Leases, Path, Position, Query,
    QueueStand, ReadOptions, Reads, Record, Snapshot, Task, TaskId, TaskPage, TaskWatch,
    WriteBatch, Written,
};
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// An open app; dropping it finishes the waiting writes and closes the file, in the background as
/// long as the store is open.
pub(crate) struct App {
    pub(crate) shared: Arc<Shared>,
    inbox: Option<Inbox>,
    /// Its thread, and that the file is in use.
    writer: Option<(JoinHandle<()>, Presence)>,
    store_open: Arc<AtomicBool>,
}

impl App {
    /// Opens the app's file. Blocks.
    pub(crate) fn open(
        shared: Arc<Shared>,
        presence: Presence,
        store_open: Arc<AtomicBool>,
    ) -> Result<Self> {
        let (inbox, writer) = writer::start(&shared)?;
        Ok(Self {
            shared,
            inbox: Some(inbox),
            writer: Some((writer, presence)),
            store_open,
        })
    }

    fn inbox(&self) -> Result<&Inbox> {
        // Only `drop` takes it away.
        self.inbox
            .as_ref()
            .ok_or_else(|| basalt_base::Error::internal("a write to a closed app"))
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // The writer ends when it has done what waits and nobody can ask for more.
        self.inbox = None;
        let Some((writer, presence)) = self.writer.take() else {
            return;
        };
        if !self.store_open.load(SeqCst) {
            // Nobody else waits for the writer any more.
            return close(writer, presence);
        }
        // That may take a while, and this may be an async thread. Whoever opens the app next waits
        // for the presence to end.
        let held = Arc::new(Mutex::new(Some((writer, presence))));
        let handed = held.clone();
        let close_it = move || {
            if let Some((writer, presence)) = handed.lock().take() {
                close(writer, presence);
            }
        };
        let spawned = std::thread::Builder::new()
            .name("store-close".to_owned())
            .spawn(close_it);
        if spawned.is_err()
            && let Some((writer, presence)) = held.lock().take()
        {
            close(writer, presence);
        }
    }
}

fn close(writer: JoinHandle<()>, presence: Presence) {
    if writer.join().is_err() {
        tracing::error!("the writer of an app panicked while closing");
    }
    drop(presence);
}

impl Leases for App {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        time: Duration,
    ) -> BoxFuture<'a, Result<Option<Lease>>> {
        Box::pin(async move {
            let call = LeaseCall::acquire(name, holder, time)?;
            let token = self.inbox()?.lease(call).await?;
            Ok(token.map(|token| lease::made(name, holder, token)))
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease, time: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let call = LeaseCall::renew(lease, time)?;
            Ok(self.inbox()?.lease(call).await?.is_some())
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<()>> {
        let call = LeaseCall::Release(lease.clone());
        Box::pin(async move { self.inbox()?.lease(call).await.map(drop) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<LeaseView>>> {
        let now = self.shared.common.options.clock.now();
        Box::pin(reads::run(
            &self.shared,
            ReadOptions::default(),
            move |session, _| lease::list(&session.conn, now),
        ))
    }
}

impl Reads for App {
    fn find<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<Found>> {
        let query = query.clone();
        Box::pin(reads::run(&self.shared, options, move |session, view| {
            find::find(session, view, &query)
        }))
    }

    fn get<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Record>>> {
        let (collection, id) = (Box::from(collection), Box::from(id));
        Box::pin(reads::run(
            &self.shared,
            ReadOptions::default(),
            move |session, view| find::by_id_in(session, view, &collection, &id),
        ))
    }

    fn count<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<u64>> {
        let query = query.clone();
        Box::pin(reads::run(&self.shared, options, move |session, view| {
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
        Box::pin(reads::run(&self.shared, options, move |session, view| {
            collect::distinct(session, view, &query, &path)
        }))
    }

    fn scan<'a>(
        &'a self,
        query: Query,
        options: ReadOptions,
        mut sink: Box<dyn FnMut(Record) -> ControlFlow<()> + Send + 'static>,
    ) -> BoxFuture<'a, Result<()>> {
        let end = deadline(&self.shared, options);
        Box::pin(reads::run_long(&self.shared, end, move |session, view| {
            find::scan(session, view, &query, &mut sink)
        }))
    }
}

impl AppStore for App {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.shared.schema.load().catalogue.clone()
    }

    fn position(&self) -> Position {
        Position(self.shared.position.load(SeqCst))
    }

    fn leases(&self) -> &dyn Leases {
        self
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        Box::pin(async move {
            let snapshot = open_snapshot(&self.shared).await?;
            Ok(Box::new(snapshot) as Box<dyn Snapshot>)
        })
    }

    fn write(&self, batches: Vec<WriteBatch>) -> BoxFuture<'_, Result<Vec<Result<Vec<Written>>>>> {
        Box::pin(async move { self.inbox()?.write(batches).await })
    }

    fn changes(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Change>>>> {
        Box::pin(reads::run(
            &self.shared,
            ReadOptions::default(),
            move |session, _| changes::after(session, after, limit),
        ))
    }

    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Option<Task>>> {
        Box::pin(reads::run(
            &self.shared,
            ReadOptions::default(),
            move |session, _| tasks::by_id(session, id),
        ))
    }

    fn tasks<'a>(&'a self, page: &'a TaskPage) -> BoxFuture<'a, Result<Vec<Task>>> {
        let page = page.clone();
        Box::pin(reads::run(
            &self.shared,
            ReadOptions::default(),
            move |session, _| tasks::page(session, &page),
        ))
    }

    fn queue<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<QueueStand>> {
        let queue: Arc<str> = queue.into();
        Box::pin(reads::run(
            &self.shared,
            ReadOptions::default(),
            move |session, _| tasks::queue(session, &queue),
        ))
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueStand>>> {
        Box::pin(reads::run(
            &self.shared,
            ReadOptions::default(),
            |session, _| tasks::queues(session),
        ))
    }

    fn watch_tasks(&self, watch: Weak<dyn TaskWatch>) {
        self.shared.task_watches.lock().push(watch);
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.inbox()?.clear().await })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        let options = ReadOptions {
            time_max: std::time::Duration::from_hours(1),
        };
        let end = deadline(&self.shared, options);
        Box::pin(reads::run_long(&self.shared, end, |session, view| {
            crate::verify::problems(session, view)
        }))
    }

    fn explain<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Value>> {
        let query = query.clone();
        Box::pin(reads::run(
            &self.shared,
            ReadOptions::default(),
            move |session, view| reads::explain::explain(session, view, &query),
        ))
    }
}
