//! What the tests share.

use basalt_base::{Map, Result, Timestamp, Value};
use basalt_store::{
    Acl, Action, AppStore, FieldDef, FieldType, Precondition, RecordWrite, SchemaChange, Store,
    StoreId, Write, WriteBatch, Written,
};
use basalt_store_sqlite::{Options, SqliteStore};
use std::sync::Arc;

/// A store in a directory that goes away with it.
pub struct Place {
    pub store: Arc<SqliteStore>,
    pub dir: tempfile::TempDir,
}

pub fn place() -> Place {
    place_with(Options::default())
}

pub fn place_with(options: Options) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), options).unwrap();
    Place { store, dir }
}

pub async fn app(store: &SqliteStore) -> Arc<dyn AppStore> {
    store.open_app(StoreId(1)).await.unwrap()
}

pub fn at() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_123)
}

pub fn ensure(collection: &str, fields: &[(&str, FieldType)]) -> Vec<Write> {
    let mut writes = vec![Write::Schema(SchemaChange::EnsureCollection {
        name: collection.into(),
        rules: Map::new(),
    })];
    for (name, ty) in fields {
        writes.push(Write::Schema(SchemaChange::EnsureField {
            collection: collection.into(),
            field: FieldDef::new(*name, ty.clone()),
        }));
    }
    writes
}

pub fn create(collection: &str, id: &str, fields: Vec<(&str, Value)>) -> Write {
    Write::Record(RecordWrite {
        collection: collection.into(),
        id: id.into(),
        precondition: Precondition::Absent,
        action: Action::Create {
            fields: fields.into_iter().map(|(n, v)| (n.into(), v)).collect(),
            acl: Acl::default(),
        },
        at: at(),
    })
}

/// Applies one batch.
pub async fn write(app: &dyn AppStore, writes: Vec<Write>) -> Result<Vec<Written>> {
    let mut outcomes = app.write(vec![WriteBatch::of(writes)]).await?;
    outcomes.remove(0)
}
