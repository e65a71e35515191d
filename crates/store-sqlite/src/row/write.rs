//! From values to bound parameters.

use super::acl;
use crate::error::Typed;
use crate::schema::{Column, Layout, Shape};
use basalt_base::{Error, Result, Value};
use basalt_store::{Record, codec, columns, keeps_null};
use rusqlite::Statement;
use rusqlite::types::Null;

/// Binds the head and every field for an insert.
pub(crate) fn bind_record(
    statement: &mut Statement<'_>,
    layout: &Layout,
    record: &Record,
) -> Result<()> {
    bind(statement, 1, &*record.id)?;
    bind(statement, 2, record.created_at.millis())?;
    bind(statement, 3, record.updated_at.millis())?;
    bind(statement, 4, record.rev.cast_signed())?;
    bind(statement, 5, record.acl.read.as_deref().map(acl::encode))?;
    bind(statement, 6, record.acl.write.as_deref().map(acl::encode))?;
    bind(statement, 7, extras(layout, record))?;
    let mut at = 8;
    // Fields come in the collection's order, so that one pass over both finds them all.
    let mut fields = record.fields.iter().peekable();
    for column in &layout.columns {
        let value = fields
            .next_if(|(name, _)| *name == column.name)
            .map(|(_, value)| value);
        bind_field(statement, &mut at, column, value)?;
    }
    match fields.find(|(name, value)| !matches!(value, Value::Null) || !keeps_null(name)) {
        None => Ok(()),
        Some((name, _)) => Err(Error::internal(format!("field {name} has no column"))),
    }
}

/// Binds what each update sets: the time, the revision and, when `with_acl` says so, the ACL. Returns
/// the next parameter's number.
pub(crate) fn bind_update_head(
    statement: &mut Statement<'_>,
    record: &Record,
    with_acl: bool,
) -> Result<usize> {
    bind(statement, 1, record.updated_at.millis())?;
    bind(statement, 2, record.rev.cast_signed())?;
    if !with_acl {
        return Ok(3);
    }
    bind(statement, 3, record.acl.read.as_deref().map(acl::encode))?;
    bind(statement, 4, record.acl.write.as_deref().map(acl::encode))?;
    Ok(5)
}

/// The text of the extras column: the ids of the fields that hold an explicit null, and the names
/// without a field that do.
pub(crate) fn extras(layout: &Layout, record: &Record) -> Option<String> {
    columns::nulls_text(record, |name| Some(layout.column(name)?.id))
}

fn bind(statement: &mut Statement<'_>, at: usize, value: impl rusqlite::ToSql) -> Result<()> {
    statement.raw_bind_parameter(at, value).typed()
}

/// Binds the columns of one field from parameter `at` on, which moves past them.
pub(crate) fn bind_field(
    statement: &mut Statement<'_>,
    at: &mut usize,
    column: &Column,
    value: Option<&Value>,
) -> Result<()> {
    let start = *at;
    *at += crate::schema::declared(&column.shape).len();
    match (&column.shape, value) {
        (Shape::Nothing, None | Some(Value::Null)) => Ok(()),
        (Shape::Geo, None | Some(Value::Null)) => {
            bind(statement, start, Null)?;
            bind(statement, start + 1, Null)
        }
        (_, None | Some(Value::Null)) => bind(statement, start, Null),
        (Shape::Number, Some(Value::Int(n))) => bind(statement, start, n),
        (Shape::Number, Some(Value::Double(n))) if n.is_finite() => match Value::number(*n) {
            Value::Int(n) => bind(statement, start, n),
            _ => bind(statement, start, n),
        },
        (Shape::Text, Some(Value::String(text))) => bind(statement, start, text),
        (Shape::Boolean, Some(Value::Bool(b))) => bind(statement, start, b),
        (Shape::Date, Some(Value::Timestamp(t))) => bind(statement, start, t.millis()),
        (Shape::Bytes, Some(Value::Bytes(bytes))) => bind(statement, start, bytes),
        (Shape::Json, Some(value)) => bind(statement, start, codec::encode_to_string(value)),
        (Shape::Geo, Some(Value::Geo(point))) => {
            bind(statement, start, point.latitude)?;
            bind(statement, start + 1, point.longitude)
        }
        (Shape::File, Some(Value::File(file))) => bind(statement, start, columns::file_text(file)),
        (Shape::Reference(_), Some(Value::Reference(r))) => bind(statement, start, &r.id),
        (_, Some(_)) => Err(columns::misfit(&column.name)),
    }
}
