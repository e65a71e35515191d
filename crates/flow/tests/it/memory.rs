//! A store in memory and a clock that tokio's stopped time drives, for tests and simulations that
//! have to be repeatable. Tasks are those of the model, objects a plain map.

use basalt_base::{BoxFuture, Clock, Error, ManualClock, Monotonic, Reason, Result};
use basalt_base::{Timestamp, Value};
use basalt_store::task::model::TaskModel;
use basalt_store::{
    AppStore, Catalogue, Change, Collection, CollectionId, Field, FieldId, Found, Path, Position,
    Query, QueueStand, ReadOptions, Reads, Record, SchemaChange, Snapshot, Task, TaskId, TaskPage,
    TaskWatch, Write, WriteBatch, Written, apply, eval,
};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The time of a runtime whose clock is stopped: it jumps when nobody has anything to do.
#[derive(Clone, Copy)]
pub struct StoppedClock(tokio::time::Instant);

impl StoppedClock {
    pub fn start() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus(self.0.elapsed())
    }

    fn monotonic(&self) -> Monotonic {
        ManualClock::at(0).monotonic().after(self.0.elapsed())
    }
}

/// What becomes of a batch that is about to be applied.
pub enum Fault {
    None,
    /// It is refused, and nothing was written.
    Refused,
    /// It is applied, and nobody hears.
    Unheard,
}

type Faults = Box<dyn FnMut(&WriteBatch) -> Fault + Send>;

#[derive(Default)]
struct State {
    catalogue: Arc<Catalogue>,
    rows: BTreeMap<(Arc<str>, Box<str>), Record>,
    tasks: TaskModel,
    position: u64,
    /// Calls that looked at queues.
    looks: u64,
    /// Batches that lease.
    leases: u64,
}

/// What the handles of all nodes share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    faults: Mutex<Option<Faults>>,
}

/// The store of one app, as one node has it.
#[derive(Default)]
pub struct Memory {
    shared: Arc<Shared>,
    watches: Mutex<Vec<Weak<dyn TaskWatch>>>,
    dead: AtomicBool,
}

impl Memory {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The same store as another node has it, which is told of its own commits only.
    pub fn node(&self) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::clone(&self.shared),
            ..Self::default()
        })
    }

    /// From now on nothing that this node asks is done or answered.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }

    fn ready<'a, T: Send + 'a>(&self, value: T) -> BoxFuture<'a, T> {
        if self.is_dead() {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(value))
    }

    /// Asks this about every batch from now on.
    pub fn with_faults(&self, faults: impl FnMut(&WriteBatch) -> Fault + Send + 'static) {
        *self.shared.faults.lock() = Some(Box::new(faults));
    }

    pub fn without_faults(&self) {
        *self.shared.faults.lock() = None;
    }

    /// Calls that looked at queues, and batches that leased.
    pub fn asked(&self) -> (u64, u64) {
        let state = self.state();
        (state.looks, state.leases)
    }

    pub fn row(&self, collection: &str, id: &str) -> Option<Record> {
        let key = (collection.into(), id.into());
        self.state().rows.get(&key).cloned()
    }

    pub fn rows(&self, collection: &str) -> Vec<Record> {
        let state = self.state();
        let rows = state.rows.iter().filter(|((c, _), _)| **c == *collection);
        rows.map(|(_, row)| row.clone()).collect()
    }

    pub fn tasks(&self) -> Vec<Task> {
        self.state().tasks.all().cloned().collect()
    }

    fn one(&self, batch: &WriteBatch) -> Result<Vec<Written>> {
        let fault = match &mut *self.shared.faults.lock() {
            Some(faults) => faults(batch),
            None => Fault::None,
        };
        let lost = || Error::new(Reason::OutcomeUnknown, "as the test wants it");
        if matches!(fault, Fault::Refused) {
            let text = "as the test wants it";
            return Err(Error::new(Reason::StoreUnavailable, text));
        }
        let mut state = self.state();
        let (tasks, rows) = (state.tasks.clone(), state.rows.clone());
        let done: Result<Vec<_>> = batch.writes.iter().map(|w| state.apply(w)).collect();
        if done.is_err() {
            (state.tasks, state.rows) = (tasks, rows);
            return done;
        }
        let news = state.tasks.news(&tasks);
        drop(state);
        let watches = self.watches.lock().clone();
        for watch in watches.iter().filter_map(Weak::upgrade) {
            for (queue, due) in &news {
                watch.due(queue, *due);
            }
        }
        if matches!(fault, Fault::Unheard) {
            return Err(lost());
        }
        done
    }
}

