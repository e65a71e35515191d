//! From values to parameters.

use super::number::Number;
use super::{Param, acl, json};
use crate::schema::{Column, Layout, Shape};
use crate::text::stored;
use basalt_base::{Result, Value};
use basalt_store::{Record, columns};

/// The parameters of the head, in the order of [`crate::schema::HEAD`].
pub(crate) fn head_params(layout: &Layout, record: &Record) -> [Param; 7] {
    [
        Param::Text(stored(&record.id).into_owned()),
        Param::Int(record.created_at.millis()),
        Param::Int(record.updated_at.millis()),
        Param::Int(record.rev.cast_signed()),
        acl::encode(record.acl.read.as_deref()),
        acl::encode(record.acl.write.as_deref()),
        extras(layout, record).map_or(Param::Null, Param::Json),
    ]
}

/// The text of the extras column: the ids of the fields that hold an explicit null, and the names
/// without a field that do.
pub(crate) fn extras(layout: &Layout, record: &Record) -> Option<String> {
    columns::nulls_text(record, |name| Some(layout.column(name)?.id))
}

/// Appends the parameters of the columns of one field.
pub(crate) fn push_field(
    column: &Column,
    value: Option<&Value>,
    out: &mut Vec<Param>,
) -> Result<()> {
    let Some(value) = value.filter(|v| !matches!(v, Value::Null)) else {
        let columns = crate::schema::declared(&column.shape).iter();
        out.extend(columns.map(|_| Param::Null));
        return Ok(());
    };
    let param = match (&column.shape, value) {
        (Shape::Number, value) => Number::of(value).map(Param::Number),
        (Shape::Text, Value::String(text)) => Some(Param::Text(stored(text).into_owned())),
        (Shape::Boolean, Value::Bool(b)) => Some(Param::Bool(*b)),
        (Shape::Date, Value::Timestamp(at)) => Some(Param::Int(at.millis())),
        (Shape::Bytes, Value::Bytes(bytes)) => Some(Param::Bytes(bytes.clone())),
        (Shape::Json, value) => Some(Param::Json(json::encode(value))),
        (Shape::Geo, Value::Geo(point)) => {
            out.push(Param::Double(point.latitude));
            Some(Param::Double(point.longitude))
        }
        (Shape::File, Value::File(file)) => {
            Some(Param::Text(stored(&columns::file_text(file)).into_owned()))
        }
        (Shape::Reference(_), Value::Reference(r)) => Some(Param::Text(stored(&r.id).into_owned())),
        _ => None,
    };
    out.push(param.ok_or_else(|| columns::misfit(&column.name))?);
    Ok(())
}
