//! A store in memory, as plain as can be: the evaluator and `apply` over a list of records.

mod cluster;
mod schema;
mod system;

use crate::conformance::Harness;
use crate::{
    AppStore, Catalogue, Change, ChangeKind, DuplicateKey, FieldRef, Found, IndexKind, Path,
    Position, Projection, Query, QueueStand, ReadOptions, Reading, Reads, Record, RecordWrite,
    Snapshot, Store, StoreId, SystemStore, Task, TaskId, TaskPage, TaskWatch, Write, WriteBatch,
    Written, apply, eval, task::model::TaskModel,
};
use basalt_base::{BoxFuture, Error, Map, Reason, Result, Value};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, Weak};

/// Keeps what its stores hold, as a directory would.
#[derive(Default)]
pub struct Memory {
    disk: Arc<Disk>,
}

#[derive(Default)]
struct Disk {
    apps: Mutex<HashMap<StoreId, Arc<App>>>,
    system: system::System,
}

impl Harness for Memory {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore(self.disk.clone()));
        Box::pin(async { store })
    }
}

struct MemoryStore(Arc<Disk>);

impl Store for MemoryStore {
    fn system(&self) -> &dyn SystemStore {
        &self.0.system
    }

    fn open_app(&self, id: StoreId) -> BoxFuture<'_, Result<Arc<dyn AppStore>>> {
        let app = self.0.apps.lock().unwrap().entry(id).or_default().clone();
        Box::pin(async { Ok(app as Arc<dyn AppStore>) })
    }

    fn delete_app(&self, id: StoreId) -> BoxFuture<'_, Result<()>> {
        self.0.apps.lock().unwrap().remove(&id);
        Box::pin(async { Ok(()) })
    }

    fn metrics(&self) -> Vec<Reading> {
        Vec::new()
    }
}

#[derive(Default)]
struct App {
    state: Mutex<State>,
    leases: cluster::LeaseTable,
    watches: Mutex<Vec<Weak<dyn TaskWatch>>>,
}

/// Everything of an app; a batch works on a copy and replaces it when all went well.
#[derive(Clone, Default)]
struct State {
    catalogue: Arc<Catalogue>,
    /// By collection id, in order of creation.
    records: HashMap<u32, Vec<Arc<Record>>>,
    log: Vec<Change>,
    position: u64,
    next_id: u32,
    tasks: TaskModel,
}

impl State {
    fn list(&self, collection: &str) -> &[Arc<Record>] {
        let id = self.catalogue.collection(collection).map(|c| c.id.0);
        id.and_then(|id| self.records.get(&id))
            .map_or(&[], Vec::as_slice)
    }

    fn get(&self, collection: &str, id: &str) -> Option<&Arc<Record>> {
        self.list(collection).iter().find(|r| &*r.id == id)
    }

    fn matching(&self, query: &Query) -> Result<Vec<Record>> {
        let mut found = Vec::new();
        for record in self.list(&query.collection) {
            if eval::matches(&query.filter, record)? {
                found.push((**record).clone());
            }
        }
        Ok(found)
    }

    fn find(&self, query: &Query) -> Result<Vec<Record>> {
        let mut found = self.matching(query)?;
        if query.reverses_ties() {
            found.reverse();
        }
        eval::sort_records(&mut found, &query.sort);
        let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
        let limit = query.limit.map_or(usize::MAX, |n| n as usize);
        let mut page: Vec<Record> = found.into_iter().skip(skip).take(limit).collect();
        if let Projection::Only(names) = &query.projection {
            for record in &mut page {
                record.fields.retain(|(name, _)| names.contains(name));
            }
        }
        Ok(page)
    }

