//! The handle of an open app.

use crate::builder::{self, Builder};
use crate::lease::Held;
use crate::reads::{self, Reading, changes, collect, find, tasks};
use crate::shared::Shared;
use crate::writer::{self, Inbox};
use basalt_base::{BoxFuture, Result, Value};
use basalt_store::{
    AppStore, Catalogue, Change, Found, Leases, Path, Position, Query, QueueStand, ReadOptions,
    Reads, Record, Snapshot, Task, TaskId, TaskPage, TaskWatch, WriteBatch, Written,
};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Weak};

/// An open app; dropping it lets the writer finish what waits.
pub(crate) struct App {
    pub(crate) shared: Arc<Shared>,
    inbox: Inbox,
    leases: Held,
    _builder: Builder,
}

impl App {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let inbox = writer::start(&shared);
        let builder = builder::start(&shared);
        let leases = Held {
            schema: shared.name.clone(),
            writers: shared.common.writers.clone(),
        };
        Self {
            shared,
            inbox,
            leases,
            _builder: builder,
        }
    }
}

impl Reads for App {
    fn find<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<Found>> {
        Box::pin(reads::now(options, find::latest(&self.shared, query)))
    }

    fn get<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Record>>> {
        let read = find::latest_by_id(&self.shared, collection, id);
        Box::pin(reads::now(ReadOptions::default(), read))
    }

    fn count<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<u64>> {
        let read = collect::latest_count(&self.shared, query);
        Box::pin(reads::now(options, read))
    }

    fn distinct<'a>(
        &'a self,
        query: &'a Query,
        path: &'a Path,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Value>>> {
        let read = async move {
            let reading = Reading::begin(&self.shared).await?;
            let values = collect::distinct(&reading.session(), &reading.view, query, path).await;
            reading.finish(values).await
        };
        Box::pin(reads::now(options, read))
    }

    fn scan<'a>(
        &'a self,
        query: Query,
        options: ReadOptions,
        mut sink: Box<dyn FnMut(Record) -> ControlFlow<()> + Send + 'static>,
    ) -> BoxFuture<'a, Result<()>> {
        let read = async move {
            let reading = Reading::begin(&self.shared).await?;
            let done = find::scan(&reading.session(), &reading.view, &query, &mut *sink).await;
            reading.finish(done).await
        };
        Box::pin(reads::now(options, read))
    }
}

impl AppStore for App {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.shared.schema.load().catalogue.clone()
    }

    fn position(&self) -> Position {
        Position(self.shared.position.load(SeqCst))
    }

    fn refresh(&self) -> BoxFuture<'_, Result<Position>> {
        Box::pin(reads::refresh(&self.shared))
    }

    fn leases(&self) -> &dyn Leases {
        &self.leases
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        Box::pin(async move {
            let snapshot = reads::open(&self.shared).await?;
            Ok(Box::new(snapshot) as Box<dyn Snapshot>)
        })
    }

    fn write(&self, batches: Vec<WriteBatch>) -> BoxFuture<'_, Result<Vec<Result<Vec<Written>>>>> {
        Box::pin(self.inbox.write(batches))
    }

    fn changes(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Change>>>> {
        Box::pin(changes::after(&self.shared, after, limit))
    }

    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Option<Task>>> {
        let read = tasks::by_id(&self.shared, id);
        Box::pin(reads::now(ReadOptions::default(), read))
    }

    fn tasks<'a>(&'a self, page: &'a TaskPage) -> BoxFuture<'a, Result<Vec<Task>>> {
        let read = tasks::page(&self.shared, page);
        Box::pin(reads::now(ReadOptions::default(), read))
    }

    fn queue<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<QueueStand>> {
        let read = tasks::queue(&self.shared, queue);
        Box::pin(reads::now(ReadOptions::default(), read))
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueStand>>> {
        let read = tasks::queues(&self.shared);
        Box::pin(reads::now(ReadOptions::default(), read))
    }

    fn watch_tasks(&self, watch: Weak<dyn TaskWatch>) {
        self.shared.task_watches.lock().push(watch);
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.inbox.clear())
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        let options = ReadOptions {
            time_max: std::time::Duration::from_hours(1),
        };
        let read = async move {
            let reading = Reading::begin(&self.shared).await?;
            let found = crate::verify::problems(&reading.session(), &reading.view).await;
            reading.finish(found).await
        };
        Box::pin(reads::now(options, read))
    }

    fn explain<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Value>> {
        let read = async move {
            let reading = Reading::begin(&self.shared).await?;
            let plan = reads::explain::explain(&reading.session(), &reading.view, query).await;
            reading.finish(plan).await
        };
        Box::pin(reads::now(ReadOptions::default(), read))
    }
}
