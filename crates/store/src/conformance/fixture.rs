//! What the cases are written with.

use super::Harness;
use crate::{
    Acl, Action, AppStore, Collection, FieldDef, FieldOp, FieldType, Filter, IndexColumn, IndexDef,
    IndexKind, Op, Path, Precondition, Query, ReadOptions, Record, RecordWrite, SchemaChange,
    Store, StoreId, Write, WriteBatch, Written, codec,
};
use basalt_base::{BoxFuture, Map, Result, Timestamp, Value};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// A value from storage JSON.
pub(super) fn v(json: &str) -> Value {
    codec::decode(json).expect("the case's JSON is right")
}

/// The fields of an object from storage JSON.
pub(super) fn fields(json: &str) -> Vec<(Arc<str>, Value)> {
    match v(json) {
        Value::Map(map) => map.into_iter().map(|(k, v)| (k.into(), v)).collect(),
        _ => panic!("fields are a map"),
    }
}

/// The time at which the cases write, in milliseconds.
pub(super) const AT: i64 = 1_700_000_000_123;

/// An open store and one app of it.
pub struct Fixture {
    pub(super) store: Arc<dyn Store>,
    pub(super) app: Arc<dyn AppStore>,
}

impl Fixture {
    /// Opens the store and its first app.
    pub async fn open(harness: &dyn Harness) -> Self {
        let store = harness.open().await;
        let app = store.open_app(StoreId(1)).await.expect("the app opens");
        Self { store, app }
    }

    /// One batch.
    pub(super) async fn batch(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        let batches = vec![WriteBatch::of(writes)];
        let mut answers = self.app.write(batches).await?;
        assert_eq!(answers.len(), 1, "one answer a batch");
        answers.remove(0)
    }

    /// One batch from each of many callers at once.
    pub(super) async fn race(&self, batches: Vec<Vec<Write>>) -> Vec<Result<Vec<Written>>> {
        let calls = batches.into_iter().map(|steps| {
            let call: BoxFuture<'_, _> = Box::pin(self.batch(steps));
            call
        });
        join_all(calls.collect()).await
    }

    /// One step in a batch of its own.
    pub(super) async fn write(&self, write: Write) -> Result<Written> {
        let mut done = self.batch(vec![write]).await?;
        assert_eq!(done.len(), 1, "one answer a step");
        Ok(done.remove(0))
    }

    pub(super) async fn change(&self, change: SchemaChange) -> Result<()> {
        self.write(Write::Schema(change)).await.map(drop)
    }

    /// Ensures a collection and its fields.
    pub(super) async fn define(&self, collection: &str, fields: &[(&str, FieldType)]) {
        let mut steps = vec![ensure(collection)];
        for (name, ty) in fields {
            steps.push(ensure_field(collection, name, ty.clone()));
        }
        self.batch(steps).await.expect("the schema is made");
    }

    pub(super) async fn create(&self, collection: &str, id: &str, json: &str) -> Record {
        let done = self.write(create(collection, id, fields(json))).await;
        match done.expect("the object is created") {
            Written::Record {
                before: None,
                after: Some(after),
            } => (*after).clone(),
            other => panic!("creating gave {other:?}"),
        }
    }

    /// A collection of objects named 0, 1, 2 …, one of each JSON text.
    pub(super) async fn fill(&self, collection: &str, types: &[(&str, FieldType)], rows: &[&str]) {
        self.define(collection, types).await;
        let each = rows.iter().enumerate();
        let steps = each.map(|(n, json)| create(collection, &n.to_string(), fields(json)));
        let steps = steps.collect();
        self.batch(steps).await.expect("the objects are created");
    }

    pub(super) async fn update(
        &self,
        collection: &str,
        id: &str,
        ops: Vec<(&str, Op)>,
    ) -> Result<Record> {
        match self.write(update(collection, id, ops)).await? {
            Written::Record {
                after: Some(after), ..
            } => Ok((*after).clone()),
            other => panic!("updating gave {other:?}"),
        }
    }

    pub(super) async fn get(&self, collection: &str, id: &str) -> Option<Record> {
        self.app.get(collection, id).await.expect("reading works")
    }

    /// The value of a field of an object.
    pub(super) async fn value(&self, collection: &str, id: &str, field: &str) -> Option<Value> {
        let record = self.get(collection, id).await.expect("the object exists");
        record.get(field).cloned()
    }