impl State {
    fn apply(&mut self, write: &Write) -> Result<Written> {
        match write {
            Write::Task(step) => {
                let leases = matches!(step, basalt_store::TaskWrite::Lease { .. });
                self.leases += u64::from(leases);
                self.tasks.apply(step).map(Written::Task)
            }
            Write::Schema(change) => {
                self.change(change);
                Ok(Written::Schema)
            }
            Write::Record(write) => {
                let known = self.catalogue.collection(&write.collection).cloned();
                let collection = known
                    .ok_or_else(|| Error::new(Reason::CollectionNotFound, "no such collection"))?;
                let key = (write.collection.clone(), write.id.clone());
                let before = self.rows.get(&key);
                apply::check_precondition(&write.precondition, before)?;
                self.position += 1;
                let after = apply::apply(&collection, before, write, self.position)?;
                match &after {
                    Some(record) => drop(self.rows.insert(key, record.clone())),
                    None => drop(self.rows.remove(&key)),
                }
                Ok(Written::Record {
                    before: None,
                    after: after.map(Arc::new),
                })
            }
            _ => Err(Error::internal("this store has no such step")),
        }
    }

    fn change(&mut self, change: &SchemaChange) {
        let mut catalogue = Catalogue::clone(&self.catalogue);
        catalogue.version += 1;
        match change {
            SchemaChange::EnsureCollection { name, rules } => {
                let made = Collection {
                    id: CollectionId(catalogue.collections.len() as u32),
                    name: name.clone(),
                    fields: Vec::new(),
                    indexes: Vec::new(),
                    rules: rules.clone(),
                    version: 0,
                };
                let all = &mut catalogue.collections;
                all.entry(name.clone()).or_insert_with(|| Arc::new(made));
            }
            SchemaChange::EnsureField { collection, field } => {
                let Some(known) = catalogue.collections.get_mut(collection) else {
                    return;
                };
                if known.field(&field.name).is_none() {
                    let known = Arc::make_mut(known);
                    known.fields.push(Field {
                        id: FieldId(known.fields.len() as u32),
                        def: field.clone(),
                    });
                }
            }
            _ => {}
        }
        self.catalogue = Arc::new(catalogue);
    }
}

impl Reads for Memory {
    fn find<'a>(&'a self, query: &'a Query, _: ReadOptions) -> BoxFuture<'a, Result<Found>> {
        let mut records = self.rows(&query.collection);
        records.retain(|record| eval::matches(&query.filter, record).unwrap());
        self.ready(Ok(Found {
            records,
            position: self.position(),
        }))
    }

    fn get<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Record>>> {
        self.ready(Ok(self.row(collection, id)))
    }

    fn count<'a>(&'a self, _: &'a Query, _: ReadOptions) -> BoxFuture<'a, Result<u64>> {
        unreachable!("nobody counts here")
    }

    fn distinct<'a>(
        &'a self,
        _: &'a Query,
        _: &'a Path,
        _: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Value>>> {
        unreachable!("nobody asks this here")
    }

    fn scan<'a>(
        &'a self,
        _: Query,
        _: ReadOptions,
        _: Box<dyn FnMut(Record) -> ControlFlow<()> + Send + 'static>,
    ) -> BoxFuture<'a, Result<()>> {
        unreachable!("nobody scans here")
    }
}

impl AppStore for Memory {
    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.state().catalogue)
    }

    fn position(&self) -> Position {
        Position(self.state().position)
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        unreachable!("nobody reads twice here")
    }

    fn write(&self, batches: Vec<WriteBatch>) -> BoxFuture<'_, Result<Vec<Result<Vec<Written>>>>> {
        Box::pin(async move {
            // A commit takes its time, and others get their turn.
            tokio::time::sleep(Duration::from_millis(1)).await;
            if self.is_dead() {
                std::future::pending::<()>().await;
            }
            Ok(batches.iter().map(|batch| self.one(batch)).collect())
        })
    }

    fn changes(&self, _: Position, _: usize) -> BoxFuture<'_, Result<Option<Vec<Change>>>> {
        unreachable!("nobody follows here")
    }

    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Option<Task>>> {
        self.ready(Ok(self.state().tasks.task(id).cloned()))
    }

    fn tasks<'a>(&'a self, page: &'a TaskPage) -> BoxFuture<'a, Result<Vec<Task>>> {
        self.ready(Ok(self.state().tasks.page(page)))
    }

    fn queue<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<QueueStand>> {
        let mut state = self.state();
        state.looks += 1;
        self.ready(Ok(state.tasks.queue(queue)))
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueStand>>> {
        let mut state = self.state();
        state.looks += 1;
        self.ready(Ok(state.tasks.queues()))
    }

    fn watch_tasks(&self, watch: Weak<dyn TaskWatch>) {
        self.watches.lock().push(watch);
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        unreachable!("nobody clears here")
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.ready(Ok(Vec::new()))
    }

    fn explain<'a>(&'a self, _: &'a Query) -> BoxFuture<'a, Result<Value>> {
        unreachable!("nobody asks this here")
    }
}
