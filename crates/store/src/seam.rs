//! The traits that a store implements.

use crate::{
    Catalogue, FieldRef, Found, Leases, NoLeases, NoNodes, Nodes, Path, Position, Query,
    QueueStand, ReadOptions, Record, Task, TaskId, TaskPage, TaskWatch, WriteBatch, Written,
};
use basalt_base::{AppId, BoxFuture, Error, Map, Reason, Result, Timestamp, Value};
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

/// The internal number of an app in a store; names its folder or schema, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(pub u32);

/// Reads of one app, either each at the latest state ([`AppStore`]) or all at one ([`Snapshot`]).
///
/// Dropping a returned future cancels the read.
pub trait Reads: Send + Sync {
    /// The objects that match, in order.
    fn find<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<Found>>;

    /// The object of that id, if the collection and it exist. Cheaper than [`Reads::find`].
    fn get<'a>(&'a self, collection: &'a str, id: &'a str)
    -> BoxFuture<'a, Result<Option<Record>>>;

    /// How many objects match, exactly; `skip` and `limit` are ignored.
    fn count<'a>(&'a self, query: &'a Query, options: ReadOptions) -> BoxFuture<'a, Result<u64>>;

    /// The distinct values at a path among the matching objects; the elements of an array count
    /// each, missing values not. Order is that of [`crate::SortKey::Path`].
    fn distinct<'a>(
        &'a self,
        query: &'a Query,
        path: &'a Path,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Value>>>;

    /// Streams the matching objects into `sink` until it breaks; runs off the async threads.
    fn scan<'a>(
        &'a self,
        query: Query,
        options: ReadOptions,
        sink: Box<dyn FnMut(Record) -> ControlFlow<()> + Send + 'static>,
    ) -> BoxFuture<'a, Result<()>>;
}

/// Several reads at one state. Keep it short: it holds a reader and keeps the log from shrinking.
pub trait Snapshot: Reads {
    /// The position at which everything read from it is valid.
    fn position(&self) -> Position;
}

/// What kind of write a change was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The object came into being.
    Create,
    /// The object changed.
    Update,
    /// The object was deleted.
    Delete,
}

/// One row of the change log.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its position.
    pub position: Position,
    /// The collection's name at the time of the write.
    pub collection: Arc<str>,
    /// The object's id.
    pub id: Box<str>,
    /// What happened.
    pub kind: ChangeKind,
    /// The object before.
    pub before: Option<Arc<Record>>,
    /// The object after.
    pub after: Option<Arc<Record>>,
    /// When.
    pub at: Timestamp,
}

fn no_tasks() -> Error {
    Error::new(Reason::CommandUnavailable, "This store has no tasks.")
}

/// The data of one app. The change feed wraps it: a method that is added here, also one with a
/// default, has to be handed on there (`watched.rs` of `feed`).
pub trait AppStore: Reads {
    /// The catalogue as of the last commit. Cheap.
    fn catalogue(&self) -> Arc<Catalogue>;

    /// The position of the last commit. Cheap.
    fn position(&self) -> Position;

