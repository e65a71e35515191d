//! A store that tells the feed of commits.

use crate::signal::{Head, Signal};
use basalt_base::{BoxFuture, Reason, Result, Value};
use basalt_store::{
    AppStore, Catalogue, Change, FieldRef, Found, Leases, Path, Position, Query, QueueStand,
    ReadOptions, Reads, Record, Snapshot, Task, TaskId, TaskPage, TaskWatch, WriteBatch, Written,
};
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Hands everything on; after writes it tells. Every method of the traits is here, also those that
/// have a default.
pub(crate) struct Watched {
    pub(crate) inner: Arc<dyn AppStore>,
    pub(crate) signal: Arc<Signal>,
}

/// How long to wait with asking again when too many writes wait.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Sees to it that the feed hears of a write whose caller goes away while it is under way: the write
/// goes on, and nobody else would say when it is done.
struct Told<'a> {
    store: &'a Watched,
    done: bool,
}

impl<'a> Told<'a> {
    fn of(store: &'a Watched) -> Self {
        Self { store, done: false }
    }

    fn now(mut self) {
        self.done = true;
        self.store.signal.committed(head(&*self.store.inner));
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (inner, signal) = (self.store.inner.clone(), self.store.signal.clone());
        runtime.spawn(async move {
            // Writes of an app are done in the order in which they are asked for: when one of nothing
            // is done, so is the one before it.
            while let Err(error) = inner.write(vec![WriteBatch::default()]).await {
                if error.reason() != Reason::Overloaded {
                    break;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
            signal.committed(head(&*inner));
        });
    }
}

pub(crate) fn head(store: &dyn AppStore) -> Head {
    Head {
        position: store.position(),
        catalogue: store.catalogue().version,
    }
}

impl Reads for Watched {
    fn find<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<Found>> {
        self.inner.find(query, options)
    }

    fn get<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Record>>> {
        self.inner.get(collection, id)
    }

    fn count<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<u64>> {
        self.inner.count(query, options)
    }

    fn distinct<'a>(
        &'a self,
        query: &'a Query,
        path: &'a Path,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Value>>> {
        self.inner.distinct(query, path, options)
    }

    fn scan<'a>(
        &'a self,
        query: Query,
        options: ReadOptions,
        sink: Box<dyn FnMut(Record) -> ControlFlow<()> + Send + 'static>,
    ) -> BoxFuture<'a, Result<()>> {
        self.inner.scan(query, options, sink)
    }
}

impl AppStore for Watched {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.inner.catalogue()
    }

    fn position(&self) -> Position {
        self.inner.position()
    }

    fn refresh(&self) -> BoxFuture<'_, Result<Position>> {
        self.inner.refresh()
    }

    fn leases(&self) -> &dyn Leases {
        self.inner.leases()
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        self.inner.snapshot()
    }

    fn write(&self, batches: Vec<WriteBatch>) -> BoxFuture<'_, Result<Vec<Result<Vec<Written>>>>> {
        Box::pin(async move {
            let told = Told::of(self);
            let outcome = self.inner.write(batches).await;
            // Also when it failed: it may have been committed all the same.
            told.now();
            outcome
        })
    }

    fn changes(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Change>>>> {
        self.inner.changes(after, limit)
    }

    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Option<Task>>> {
        self.inner.task(id)
    }

    fn tasks<'a>(&'a self, page: &'a TaskPage) -> BoxFuture<'a, Result<Vec<Task>>> {
        self.inner.tasks(page)
    }

    fn queue<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<QueueStand>> {
        self.inner.queue(queue)
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueStand>>> {
        self.inner.queues()
    }

    fn watch_tasks(&self, watch: Weak<dyn TaskWatch>) {
        self.inner.watch_tasks(watch);
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let told = Told::of(self);
            let outcome = self.inner.clear().await;
            told.now();
            outcome
        })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.inner.verify()
    }

    fn explain<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Value>> {
        self.inner.explain(query)
    }

    fn has_index(&self, collection: &str, field: &FieldRef) -> bool {
        self.inner.has_index(collection, field)
    }
}