    pub(super) async fn find(&self, query: &Query) -> Vec<Record> {
        let found = self.app.find(query, ReadOptions::default()).await;
        found.expect("the query works").records
    }

    /// The ids of what a query finds, in order, with spaces between them.
    pub(super) async fn ids(&self, query: &Query) -> String {
        let found = self.find(query).await;
        let ids: Vec<&str> = found.iter().map(|record| &*record.id).collect();
        ids.join(" ")
    }

    /// The ids of what a filter matches, in order of creation, checked against the count.
    pub(super) async fn matching(&self, collection: &str, filter: Filter) -> String {
        let query = Query::all(collection).filter(filter);
        let found = self.find(&query).await;
        let count = self.app.count(&query, ReadOptions::default()).await;
        assert_eq!(
            count.expect("counting works"),
            found.len() as u64,
            "count and find agree on {:?}",
            query.filter
        );
        let ids: Vec<&str> = found.iter().map(|record| &*record.id).collect();
        ids.join(" ")
    }

    pub(super) fn collection(&self, name: &str) -> Arc<Collection> {
        let catalogue = self.app.catalogue();
        catalogue.collection(name).expect("it exists").clone()
    }
}

pub(super) fn ensure(collection: &str) -> Write {
    Write::Schema(SchemaChange::EnsureCollection {
        name: collection.into(),
        rules: Map::new(),
    })
}

pub(super) fn ensure_field(collection: &str, name: &str, ty: FieldType) -> Write {
    Write::Schema(SchemaChange::EnsureField {
        collection: collection.into(),
        field: FieldDef::new(name, ty),
    })
}

pub(super) fn create_index(
    collection: &str,
    name: &str,
    kind: IndexKind,
    columns: &[&str],
) -> SchemaChange {
    let columns = columns.iter().map(|field| IndexColumn {
        field: crate::FieldRef::Named((*field).into()),
        descending: false,
    });
    SchemaChange::CreateIndex {
        collection: collection.into(),
        index: IndexDef {
            name: name.into(),
            kind,
            columns: columns.collect(),
        },
    }
}

pub(super) fn record_write(collection: &str, id: &str, action: Action) -> RecordWrite {
    RecordWrite {
        collection: collection.into(),
        id: id.into(),
        precondition: Precondition::None,
        action,
        at: Timestamp::from_millis(AT),
    }
}

pub(super) fn create(collection: &str, id: &str, fields: Vec<(Arc<str>, Value)>) -> Write {
    let acl = Acl::default();
    Write::Record(record_write(collection, id, Action::Create { fields, acl }))
}

pub(super) fn update(collection: &str, id: &str, ops: Vec<(&str, Op)>) -> Write {
    Write::Record(record_write(collection, id, update_action(ops, false)))
}

pub(super) fn update_action(ops: Vec<(&str, Op)>, upsert: bool) -> Action {
    let ops = ops.into_iter().map(|(path, op)| FieldOp {
        path: Path::dotted(path),
        op,
    });
    Action::Update {
        ops: ops.collect(),
        acl: None,
        upsert,
    }
}

pub(super) fn delete(collection: &str, id: &str) -> Write {
    Write::Record(record_write(collection, id, Action::Delete))
}

/// Whether two states of an object are the same in everything.
pub fn same_record(a: &Record, b: &Record) -> bool {
    (&a.id, a.created_at, a.updated_at, a.rev) == (&b.id, b.created_at, b.updated_at, b.rev)
        && a.acl == b.acl
        && a.fields == b.fields
}

/// Asserts that a call was refused for a reason.
macro_rules! refused {
    ($result:expr, $reason:ident) => {{
        let error = $result.map(drop).expect_err("this is refused");
        assert_eq!(
            error.reason(),
            basalt_base::Reason::$reason,
            "refused with {error:?}"
        );
        error
    }};
}
pub(super) use refused;

/// Runs futures side by side and gives their answers in order.
pub async fn join_all<T: Send>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(|f| (Some(f), None)).collect();
    poll_fn(move |context| {
        let mut waiting = false;
        for (future, answer) in &mut running {
            if let Some(pinned) = future {
                match pinned.as_mut().poll(context) {
                    Poll::Ready(value) => (*future, *answer) = (None, Some(value)),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            Poll::Pending
        } else {
            Poll::Ready(running.iter_mut().filter_map(|(_, a)| a.take()).collect())
        }
    })
    .await
}
