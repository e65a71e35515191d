//! How much memory values take, roughly.

use basalt_base::{Map, Value};

/// Bytes that a value holds, its own cell included. An estimate that errs on the high side for
/// small values.
pub(super) fn of_value(value: &Value) -> usize {
    let beyond = match value {
        Value::String(text) => text.len(),
        Value::Decimal(digits) => digits.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Polygon(points) => points.len() * 16,
        Value::Reference(r) => r.collection.len() + r.id.len(),
        Value::File(file) => file.name.len() + file.url.as_ref().map_or(0, String::len),
        Value::Array(items) => items.iter().map(of_value).sum(),
        Value::Map(map) => of_map(map),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Double(_)
        | Value::Timestamp(_)
        | Value::Geo(_) => 0,
    };
    size_of::<Value>() + beyond
}

/// Bytes that a document holds: each entry has a key, a hash and a slot in the index.
pub(super) fn of_map(map: &Map) -> usize {
    let entry = |(key, value): (&String, &Value)| key.len() + 48 + of_value(value);
    64 + map.iter().map(entry).sum::<usize>()
}
