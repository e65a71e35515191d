//! The application of writes to objects, the same for every store.
//!
//! Nested paths: map keys are made on the way; a numeric step selects an element of an array, or
//! appends when it is past the end, nulls up to there and at most 1,000 of them. Null on the way, or under an `Increment` or list operation,
//! counts as missing.

mod nested;
mod ops;

use crate::codec::FIELD_DEPTH_MAX;
use crate::{Acl, FieldRef, eval, keeps_null};
use crate::{Action, Collection, FieldOp, FieldType, Op, Precondition, Record, RecordWrite};
use basalt_base::{Error, Reason, Result, Timestamp, Value};
use std::sync::Arc;

/// The object after a write, or `None` when the write deletes it. Does not look at the
/// precondition; see [`check_precondition`].
///
/// `rev` becomes the revision. Fails with `DuplicateValue` for a `Create` or `Restore` of an existing
/// object, `InvalidJson` for a value that nests deeper than could be read again,
/// `ObjectNotFound` for an `Update` without `upsert` or a `Delete` of a missing one,
/// `SchemaMismatch` or `IncorrectType` when a value does not fit, and `Internal` when the catalogue
/// lacks a field: callers ensure fields first. Null needs no field and is kept under its name.
pub fn apply(
    collection: &Collection,
    before: Option<&Record>,
    write: &RecordWrite,
    rev: u64,
) -> Result<Option<Record>> {
    let at = write.at.truncate_to_millis();
    match (&write.action, before) {
        (Action::Create { .. } | Action::Restore { .. }, Some(_)) => Err(taken()),
        (Action::Create { fields, acl }, None) => {
            let record = blank(&write.id, at, rev);
            make(collection, record, fields, acl).map(Some)
        }
        (
            Action::Restore {
                created_at,
                fields,
                acl,
            },
            None,
        ) => {
            let mut record = blank(&write.id, at, rev);
            record.created_at = created_at.truncate_to_millis();
            make(collection, record, fields, acl).map(Some)
        }
        (Action::Delete, Some(_)) => Ok(None),
        (Action::Delete | Action::Update { upsert: false, .. }, None) => Err(not_found()),
        (Action::Update { ops, acl, .. }, before) => {
            let mut record = before.cloned().unwrap_or_else(|| blank(&write.id, at, rev));
            record.updated_at = at;
            record.rev = rev;
            apply_ops(collection, &mut record, ops, before.is_none())?;
            apply_acl(&mut record, acl.as_ref());
            in_collection_order(collection, &mut record);
            Ok(Some(record))
        }
    }
}

/// A new object from its fields.
fn make(
    collection: &Collection,
    mut record: Record,
    fields: &[(Arc<str>, Value)],
    acl: &Acl,
) -> Result<Record> {
    record.acl = acl.clone();
    for (name, value) in fields {
        if !is_within(value, FIELD_DEPTH_MAX) {
            return Err(too_deep());
        }
        let value = match collection.field(name) {
            None if matches!(value, Value::Null) && keeps_null(name) => Value::Null,
            _ => fit(
                collection,
                name,
                field_type(collection, name)?,
                value.clone(),
            )?,
        };
        record.set(name, value);
    }
    in_collection_order(collection, &mut record);
    Ok(record)
}

/// Applies operations in order to an object; `is_new` lets `SetOnInsert` through. After an error
/// the object is unusable.
pub fn apply_ops(
    collection: &Collection,
    record: &mut Record,
    ops: &[FieldOp],
    is_new: bool,
) -> Result<()> {
    ops.iter()
        .filter(|step| is_new || !matches!(step.op, Op::SetOnInsert(_)))
        .try_for_each(|step| apply_op(collection, record, step))
}

/// Checks what must hold of the current object; see [`Precondition`] for the errors.
pub fn check_precondition(p: &Precondition, current: Option<&Record>) -> Result<()> {
    match (p, current) {
        (Precondition::None, _)
        | (Precondition::Absent, None)
        | (Precondition::Exists, Some(_)) => Ok(()),
        (Precondition::Absent, Some(_)) => Err(taken()),
        (Precondition::Revision(rev), Some(record)) if record.rev == *rev => Ok(()),
        (Precondition::Revision(_), _) => Err(Error::new(
            Reason::PreconditionFailed,
            "The object was changed in the meantime.",
        )),
        (Precondition::Matches(filter), Some(record)) if eval::matches(filter, record)? => Ok(()),
        (Precondition::Exists, None) | (Precondition::Matches(_), _) => Err(not_found()),
    }
}

fn apply_op(collection: &Collection, record: &mut Record, step: &FieldOp) -> Result<()> {
    let FieldRef::Named(name) = &step.path.root else {
        return Err(Error::internal(
            "an operation on a field that every object has",
        ));
    };
    if step.needs_no_field() && collection.field(name).is_none() {
        match step.op {
            Op::Unset => drop(record.remove(name)),
            _ => record.set(name, Value::Null),
        }
        return Ok(());
    }
    let ty = field_type(collection, name)?;
    check_type(collection, name, ty, step)?;
    check_depth(step)?;
    // Taken, not cloned; an error gives up the whole record.
    let current = take(record, name);
    if step.path.rest.is_empty() {
        match ops::result(&step.op, current, &step.path)? {
            Some(value) => {
                let value = fit(collection, name, ty, value)?;
                record.set(name, value);
            }
            None => drop(record.remove(name)),
        }
        return Ok(());
    }
    let mut root = current;
    nested::apply(&mut root, &step.path, &step.op)?;
    if let Some(root) = root {
        // A map made for a missing value of a list field would not fit, for example.
        let root = fit(collection, name, ty, root)?;
        record.set(name, root);
    }
    Ok(())
}

