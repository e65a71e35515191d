//! Unique indexes: who holds which values, as the group left it.
//!
//! No other node writes to the app meanwhile, so that what was read once stays true; PostgreSQL's own
//! index is a second check.

use super::tx::{Tx, Undo};
use crate::error::Typed;
use crate::row::{self, Param};
use crate::schema::{self, Layout};
use crate::text;
use basalt_base::{Result, Timestamp, Value};
use basalt_store::{CollectionId, FieldRef, IndexDef, IndexKind, Record, codec};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// The values under a unique index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    collection: CollectionId,
    index: Arc<str>,
    values: String,
}

/// The holders that are known: an id, or nobody.
#[derive(Default)]
pub(super) struct Keys(HashMap<Key, Option<Box<str>>>);

impl Keys {
    /// Takes a change back.
    pub(super) fn put_back(&mut self, key: Key, old: Option<Box<str>>) {
        self.0.insert(key, old);
    }

    /// Remembers what the tables hold.
    pub(super) fn learn(&mut self, key: Key, holder: Option<Box<str>>) {
        self.0.entry(key).or_insert(holder);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The unique indexes of a collection.
pub(super) fn unique(layout: &Layout) -> impl Iterator<Item = &IndexDef> {
    let indexes = layout.collection.indexes.iter();
    indexes.filter(|index| index.kind == IndexKind::Unique)
}

/// What an object has under an index; `None` when a value is missing, as such objects don't count.
pub(super) fn key(layout: &Layout, index: &IndexDef, record: &Record) -> Option<Key> {
    let mut values = Vec::with_capacity(index.columns.len());
    for column in &index.columns {
        values.push(match &column.field {
            FieldRef::Id => Value::from(&*record.id),
            FieldRef::CreatedAt => Value::Timestamp(record.created_at),
            FieldRef::UpdatedAt => Value::Timestamp(record.updated_at),
            FieldRef::Named(name) => match record.get(name)? {
                Value::Null => return None,
                Value::Double(n) => Value::number(*n),
                value => value.clone(),
            },
        });
    }
    Some(Key {
        collection: layout.collection.id,
        index: index.name.clone(),
        values: codec::encode_to_string(&Value::Array(values)),
    })
}

/// The statement that finds the holder of the values that an object has under an index.
pub(super) fn lookup(
    layout: &Layout,
    index: &IndexDef,
    record: &Record,
) -> Result<(String, Vec<Param>)> {
    let mut params = Vec::new();
    let time = |at: Timestamp| Param::Int(at.millis());
    for column in &index.columns {
        match &column.field {
            FieldRef::Id => params.push(Param::Text(text::stored(&record.id).into_owned())),
            FieldRef::CreatedAt => params.push(time(record.created_at)),
            FieldRef::UpdatedAt => params.push(time(record.updated_at)),
            FieldRef::Named(name) => {
                if let Some(column) = layout.column(name) {
                    row::push_field(column, record.get(name), &mut params)?;
                }
            }
        }
    }
    let mut sql = format!("SELECT _id FROM {} WHERE ", layout.table);
    for (at, part) in schema::physical(layout, index)?.iter().enumerate() {
        let and = if at == 0 { "" } else { " AND " };
        let _ = write!(sql, "{and}{} = ${}", part.name, at + 1);
    }
    sql.push_str(" LIMIT 1");
    Ok((sql, params))
}

impl Tx<'_> {
    /// Moves an object's values under its unique indexes from before to after, or says that another
    /// object has them.
    pub(super) async fn claim(
        &mut self,
        layout: &Layout,
        before: Option<&Record>,
        after: Option<&Record>,
    ) -> Result<()> {
        for index in unique(layout) {
            let old = before.and_then(|record| key(layout, index, record));
            let new = after.and_then(|record| key(layout, index, record));
            if old == new {
                continue;
            }
            if let (Some(new), Some(record)) = (new, after) {
                let holder = self.holder(layout, index, record, &new).await?;
                if holder.is_some_and(|holder| holder != record.id) {
                    return Err(schema::duplicate(layout, &index.name));
                }
                self.hold(new, Some(record.id.clone()), None);
            }
            if let (Some(old), Some(record)) = (old, before) {
                self.hold(old, None, Some(record.id.clone()));
            }
        }
        Ok(())
    }

    async fn holder(
        &mut self,
        layout: &Layout,
        index: &IndexDef,
        record: &Record,
        key: &Key,
    ) -> Result<Option<Box<str>>> {
        if let Some(known) = self.keys.0.get(key) {
            return Ok(known.clone());
        }
        let (sql, params) = lookup(layout, index, record)?;
        let rows = self.session().all(&sql, &params).await?;
        let found = rows.first().map(|row| row.try_get::<_, &str>(0).typed());
        let holder = found.transpose()?.map(|id| Box::from(&*text::original(id)));
        self.keys.learn(key.clone(), holder.clone());
        Ok(holder)
    }

    /// Notes who holds a key now. The one who lets go without that it was known held it.
    fn hold(&mut self, key: Key, holder: Option<Box<str>>, was: Option<Box<str>>) {
        let old = self.keys.0.insert(key.clone(), holder);
        self.undo.push(Undo::Key(key, old.unwrap_or(was)));
    }
}
