//! Schema changes.

use super::{State, duplicate, value_of};
use crate::{
    Collection, CollectionId, Field, FieldDef, FieldId, FieldRef, IndexDef, IndexKind, Record,
    SchemaChange,
};
use basalt_base::{Error, Map, Reason, Result, Value};
use std::sync::Arc;

/// What a unique index compares; `None` when a value is missing or null.
pub fn key(index: &IndexDef, record: &Record) -> Option<Vec<Value>> {
    let columns = index.columns.iter();
    columns
        .map(|column| value_of(record, &column.field).filter(|v| !matches!(v, Value::Null)))
        .collect()
}

fn refused(why: &'static str) -> Error {
    Error::new(Reason::SchemaRefused, why)
}

pub fn apply(state: &mut State, change: SchemaChange) -> Result<()> {
    match change {
        SchemaChange::EnsureCollection { name, rules } => {
            if state.catalogue.collection(&name).is_none() {
                create(state, name, rules);
            }
            Ok(())
        }
        SchemaChange::CreateCollection { name, rules } => {
            if state.catalogue.collection(&name).is_some() {
                return Err(refused("The collection exists."));
            }
            create(state, name, rules);
            Ok(())
        }
        SchemaChange::EnsureField { collection, field } => ensure_field(state, &collection, field),
        SchemaChange::AlterField { collection, field } => {
            let mut changed = lookup(state, &collection)?;
            match changed.fields.iter_mut().find(|f| f.def.name == field.name) {
                Some(old) if old.def.ty == field.ty => old.def = field,
                _ => return Err(refused("No such field of that type.")),
            }
            publish(state, changed);
            Ok(())
        }
        SchemaChange::DropField { collection, name } => drop_field(state, &collection, &name),
        SchemaChange::DropCollection {
            name,
            only_if_empty,
        } => {
            let old = lookup(state, &name)?;
            if only_if_empty && !state.list(&name).is_empty() {
                return Err(refused("The collection is not empty."));
            }
            state.records.remove(&old.id.0);
            let catalogue = Arc::make_mut(&mut state.catalogue);
            catalogue.collections.remove(&name);
            catalogue.version += 1;
            Ok(())
        }
        SchemaChange::SetRules { collection, rules } => {
            let mut changed = lookup(state, &collection)?;
            changed.rules = rules;
            publish(state, changed);
            Ok(())
        }
        SchemaChange::CreateIndex { collection, index } => create_index(state, &collection, index),
        SchemaChange::DropIndex { collection, name } => {
            let mut changed = lookup(state, &collection)?;
            let before = changed.indexes.len();
            changed.indexes.retain(|index| index.name != name);
            if changed.indexes.len() == before {
                return Err(refused("No such index."));
            }
            publish(state, changed);
            Ok(())
        }
    }
}

fn lookup(state: &State, name: &str) -> Result<Collection> {
    match state.catalogue.collection(name) {
        Some(collection) => Ok((**collection).clone()),
        None => Err(Error::new(
            Reason::CollectionNotFound,
            "No such collection.",
        )),
    }
}

fn publish(state: &mut State, mut collection: Collection) {
    collection.version += 1;
    let catalogue = Arc::make_mut(&mut state.catalogue);
    let name = collection.name.clone();
    catalogue.collections.insert(name, Arc::new(collection));
    catalogue.version += 1;
}

fn create(state: &mut State, name: Arc<str>, rules: Map) {
    state.next_id += 1;
    let collection = Collection {
        id: CollectionId(state.next_id),
        name,
        fields: Vec::new(),
        indexes: Vec::new(),
        rules,
        version: 0,
    };
    publish(state, collection);
}

fn ensure_field(state: &mut State, collection: &str, field: FieldDef) -> Result<()> {
    let mut changed = lookup(state, collection)?;
    if let Some(old) = changed.field(&field.name) {
        if old.def.ty == field.ty {
            return Ok(());
        }
        let message = format!(
            "schema mismatch for {collection}.{}; expected {} but got {}",
            field.name, old.def.ty, field.ty
        );
        return Err(Error::new(Reason::SchemaMismatch, message));
    }
    state.next_id += 1;
    let id = FieldId(state.next_id);
    changed.fields.push(Field { id, def: field });
    publish(state, changed);
    Ok(())
}

fn drop_field(state: &mut State, collection: &str, name: &str) -> Result<()> {
    let mut changed = lookup(state, collection)?;
    let before = changed.fields.len();
    changed.fields.retain(|field| &*field.def.name != name);
    if changed.fields.len() == before {
        return Err(refused("No such field."));
    }
    let field = FieldRef::Named(name.into());
    changed
        .indexes
        .retain(|index| index.columns.iter().all(|column| column.field != field));
    for record in state.records.entry(changed.id.0).or_default() {
        Arc::make_mut(record).remove(name);
    }
    publish(state, changed);
    Ok(())
}

fn create_index(state: &mut State, name: &Arc<str>, index: IndexDef) -> Result<()> {
    let mut changed = lookup(state, name)?;
    if let Some(old) = changed.indexes.iter().find(|old| old.name == index.name) {
        return if *old == index {
            Ok(())
        } else {
            Err(refused("Another index has that name."))
        };
    }
    for column in &index.columns {
        if let FieldRef::Named(field) = &column.field
            && changed.field(field).is_none()
        {
            return Err(refused("No such field."));
        }
    }
    if index.kind == IndexKind::Unique {
        let keys: Vec<_> = state
            .list(name)
            .iter()
            .filter_map(|r| key(&index, r))
            .collect();
        if (1..keys.len()).any(|at| keys[..at].contains(&keys[at])) {
            return Err(duplicate(name, &index.name));
        }
    }
    changed.indexes.push(index);
    publish(state, changed);
    Ok(())
}
