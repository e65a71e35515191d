//! Rows of aggregates and distinct values.

use super::value::{Files, iso, value};
use super::writer::{Fields, list, string};
use basalt_base::{Map, Value};

/// The answer of a pipeline: engine names become the protocol's, internal ones are left out.
pub fn rows(rows: &[Map], files: Files<'_>) -> Vec<u8> {
    let mut out = b"{\"results\":".to_vec();
    list(&mut out, rows, |out, row| self::row(out, row, files));
    out.push(b'}');
    out
}

fn row(out: &mut Vec<u8>, row: &Map, files: Files<'_>) {
    let mut fields = Fields::open(out);
    for (key, item) in row {
        match key.as_str() {
            "_id" => id(fields.key("objectId"), item, files),
            "_created_at" => time(fields.key("createdAt"), item, files),
            "_updated_at" => time(fields.key("updatedAt"), item, files),
            key if key.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                value(fields.key(key), item, files);
            }
            _ => {}
        }
    }
    fields.close();
}

/// A group's key: references by their id alone, empty ones as null.
fn id(out: &mut Vec<u8>, item: &Value, files: Files<'_>) {
    match item {
        Value::Reference(reference) => string(out, &reference.id),
        Value::String(text) if text.is_empty() => out.extend_from_slice(b"null"),
        Value::Map(map) if map.is_empty() => out.extend_from_slice(b"null"),
        Value::Array(items) if items.is_empty() => out.extend_from_slice(b"null"),
        _ => value(out, item, files),
    }
}

fn time(out: &mut Vec<u8>, item: &Value, files: Files<'_>) {
    match item {
        Value::Timestamp(at) => iso(out, *at),
        _ => value(out, item, files),
    }
}

/// The answer of `distinct`; null is no value to clients.
pub fn distinct(values: &[Value], files: Files<'_>) -> Vec<u8> {
    let mut out = b"{\"results\":".to_vec();
    let values = values.iter().filter(|v| !matches!(v, Value::Null));
    list(&mut out, values, |out, item| value(out, item, files));
    out.push(b'}');
    out
}