    fn distinct(&self, query: &Query, path: &Path) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        for record in self.matching(query)? {
            for candidate in eval::candidates(&record, path) {
                match candidate.into_owned() {
                    Value::Array(items) => values.extend(items),
                    value => values.push(value),
                }
            }
        }
        values.sort_by(|a, b| eval::compare_for_sort(Some(a), Some(b)));
        values.dedup();
        Ok(values)
    }

    fn run(&mut self, batch: WriteBatch) -> Result<Vec<Written>> {
        for check in &batch.checks {
            let rev = self.get(&check.collection, &check.id).map(|r| r.rev);
            if rev != check.rev {
                return Err(Error::new(Reason::TransactionConflict, "A read changed."));
            }
        }
        batch
            .writes
            .into_iter()
            .map(|write| self.step(write))
            .collect()
    }

    fn step(&mut self, write: Write) -> Result<Written> {
        match write {
            Write::Record(write) => self.record(&write),
            Write::DeleteMatching {
                collection,
                filter,
                limit,
            } => {
                let query = Query::all(collection.clone()).filter(filter).limit(limit);
                let found = self.find(&query)?;
                for record in &found {
                    self.put(&collection, &record.id, None, record.updated_at);
                }
                Ok(Written::Deleted(found.len() as u64))
            }
            Write::Schema(change) => {
                schema::apply(self, change)?;
                Ok(Written::Schema)
            }
            Write::Task(write) => self.tasks.apply(&write).map(Written::Task),
        }
    }

    fn record(&mut self, write: &RecordWrite) -> Result<Written> {
        let Some(collection) = self.catalogue.collection(&write.collection).cloned() else {
            return Err(Error::new(
                Reason::CollectionNotFound,
                "No such collection.",
            ));
        };
        let before = self.get(&write.collection, &write.id).cloned();
        apply::check_precondition(&write.precondition, before.as_deref())?;
        let after = apply::apply(&collection, before.as_deref(), write, self.position + 1)?;
        let after = after.map(Arc::new);
        if let Some(after) = &after {
            for index in collection
                .indexes
                .iter()
                .filter(|i| i.kind == IndexKind::Unique)
            {
                let others = self.list(&write.collection).iter();
                if let Some(key) = schema::key(index, after)
                    && others
                        .filter(|r| r.id != after.id)
                        .any(|r| schema::key(index, r).as_ref() == Some(&key))
                {
                    return Err(duplicate(&write.collection, &index.name));
                }
            }
        }
        self.put(
            &write.collection,
            &write.id,
            after.clone(),
            write.at.truncate_to_millis(),
        );
        Ok(Written::Record { before, after })
    }

    /// Replaces the object and logs it.
    fn put(
        &mut self,
        collection: &Arc<str>,
        id: &str,
        after: Option<Arc<Record>>,
        at: basalt_base::Timestamp,
    ) {
        let table = self.catalogue.collections[collection].id.0;
        let list = self.records.entry(table).or_default();
        let place = list.iter().position(|r| &*r.id == id);
        let before = place.map(|at| list[at].clone());
        let kind = match (place, &after) {
            (Some(at), Some(after)) => {
                list[at] = after.clone();
                ChangeKind::Update
            }
            (Some(at), None) => {
                list.remove(at);
                ChangeKind::Delete
            }
            (None, Some(after)) => {
                list.push(after.clone());
                ChangeKind::Create
            }
            (None, None) => return,
        };
        self.position += 1;
        self.log.push(Change {
            position: Position(self.position),
            collection: collection.clone(),
            id: id.into(),
            kind,
            before,
            after,
            at,
        });
    }
}

fn duplicate(collection: &Arc<str>, index: &Arc<str>) -> Error {
    Error::new(Reason::DuplicateValue, "A value is taken.").with_source(DuplicateKey {
        collection: collection.clone(),
        index: index.clone(),
    })
}

/// Reads of one state.
struct Frozen(State);