    /// Learns what other processes committed to this app, where others may ([`Store::is_shared`]):
    /// the catalogue and the position of the last commit. Reads of a shared store are exact without
    /// it; caches above the store live by it.
    fn refresh(&self) -> BoxFuture<'_, Result<Position>> {
        Box::pin(async { Ok(self.position()) })
    }

    /// The app's leases; their fences guard its writes.
    fn leases(&self) -> &dyn Leases {
        &NoLeases
    }

    /// Several reads at one state.
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>>;

    /// Applies each batch atomically, in order, independently of the others; all share one durable
    /// commit where possible. The outer error means that none was done, but for `OutcomeUnknown`,
    /// which says so. When this returns, what it reports as done is durable. Dropping the future
    /// does not undo the writes.
    fn write(&self, batches: Vec<WriteBatch>) -> BoxFuture<'_, Result<Vec<Result<Vec<Written>>>>>;

    /// The changes after a position, oldest first, at most `limit`; `None` when the log no longer
    /// reaches back that far and the reader has to start over.
    fn changes(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Change>>>>;

    /// A task, if there is one of that number.
    fn task(&self, _id: TaskId) -> BoxFuture<'_, Result<Option<Task>>> {
        Box::pin(async { Err(no_tasks()) })
    }

    /// Tasks of a queue in the order of putting.
    fn tasks<'a>(&'a self, _page: &'a TaskPage) -> BoxFuture<'a, Result<Vec<Task>>> {
        Box::pin(async { Err(no_tasks()) })
    }

    /// How a queue stands; one that never was is empty.
    fn queue<'a>(&'a self, _queue: &'a str) -> BoxFuture<'a, Result<QueueStand>> {
        Box::pin(async { Err(no_tasks()) })
    }

    /// How each queue stands that has a task, dead ones included, in order of their names.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueStand>>> {
        Box::pin(async { Err(no_tasks()) })
    }

    /// Has this one told of every later commit of this process that makes tasks leasable, until it
    /// is dropped. Commits of other processes are not told.
    fn watch_tasks(&self, _watch: Weak<dyn TaskWatch>) {}

    /// Deletes every object, collection and task.
    fn clear(&self) -> BoxFuture<'_, Result<()>>;

    /// Checks integrity and invariants; one sentence for each problem found.
    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>>>;

    /// How a query would run, for people: the SQL and the store's plan.
    fn explain<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Value>>;

    /// Whether an index serves equality on this field, so that a query by it stays cheap.
    fn has_index(&self, collection: &str, field: &FieldRef) -> bool {
        matches!(field, FieldRef::Id)
            || self.catalogue().collection(collection).is_some_and(|c| {
                c.indexes
                    .iter()
                    .any(|i| i.columns.first().is_some_and(|col| col.field == *field))
            })
    }
}

/// An app as the registry keeps it.
#[derive(Clone, Debug)]
pub struct AppRow {
    /// Its internal number.
    pub store_id: StoreId,
    /// Its public id.
    pub app_id: AppId,
    /// Twelve digits, unique; the account number of AWS-style adapters.
    pub account: String,
    /// Product settings (options, key digests …), owned by the server.
    pub settings: Map,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The registry of apps and what else belongs to no single app.
pub trait SystemStore: Send + Sync {
    /// All apps, oldest first.
    fn apps(&self) -> BoxFuture<'_, Result<Vec<AppRow>>>;

    /// Registers an app; `store_id` is chosen here. A taken id is `DuplicateValue`.
    fn create_app<'a>(
        &'a self,
        app_id: &'a AppId,
        account: &'a str,
        settings: Map,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<AppRow>>;

    /// Replaces the settings of an app.
    fn update_app(&self, store_id: StoreId, settings: Map) -> BoxFuture<'_, Result<()>>;

    /// Removes an app from the registry.
    fn remove_app(&self, store_id: StoreId) -> BoxFuture<'_, Result<()>>;

    /// A number that changes with every change of the registry, cheaper to read than [`Self::apps`];
    /// `None` from a store that has none.
    fn registry_version(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async { Ok(None) })
    }

    /// Leases of what belongs to no single app.
    fn leases(&self) -> &dyn Leases {
        &NoLeases
    }

    /// The servers on this store.
    fn nodes(&self) -> &dyn Nodes {
        &NoNodes
    }

    /// When each app next has work to do, as last told with [`SystemStore::set_next_due`]. A hint:
    /// it is written after the work was put and may be lost in a crash.
    fn next_due(&self) -> BoxFuture<'_, Result<Vec<(StoreId, Timestamp)>>> {
        Box::pin(async { Err(no_tasks()) })
    }

    /// Replaces the hint of an app; `None` when it has nothing to do. Unknown apps are ignored.
    fn set_next_due(&self, _id: StoreId, _due: Option<Timestamp>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(no_tasks()) })
    }
}

/// One reading of a metric.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The metric's name, in the form `basalt_store_…` with its unit last.
    pub name: &'static str,
    /// Labels and their values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

/// A store: the registry and the data of many apps, strictly separated.
pub trait Store: Send + Sync {
    /// The registry.
    fn system(&self) -> &dyn SystemStore;

    /// Opens the data of an app, made on first use. Handles to the same app share everything;
    /// dropping the last one closes it.
    fn open_app(&self, id: StoreId) -> BoxFuture<'_, Result<Arc<dyn AppStore>>>;

    /// Deletes the data of an app for good; it must not be open.
    fn delete_app(&self, id: StoreId) -> BoxFuture<'_, Result<()>>;

    /// Whether other processes may write to the same data at the same time.
    fn is_shared(&self) -> bool {
        false
    }

    /// Readings for `/metrics`.
    fn metrics(&self) -> Vec<Reading>;
}
