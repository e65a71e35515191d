//! Readers of option values. Options come from JSON, from TOML, and from environments where
//! everything is text, so texts are taken for numbers, booleans and lists.

use basalt_data::FieldRule;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        _ => None,
    }
}

/// The value as the engines have them.
pub(super) fn plain(value: &Value) -> basalt_base::Value {
    use basalt_base::Value as Plain;
    match value {
        Value::Null => Plain::Null,
        Value::Bool(b) => Plain::Bool(*b),
        Value::Number(n) => n
            .as_i64()
            .map_or_else(|| Plain::Double(n.as_f64().unwrap_or_default()), Plain::Int),
        Value::String(text) => Plain::String(text.clone()),
        Value::Array(items) => Plain::Array(items.iter().map(plain).collect()),
        Value::Object(map) => {
            let entries = map.iter().map(|(name, item)| (name.clone(), plain(item)));
            Plain::Map(entries.collect())
        }
    }
}

pub(super) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn seconds(value: &Value) -> Option<Duration> {
    whole(value)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
}

pub(super) fn millis(value: &Value) -> Option<Duration> {
    whole(value)
        .filter(|millis| *millis > 0)
        .map(Duration::from_millis)
}

/// A limit where -1 stands for none.
pub(super) fn limit(value: &Value) -> Option<usize> {
    if value.as_i64() == Some(-1) {
        return Some(usize::MAX);
    }
    whole(value).and_then(|number| usize::try_from(number).ok())
}

pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

/// A size as Parse Server writes it: `20mb`, `512kb`, or bytes.
pub(super) fn size(value: &Value) -> Option<usize> {
    let Value::String(text) = value else {
        return whole(value).and_then(|bytes| usize::try_from(bytes).ok());
    };
    let text = text.trim().to_ascii_lowercase();
    let units = [("kb", 10), ("mb", 20), ("gb", 30), ("b", 0), ("", 0)];
    let (unit, shift) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    let bytes = number * f64::from(1_u32 << shift);
    (1.0..1e15).contains(&bytes).then_some(bytes as usize)
}

/// Addresses and ranges; the short ways to say "any" are those of Parse Server.
pub(super) fn networks(value: &Value) -> Option<Vec<(IpAddr, u8)>> {
    let network = |text: &String| match text.as_str() {
        "0.0.0.0" => Some((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
        "::" | "::0" => Some((IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)),
        text => text
            .parse::<basalt_listener::Network>()
            .ok()
            .map(basalt_listener::Network::parts),
    };
    texts(value)?.iter().map(network).collect()
}

/// `{"Class": {"group": ["field"]}}`.
pub(super) fn protected_fields(value: &Value) -> Option<Vec<(Arc<str>, FieldRule)>> {
    let mut rules = Vec::new();
    for (class, groups) in value.as_object()? {
        for (group, fields) in groups.as_object()? {
            let fields = fields.as_array()?.iter();
            let fields = fields
                .map(|field| field.as_str().map(Into::into))
                .collect::<Option<_>>()?;
            let group = group.as_str().into();
            rules.push((class.as_str().into(), FieldRule { group, fields }));
        }
    }
    Some(rules)
}

/// `[{"key": …, "value": …}]` or plain keys, each as the text that the engine takes.
pub(super) fn denylist(value: &Value) -> Option<Vec<Box<str>>> {
    let entry = |item: &Value| {
        if let Some(key) = item.as_str() {
            return (!key.is_empty()).then(|| key.into());
        }
        let entry = item.as_object()?;
        let known = entry.keys().all(|key| key == "key" || key == "value");
        let plain = entry
            .values()
            .all(|value| !value.is_array() && !value.is_object());
        (known && plain && !entry.is_empty()).then(|| item.to_string().into())
    };
    value.as_array()?.iter().map(entry).collect()
}

/// Whether a value switches off whatever it is about.
pub(super) fn is_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty() || text == "false",
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_are_those_of_parse_server() {
        let table = [
            (json!("20mb"), Some(20 << 20)),
            (json!("512KB"), Some(512 << 10)),
            (json!("1.5kb"), Some(1536)),
            (json!("100"), Some(100)),
            (json!(7), Some(7)),
            (json!("big"), None),
            (json!("-1mb"), None),
        ];
        for (value, bytes) in table {
            assert_eq!(size(&value), bytes, "{value}");
        }
    }

    #[test]
    fn networks_take_the_short_ways_to_say_any() {
        let any = networks(&json!(["0.0.0.0/0", "::0"])).unwrap();
        assert!(any.iter().all(|(_, prefix)| *prefix == 0));
        let some = networks(&json!("10.0.0.1, 10.0.1.0/24")).unwrap();
        assert_eq!(
            some.iter().map(|(_, prefix)| *prefix).collect::<Vec<_>>(),
            [32, 24]
        );
        assert!(networks(&json!(["nonsense"])).is_none());
        assert_eq!(networks(&json!([])), Some(Vec::new()));
    }

    #[test]
    fn limits_may_be_switched_off() {
        assert_eq!(limit(&json!(-1)), Some(usize::MAX));
        assert_eq!(limit(&json!(5)), Some(5));
        assert_eq!(limit(&json!(-2)), None);
    }
}