macro_rules! reads {
    ($type:ty, $self:ident => $state:expr) => {
        impl Reads for $type {
            fn find<'a>(
                &'a $self,
                query: &'a Query,
                _: ReadOptions,
            ) -> BoxFuture<'a, Result<Found>> {
                Box::pin(async move {
                    let state = $state;
                    Ok(Found {
                        records: state.find(query)?,
                        position: Position(state.position),
                    })
                })
            }

            fn get<'a>(
                &'a $self,
                collection: &'a str,
                id: &'a str,
            ) -> BoxFuture<'a, Result<Option<Record>>> {
                Box::pin(async move { Ok($state.get(collection, id).map(|r| (**r).clone())) })
            }

            fn count<'a>(&'a $self, query: &'a Query, _: ReadOptions) -> BoxFuture<'a, Result<u64>> {
                Box::pin(async move { Ok($state.matching(query)?.len() as u64) })
            }

            fn distinct<'a>(
                &'a $self,
                query: &'a Query,
                path: &'a Path,
                _: ReadOptions,
            ) -> BoxFuture<'a, Result<Vec<Value>>> {
                Box::pin(async move { $state.distinct(query, path) })
            }

            fn scan<'a>(
                &'a $self,
                query: Query,
                _: ReadOptions,
                mut sink: Box<dyn FnMut(Record) -> ControlFlow<()> + Send + 'static>,
            ) -> BoxFuture<'a, Result<()>> {
                Box::pin(async move {
                    for record in $state.find(&query)? {
                        if sink(record).is_break() {
                            break;
                        }
                    }
                    Ok(())
                })
            }
        }
    };
}

reads!(Frozen, self => &self.0);
reads!(App, self => self.state.lock().unwrap());

impl Snapshot for Frozen {
    fn position(&self) -> Position {
        Position(self.0.position)
    }
}

impl AppStore for App {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.state.lock().unwrap().catalogue.clone()
    }

    fn position(&self) -> Position {
        Position(self.state.lock().unwrap().position)
    }

    fn leases(&self) -> &dyn crate::Leases {
        &self.leases
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        let state = self.state.lock().unwrap().clone();
        Box::pin(async { Ok(Box::new(Frozen(state)) as Box<dyn Snapshot>) })
    }

    fn write(&self, batches: Vec<WriteBatch>) -> BoxFuture<'_, Result<Vec<Result<Vec<Written>>>>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            let each = batches.into_iter().map(|batch| {
                self.leases.check(batch.fence.as_ref())?;
                let mut copy = state.clone();
                let done = copy.run(batch)?;
                let news = copy.tasks.news(&state.tasks);
                for watch in self
                    .watches
                    .lock()
                    .unwrap()
                    .iter()
                    .filter_map(Weak::upgrade)
                {
                    for (queue, due) in &news {
                        watch.due(queue, *due);
                    }
                }
                *state = copy;
                Ok(done)
            });
            Ok(each.collect())
        })
    }

    fn changes(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Change>>>> {
        let state = self.state.lock().unwrap();
        let newer = state.log.iter().filter(|c| c.position > after);
        let page = newer.take(limit).cloned().collect();
        Box::pin(async { Ok(Some(page)) })
    }

    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Option<Task>>> {
        let task = self.state.lock().unwrap().tasks.task(id).cloned();
        Box::pin(async { Ok(task) })
    }

    fn tasks<'a>(&'a self, page: &'a TaskPage) -> BoxFuture<'a, Result<Vec<Task>>> {
        let tasks = self.state.lock().unwrap().tasks.page(page);
        Box::pin(async { Ok(tasks) })
    }

    fn queue<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<QueueStand>> {
        let stand = self.state.lock().unwrap().tasks.queue(queue);
        Box::pin(async { Ok(stand) })
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueStand>>> {
        let stands = self.state.lock().unwrap().tasks.queues();
        Box::pin(async { Ok(stands) })
    }

    fn watch_tasks(&self, watch: Weak<dyn TaskWatch>) {
        self.watches.lock().unwrap().push(watch);
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        let mut state = self.state.lock().unwrap();
        state.records.clear();
        state.tasks.clear();
        state.catalogue = Arc::new(Catalogue {
            version: state.catalogue.version + 1,
            collections: HashMap::new(),
        });
        Box::pin(async { Ok(()) })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn explain<'a>(&'a self, _: &'a Query) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async { Ok(Value::Map(Map::new())) })
    }
}

/// The field's own part of a unique key.
fn value_of(record: &Record, field: &FieldRef) -> Option<Value> {
    let path = Path::system(field.clone());
    let mut found = eval::candidates(record, &path);
    found.pop().map(std::borrow::Cow::into_owned)
}
