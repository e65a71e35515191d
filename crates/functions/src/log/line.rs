//! One line.

use crate::redact;
use basalt_base::{Map, Timestamp, Value};

/// Longest message in bytes.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Details.
    Debug,
    /// What happened.
    Info,
    /// Something odd.
    Warn,
    /// A failure.
    Error,
}

impl Level {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// From its name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warn, Self::Error]
            .into_iter()
            .find(|level| level.name() == name)
    }
}

/// A line to write.
pub(super) struct Line<'a> {
    pub at: Timestamp,
    pub level: Level,
    pub message: &'a str,
    pub fields: &'a Map,
}

impl Line<'_> {
    /// The line as JSON with its end. JSON escapes line ends and other controls, so that no
    /// message looks like a line of its own; those that terminals obey beyond that are shown.
    pub fn text(&self) -> String {
        let mut message: String = self.message.chars().map(shown).collect();
        if redact::cut(&mut message, MESSAGE_BYTES_MAX) {
            message.push_str("... (truncated)");
        }
        let mut line = serde_json::Map::new();
        line.insert("timestamp".to_owned(), iso(self.at).into());
        line.insert("level".to_owned(), self.level.name().into());
        line.insert("message".to_owned(), message.into());
        for (name, value) in self.fields {
            if !line.contains_key(name) {
                line.insert(name.clone(), json(value));
            }
        }
        let mut text = serde_json::Value::Object(line).to_string();
        text.push('\n');
        text
    }
}

/// Controls that act on terminals or turn text around become visible.
fn shown(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::Double(n) => (*n).into(),
        Value::String(text) => text.chars().map(shown).collect::<String>().into(),
        other => format!("{other:?}").into(),
    }
}

/// A time as text whose order is that of time.
pub(super) fn iso(at: Timestamp) -> String {
    let Ok(at) = jiff::Timestamp::new(at.seconds(), at.nanos().cast_signed()) else {
        return String::new();
    };
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
