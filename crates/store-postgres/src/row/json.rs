//! Nested values as JSONB.
//!
//! JSONB sorts the keys of maps, for which the storage JSON has a form that keeps their order, and
//! refuses U+0000, which is escaped as in every text.

use crate::text::{original, stored};
use basalt_base::{FileRef, Map, Reference, Result, Value};
use basalt_store::codec;
use std::borrow::Cow;

/// The text of a JSONB column or parameter.
pub(crate) fn encode(value: &Value) -> String {
    let mut out = String::new();
    codec::encode_for_sorting(value, &mut out);
    // `\u0000` or `\u0001`, which JSON has in no other form.
    if out.contains("\\u000") {
        out.clear();
        codec::encode_for_sorting(&mapped(value, &stored), &mut out);
    }
    out
}

/// The value from the text of a JSONB column.
pub(crate) fn decode(text: &str) -> Result<Value> {
    let value = codec::decode(text)?;
    if text.contains("\\u0001") {
        return Ok(mapped(&value, &original));
    }
    Ok(value)
}

/// The value with each text and key in it changed.
fn mapped(value: &Value, change: &dyn Fn(&str) -> Cow<'_, str>) -> Value {
    let text = |text: &str| change(text).into_owned();
    match value {
        Value::String(s) => Value::String(text(s)),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| mapped(item, change)).collect())
        }
        Value::Map(map) => {
            let entries = map.iter();
            let entries = entries.map(|(key, value)| (text(key), mapped(value, change)));
            Value::Map(entries.collect::<Map>())
        }
        Value::Reference(r) => Value::Reference(Reference {
            collection: text(&r.collection),
            id: text(&r.id),
        }),
        Value::File(file) => Value::File(FileRef {
            name: text(&file.name),
            url: file.url.as_deref().map(text),
        }),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_kept_and_never_sent() {
        let map: Map = [
            ("a\0".to_owned(), Value::from("\0\u{1}")),
            ("\u{1}".to_owned(), Value::Null),
        ]
        .into_iter()
        .collect();
        let value = Value::Map(map);
        let text = encode(&value);
        assert!(!text.contains("\\u0000"), "{text}");
        // The server hands maps back sorted; one without other keys in the way reads the same.
        let inner = Value::from("\0\u{1}");
        assert_eq!(decode(&encode(&inner)).unwrap(), inner);
    }
}
