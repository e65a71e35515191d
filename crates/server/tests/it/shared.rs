//! A store that several servers of one process share, as nodes share a database: each handle knows
//! of the others' commits only once it looks.

use basalt_base::{BoxFuture, Error, Reason, Result, Value};
use basalt_store::{
    AppStore, Catalogue, Change, Found, Leases, Path, Position, Query, QueueStand, ReadOptions,
    Reading, Reads, Record, Snapshot, Store, StoreId, SystemStore, Task, TaskId, TaskPage,
    TaskWatch, WriteBatch, Written,
};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// One node's view of the store.
pub struct NodeStore(pub Arc<dyn Store>);

impl Store for NodeStore {
    fn system(&self) -> &dyn SystemStore {
        self.0.system()
    }

    fn open_app(&self, id: StoreId) -> BoxFuture<'_, Result<Arc<dyn AppStore>>> {
        Box::pin(async move {
            let inner = self.0.open_app(id).await?;
            let seen = Mutex::new((inner.catalogue(), inner.position()));
            let faults = Arc::default();
            Ok(Arc::new(NodeApp {
                inner,
                seen,
                faults,
            }) as Arc<dyn AppStore>)
        })
    }

    fn delete_app(&self, id: StoreId) -> BoxFuture<'_, Result<()>> {
        self.0.delete_app(id)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn metrics(&self) -> Vec<Reading> {
        self.0.metrics()
    }
}

/// What a test sees of a store, and wants of it.
#[derive(Default)]
pub struct Faults {
    /// The apps that were opened, in order.
    pub opened: Mutex<Vec<StoreId>>,
    /// Whether an app can't be cleared.
    pub no_clear: AtomicBool,
}

/// A store of one server that counts and fails.
pub struct FaultyStore {
    pub inner: Arc<dyn Store>,
    pub faults: Arc<Faults>,
}

impl Store for FaultyStore {
    fn system(&self) -> &dyn SystemStore {
        self.inner.system()
    }

    fn open_app(&self, id: StoreId) -> BoxFuture<'_, Result<Arc<dyn AppStore>>> {
        Box::pin(async move {
            self.faults.opened.lock().unwrap().push(id);
            let inner = self.inner.open_app(id).await?;
            let seen = Mutex::new((inner.catalogue(), inner.position()));
            let faults = Arc::clone(&self.faults);
            Ok(Arc::new(NodeApp {
                inner,
                seen,
                faults,
            }) as Arc<dyn AppStore>)
        })
    }

    fn delete_app(&self, id: StoreId) -> BoxFuture<'_, Result<()>> {
        self.inner.delete_app(id)
    }

    fn metrics(&self) -> Vec<Reading> {
        self.inner.metrics()
    }
}

struct NodeApp {
    inner: Arc<dyn AppStore>,
    seen: Mutex<(Arc<Catalogue>, Position)>,
    faults: Arc<Faults>,
}

impl NodeApp {
    fn see(&self) -> Position {
        let now = (self.inner.catalogue(), self.inner.position());
        let position = now.1;
        *self.seen.lock().unwrap() = now;
        position
    }
}

impl Reads for NodeApp {
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

impl AppStore for NodeApp {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.seen.lock().unwrap().0.clone()
    }

    fn position(&self) -> Position {
        self.seen.lock().unwrap().1
    }

    fn refresh(&self) -> BoxFuture<'_, Result<Position>> {
        let position = self.see();
        Box::pin(async move { Ok(position) })
    }

    fn leases(&self) -> &dyn Leases {
        self.inner.leases()
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        self.inner.snapshot()
    }

    fn write(&self, batches: Vec<WriteBatch>) -> BoxFuture<'_, Result<Vec<Result<Vec<Written>>>>> {
        Box::pin(async move {
            let outcome = self.inner.write(batches).await;
            self.see();
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
        if self.faults.no_clear.load(Ordering::SeqCst) {
            let error = Error::new(Reason::StoreUnavailable, "as the test wants it");
            return Box::pin(async move { Err(error) });
        }
        self.inner.clear()
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.inner.verify()
    }

    fn explain<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Value>> {
        self.inner.explain(query)
    }
}
