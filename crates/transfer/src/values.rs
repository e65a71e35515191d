//! Taking decoded storage JSON apart.

use basalt_base::{Map, Timestamp, Value};

pub(crate) fn text(map: &Map, key: &str) -> Option<String> {
    map.get(key)?.as_str().map(str::to_owned)
}

pub(crate) fn count(map: &Map, key: &str) -> Option<u64> {
    match map.get(key)? {
        Value::Int(n) => u64::try_from(*n).ok(),
        _ => None,
    }
}

pub(crate) fn time(map: &Map, key: &str) -> Option<Timestamp> {
    match map.get(key)? {
        Value::Timestamp(at) => Some(*at),
        _ => None,
    }
}

pub(crate) fn flag(map: &Map, key: &str) -> Option<bool> {
    map.get(key)?.as_bool()
}

pub(crate) fn list<'a>(map: &'a Map, key: &str) -> Option<&'a [Value]> {
    map.get(key)?.as_array()
}

pub(crate) fn sub_map<'a>(map: &'a Map, key: &str) -> Option<&'a Map> {
    map.get(key)?.as_map()
}

/// A count as storage JSON has it.
pub(crate) fn number(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Whether a text of the value, a key included, holds U+0000, which not every store can keep.
pub(crate) fn holds_nul(value: &Value) -> bool {
    let nul = |text: &str| text.contains('\0');
    match value {
        Value::String(text) => nul(text),
        Value::Decimal(digits) => nul(digits),
        Value::Reference(r) => nul(&r.collection) || nul(&r.id),
        Value::File(file) => nul(&file.name) || file.url.as_deref().is_some_and(nul),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Map(map) => map.iter().any(|(key, value)| nul(key) || holds_nul(value)),
        _ => false,
    }
}
