//! Takes secrets out of what is logged.

use basalt_base::{Map, Value};

/// Parts of names whose values are secret.
const SECRET: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "authdata",
    "masterkey",
    "apikey",
    "api_key",
    "authorization",
    "cookie",
    "credential",
    "privatekey",
    "_hashed",
    "cvv",
    "webhookkey",
];
const MASK: &str = "********";

/// Whether values under this name are secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['-', ' '], "");
    SECRET.iter().any(|part| name.contains(part))
}

/// The value with its secrets masked, at any depth.
pub(crate) fn redacted(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(redacted_map(map)),
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        other => other.clone(),
    }
}

fn redacted_map(map: &Map) -> Map {
    let entries = map.iter().map(|(name, value)| {
        let value = match value {
            Value::Null => Value::Null,
            _ if is_secret(name) => Value::from(MASK),
            other => redacted(other),
        };
        (name.clone(), value)
    });
    entries.collect()
}

/// Cuts a text at a character.
pub(crate) fn cut(text: &mut String, bytes_max: usize) -> bool {
    if text.len() <= bytes_max {
        return false;
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_at_any_depth() {
        let inner = Map::from_iter([
            ("sessionToken".to_owned(), Value::from("r:1")),
            ("n".to_owned(), Value::Int(1)),
        ]);
        let map = Map::from_iter([
            ("Password".to_owned(), Value::from("p")),
            ("X-Parse-Master-Key".to_owned(), Value::from("m")),
            ("list".to_owned(), Value::Array(vec![Value::Map(inner)])),
            ("note".to_owned(), Value::from("hello")),
        ]);
        let shown = format!("{:?}", redacted(&Value::Map(map)));
        assert!(
            shown.contains("hello") && shown.contains("Int(1)"),
            "{shown}"
        );
        for secret in ["\"p\"", "\"m\"", "r:1"] {
            assert!(!shown.contains(secret), "{secret} {shown}");
        }
    }
}
