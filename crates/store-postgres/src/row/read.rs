//! From columns to values.

use super::{acl, json, number};
use crate::error::{Typed, corrupt};
use crate::schema::{Column, HEAD_LEN, Shape};
use crate::text::original;
use basalt_base::{GeoPoint, Reference, Result, Timestamp, Value};
use basalt_store::columns::{Nulls, file};
use basalt_store::{Acl, Record};
use std::error::Error;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// The bytes of a column as they came.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(
        _: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn raw(row: &Row, at: usize) -> Result<Option<&[u8]>> {
    let raw: Option<Raw<'_>> = row.try_get(at).typed()?;
    Ok(raw.map(|raw| raw.0))
}

/// A BIGINT that is never NULL.
fn int(row: &Row, at: usize) -> Result<i64> {
    let bytes = raw(row, at)?.and_then(|raw| raw.try_into().ok());
    let bytes = bytes.ok_or_else(|| corrupt("a missing whole number"))?;
    Ok(i64::from_be_bytes(bytes))
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| corrupt("a text column"))
}

/// Reads an object: the head from column `at`, then each of `columns`, and the nulls under names
/// that are no fields where `reads_null` says so.
pub(crate) fn record<'a>(
    row: &Row,
    at: usize,
    columns: impl ExactSizeIterator<Item = &'a Column>,
    reads_null: impl Fn(&str) -> bool,
) -> Result<Record> {
    let nulls = nulls(row, at + 6)?;
    let mut fields = Vec::with_capacity(columns.len());
    let mut next = at + HEAD_LEN;
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
        id: raw(row, at)?
            .map(text)
            .transpose()?
            .unwrap_or_default()
            .into(),
        created_at: Timestamp::from_millis(int(row, at + 1)?),
        updated_at: Timestamp::from_millis(int(row, at + 2)?),
        rev: int(row, at + 3)?.cast_unsigned(),
        acl: Acl {
            read: raw(row, at + 4)?.map(acl::decode).transpose()?,
            write: raw(row, at + 5)?.map(acl::decode).transpose()?,
        },
        fields,
    })
}

fn nulls(row: &Row, at: usize) -> Result<Nulls> {
    match raw(row, at)? {
        Some(raw) => Nulls::parse(jsonb(raw)?),
        None => Ok(Nulls::default()),
    }
}

fn has_null(nulls: &Nulls, column: &Column) -> bool {
    nulls.has(column.id, &column.name, column.shape != Shape::Nothing)
}

/// The text of a JSONB column, which comes after the number of its format.
fn jsonb(raw: &[u8]) -> Result<&str> {
    match raw.split_first() {
        Some((1, text)) => utf8(text),
        _ => Err(corrupt("JSON in an unknown form")),
    }
}

fn text(raw: &[u8]) -> Result<String> {
    Ok(original(utf8(raw)?).into_owned())
}

fn double(raw: Option<&[u8]>) -> Option<f64> {
    raw?.try_into().ok().map(f64::from_be_bytes)
}

/// The value of one field; `None` for NULL.
pub(crate) fn value(row: &Row, at: usize, column: &Column) -> Result<Option<Value>> {
    if column.shape == Shape::Nothing {
        return Ok(None);
    }
    let Some(first) = raw(row, at)? else {
        return Ok(None);
    };
    let value = match &column.shape {
        Shape::Number => Some(number::read(first)?),
        Shape::Text => Some(Value::String(text(first)?)),
        Shape::Boolean => first.first().map(|b| Value::Bool(*b != 0)),
        Shape::Date => Some(Value::Timestamp(Timestamp::from_millis(int(row, at)?))),
        Shape::Bytes => Some(Value::Bytes(first.to_vec())),
        Shape::Json => Some(json::decode(jsonb(first)?)?),
        Shape::Geo => {
            let point = double(Some(first)).zip(double(raw(row, at + 1)?));
            point.map(|(latitude, longitude)| {
                Value::Geo(GeoPoint {
                    latitude,
                    longitude,
                })
            })
        }
        Shape::File => Some(Value::File(file(&text(first)?))),
        Shape::Reference(target) => Some(Value::Reference(Reference {
            collection: target.as_ref().to_owned(),
            id: text(first)?,
        })),
        Shape::Nothing => None,
    };
    value
        .map(Some)
        .ok_or_else(|| corrupt(format!("column c{} holds another type", column.id.0)))
}