/// Refuses what would be nested too deep: before anything is made that even dropping would exhaust
/// the stack. What is there already keeps its depth.
fn check_depth(step: &FieldOp) -> Result<()> {
    let below = FIELD_DEPTH_MAX.checked_sub(step.path.rest.len());
    let below = below.ok_or_else(too_deep)?;
    let fits = match &step.op {
        Op::Set(value) | Op::SetOnInsert(value) => is_within(value, below),
        Op::Append(items) | Op::AddUnique(items) => {
            let below = below.checked_sub(1).ok_or_else(too_deep)?;
            items.iter().all(|item| is_within(item, below))
        }
        Op::Increment(_) | Op::Remove(_) | Op::Unset => true,
    };
    if fits { Ok(()) } else { Err(too_deep()) }
}

/// The value of a field, leaving null in its place.
fn take(record: &mut Record, name: &str) -> Option<Value> {
    let slot = record.fields.iter_mut().find(|(n, _)| **n == *name)?;
    Some(std::mem::replace(&mut slot.1, Value::Null))
}

/// What the operation alone says about the field's type.
fn check_type(collection: &Collection, name: &str, ty: &FieldType, step: &FieldOp) -> Result<()> {
    let implied = match &step.op {
        _ if !step.path.rest.is_empty() => {
            if matches!(ty, FieldType::Object | FieldType::Array) {
                return Ok(());
            }
            FieldType::Object
        }
        Op::Increment(_) => FieldType::Number,
        Op::Append(_) | Op::AddUnique(_) | Op::Remove(_) => FieldType::Array,
        Op::Set(_) | Op::SetOnInsert(_) | Op::Unset => return Ok(()),
    };
    if *ty == implied {
        Ok(())
    } else {
        Err(mismatch(collection, name, ty, &implied.to_string()))
    }
}

fn apply_acl(record: &mut Record, acl: Option<&Acl>) {
    if let Some(acl) = acl {
        record.acl = acl.clone();
    }
}

fn blank(id: &str, at: Timestamp, rev: u64) -> Record {
    Record {
        id: id.into(),
        created_at: at,
        updated_at: at,
        rev,
        acl: Acl::default(),
        fields: Vec::new(),
    }
}

fn field_type<'a>(collection: &'a Collection, name: &str) -> Result<&'a FieldType> {
    match collection.field(name) {
        Some(field) => Ok(&field.def.ty),
        None => Err(Error::internal(format!(
            "a write to {}.{name}, which the catalogue lacks",
            collection.name
        ))),
    }
}

/// The value as the field keeps it, or `SchemaMismatch`.
fn fit(collection: &Collection, name: &str, ty: &FieldType, value: Value) -> Result<Value> {
    match value {
        Value::Timestamp(at) if *ty == FieldType::Date => {
            Ok(Value::Timestamp(at.truncate_to_millis()))
        }
        value if ty.accepts(&value) => Ok(value),
        value => {
            let got = match (FieldType::of(&value), &value) {
                (Some(got), _) => got.to_string(),
                (None, Value::Decimal(_)) => "Decimal".to_owned(),
                (None, _) => "Null".to_owned(),
            };
            Err(mismatch(collection, name, ty, &got))
        }
    }
}

/// Whether no more than `depth` levels of lists and maps are in each other.
fn is_within(value: &Value, depth: usize) -> bool {
    let below = |value: &Value| match depth.checked_sub(1) {
        Some(depth) => is_within(value, depth),
        None => false,
    };
    match value {
        Value::Array(items) => items.iter().all(below),
        Value::Map(map) => map.values().all(below),
        _ => true,
    }
}

fn too_deep() -> Error {
    Error::new(
        Reason::InvalidJson,
        format!("A value is nested more than {FIELD_DEPTH_MAX} levels deep."),
    )
}

fn mismatch(collection: &Collection, name: &str, ty: &FieldType, got: &str) -> Error {
    let collection = &collection.name;
    Error::new(
        Reason::SchemaMismatch,
        format!("schema mismatch for {collection}.{name}; expected {ty} but got {got}"),
    )
}

/// Fields in the collection's order and then nulls without a field by name, so that equal objects
/// have equal images.
fn in_collection_order(collection: &Collection, record: &mut Record) {
    let mut declared = collection.fields.iter();
    let in_order = |(name, _): &(Arc<str>, Value)| declared.any(|f| f.def.name == *name);
    if record.fields.iter().all(in_order) {
        return;
    }
    record.fields.sort_by_cached_key(|(name, _)| {
        let mut declared = collection.fields.iter();
        match declared.position(|field| field.def.name == *name) {
            Some(at) => (at, None),
            None => (usize::MAX, Some(name.clone())),
        }
    });
}

fn taken() -> Error {
    Error::new(
        Reason::DuplicateValue,
        "A duplicate value for a field with unique values was provided",
    )
}

fn not_found() -> Error {
    Error::new(Reason::ObjectNotFound, "Object not found.")
}
