//! From columns to values.

use super::{acl, jsonb};
use crate::error::{Typed, corrupt};
use crate::schema::{Column, Shape};
use basalt_base::{GeoPoint, Reference, Result, Timestamp, Value};
use basalt_store::columns::{Nulls, file};
use basalt_store::{Acl, Record};
use rusqlite::Row;
use rusqlite::types::ValueRef;

/// Reads an object: the head from column `at`, then each of `columns`, and the nulls under names
/// that are no fields where `reads_null` says so.
pub(crate) fn record<'a>(
    row: &Row<'_>,
    at: usize,
    columns: impl ExactSizeIterator<Item = &'a Column>,
    reads_null: impl Fn(&str) -> bool,
) -> Result<Record> {
    let nulls = nulls(row, at + 6)?;
    let mut fields = Vec::with_capacity(columns.len());
    let mut next = at + crate::schema::HEAD_LEN;
    for column in columns {
        let value = value(row, next, column)?;
        next += crate::schema::declared(&column.shape).len();
        match value {
            Some(value) => fields.push((column.name.clone(), value)),
            None if has_null(&nulls, column) => fields.push((column.name.clone(), Value::Null)),
            None => {}
        }
    }
    let loose = nulls.names.into_iter().filter(|name| reads_null(name));
    fields.extend(loose.map(|name| (name.into(), Value::Null)));
    Ok(Record {
        id: text(row, at)?.unwrap_or_default().into(),
        created_at: Timestamp::from_millis(row.get(at + 1).typed()?),
        updated_at: Timestamp::from_millis(row.get(at + 2).typed()?),
        rev: row.get::<_, i64>(at + 3).typed()?.cast_unsigned(),
        acl: Acl {
            read: text(row, at + 4)?.map(acl::decode).transpose()?,
            write: text(row, at + 5)?.map(acl::decode).transpose()?,
        },
        fields,
    })
}

fn text<'r>(row: &'r Row<'_>, at: usize) -> Result<Option<&'r str>> {
    row.get_ref(at)
        .typed()?
        .as_str_or_null()
        .map_err(|_| corrupt("a text column"))
}

fn nulls(row: &Row<'_>, at: usize) -> Result<Nulls> {
    match text(row, at)? {
        Some(text) => Nulls::parse(text),
        None => Ok(Nulls::default()),
    }
}

/// The value of one field; `None` for NULL.
pub(crate) fn value(row: &Row<'_>, at: usize, column: &Column) -> Result<Option<Value>> {
    if column.shape == Shape::Nothing {
        return Ok(None);
    }
    let first = row.get_ref(at).typed()?;
    if first == ValueRef::Null {
        return Ok(None);
    }
    let value = match (&column.shape, first) {
        (Shape::Number, ValueRef::Integer(n)) => Some(Value::Int(n)),
        (Shape::Number, ValueRef::Real(n)) => Some(Value::number(n)),
        (Shape::Text, ValueRef::Text(_)) => first.as_str().ok().map(Value::from),
        (Shape::Boolean, ValueRef::Integer(n)) => Some(Value::Bool(n != 0)),
        (Shape::Date, ValueRef::Integer(ms)) => Some(Value::Timestamp(Timestamp::from_millis(ms))),
        (Shape::Bytes, ValueRef::Blob(bytes)) => Some(Value::Bytes(bytes.to_vec())),
        (Shape::Json, ValueRef::Blob(blob)) => Some(jsonb::decode(blob)?),
        (Shape::Geo, ValueRef::Real(latitude)) => match row.get_ref(at + 1).typed()? {
            ValueRef::Real(longitude) => Some(Value::Geo(GeoPoint {
                latitude,
                longitude,
            })),
            _ => None,
        },
        (Shape::File, ValueRef::Text(_)) => first.as_str().ok().map(|text| Value::File(file(text))),
        (Shape::Reference(target), ValueRef::Text(_)) => first.as_str().ok().map(|id| {
            Value::Reference(Reference {
                collection: target.as_ref().to_owned(),
                id: id.to_owned(),
            })
        }),
        _ => None,
    };
    value
        .map(Some)
        .ok_or_else(|| corrupt(format!("column c{} holds another type", column.id.0)))
}

fn has_null(nulls: &Nulls, column: &Column) -> bool {
    nulls.has(column.id, &column.name, column.shape != Shape::Nothing)
}
