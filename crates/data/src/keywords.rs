//! Keys (and values) that may appear nowhere in what a client or a hook sends.

use basalt_base::{Error, Map, Reason, Result, Value};
use basalt_store::{Pattern, PatternOptions};

/// Longest pattern of a denylist entry in bytes.
const PATTERN_BYTES_MAX: usize = 1_000;

/// The compiled denylist.
#[derive(Debug, Default)]
pub(crate) struct Keywords(Vec<Keyword>);

/// Refuses a key, a value, or a key with that value.
#[derive(Debug)]
struct Keyword {
    key: Option<Matcher>,
    value: Option<Matcher>,
    /// How messages show it.
    text: String,
}

/// Text is searched as a regular expression where it is one; everything else is compared.
#[derive(Debug)]
enum Matcher {
    Text(String),
    /// A regular expression of letters, digits and underscores: it matches where it occurs.
    Word(String),
    Pattern(Pattern),
    Value(Value),
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Matcher {
    fn new(value: &serde_json::Value) -> Option<Self> {
        Some(match value {
            serde_json::Value::String(text) if is_word(text) => Self::Word(text.clone()),
            serde_json::Value::String(text) => {
                match Pattern::new(text, PatternOptions::default(), PATTERN_BYTES_MAX) {
                    Ok(pattern) => Self::Pattern(pattern),
                    Err(_) => Self::Text(text.clone()),
                }
            }
            serde_json::Value::Bool(b) => Self::Value(Value::Bool(*b)),
            serde_json::Value::Number(n) => Self::Value(Value::number(n.as_f64()?)),
            _ => return None,
        })
    }

    fn matches_text(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own == text,
            // Most keys are shorter, which is seen without a search.
            Self::Word(word) => text.len() >= word.len() && text.contains(word.as_str()),
            // What can't be decided in time is refused.
            Self::Pattern(pattern) => pattern.is_match(text).unwrap_or(true),
            Self::Value(_) => false,
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Value(own), value) => own == value,
            (_, Value::String(text)) => self.matches_text(text),
            _ => false,
        }
    }
}

impl Keyword {
    /// From a plain key, or from `{"key":…}`, `{"value":…}` or both as JSON text.
    fn new(entry: &str) -> Self {
        let parsed = entry
            .starts_with('{')
            .then(|| serde_json::from_str::<serde_json::Value>(entry).ok())
            .flatten();
        let Some(json) = parsed else {
            let entry = serde_json::Value::from(entry);
            return Self {
                key: Matcher::new(&entry),
                value: None,
                text: entry.to_string(),
            };
        };
        Self {
            key: json.get("key").and_then(Matcher::new),
            value: json.get("value").and_then(Matcher::new),
            text: json.to_string(),
        }
    }

    fn refuses(&self, key: &str, value: &Value) -> bool {
        match (&self.key, &self.value) {
            (Some(k), Some(v)) => k.matches_text(key) && v.matches(value),
            (Some(k), None) => k.matches_text(key),
            (None, Some(v)) => v.matches(value),
            (None, None) => false,
        }
    }
}

impl Keywords {
    pub(crate) fn new(entries: &[Box<str>]) -> Self {
        Self(entries.iter().map(|entry| Keyword::new(entry)).collect())
    }

    /// Refuses the key with this value; does not look into the value.
    pub(crate) fn check(&self, key: &str, value: &Value) -> Result<()> {
        match self.0.iter().find(|word| word.refuses(key, value)) {
            None => Ok(()),
            Some(word) => Err(Error::new(
                Reason::InvalidFieldName,
                format!("Prohibited keyword in request data: {}.", word.text),
            )),
        }
    }

    /// Refuses every denied key or value in the map and whatever is nested in it.
    pub(crate) fn check_map(&self, map: &Map) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        map.iter().try_for_each(|(key, value)| {
            self.check(key, value)?;
            self.check_value(value)
        })
    }

    /// Refuses every denied key or value nested in the value.
    pub(crate) fn check_value(&self, value: &Value) -> Result<()> {
        match value {
            Value::Map(map) => self.check_map(map),
            Value::Array(items) => items.iter().try_for_each(|item| self.check_value(item)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: Vec<(&str, Value)>) -> Map {
        pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
    }

    #[test]
    fn denied_keys_are_found_behind_and_within_everything() {
        let words = Keywords::new(&[
            "constructor".into(),
            r#"{"key":"__proto__"}"#.into(),
            r#"{"key":"_bsontype","value":"Code"}"#.into(),
        ]);
        let deep = Value::Map(map(vec![("constructor", Value::Int(1))]));
        let first = Value::Map(map(vec![("x", Value::Null)]));
        let error = words
            .check_map(&map(vec![("a", first), ("b", Value::Array(vec![deep]))]))
            .unwrap_err();
        assert_eq!(
            error.message(),
            r#"Prohibited keyword in request data: "constructor"."#
        );
        let error = words.check("__proto__", &Value::Null).unwrap_err();
        assert_eq!(
            error.message(),
            r#"Prohibited keyword in request data: {"key":"__proto__"}."#
        );
        assert!(
            words
                .check_map(&map(vec![("_bsontype", "Code".into())]))
                .is_err()
        );
        assert!(
            words
                .check_map(&map(vec![("_bsontype", "Other".into())]))
                .is_ok()
        );
    }
}
