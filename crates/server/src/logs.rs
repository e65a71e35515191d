//! Logs of functions and hooks, for the admin API and the command line.

use basalt_api_admin::LogsAsked;
use basalt_base::{Error, Reason, Result, Value};
use basalt_functions::{Level, LogQuery, Logs};
use serde_json::json;
use std::time::Duration;

/// How long a follower's request waits for lines.
const WAIT: Duration = Duration::from_secs(20);
/// Lines that a search returns when it names no number.
const SIZE: usize = 100;

/// Answers a request for lines.
pub(crate) async fn answer(logs: &Logs, asked: LogsAsked) -> Result<String> {
    if let Some(after) = &asked.after {
        let tail = logs.tail(after, WAIT).await?;
        let lines: Vec<_> = tail.lines.iter().map(of_line).collect();
        return Ok(json!({ "lines": lines, "next": tail.next }).to_string());
    }
    let wrong = |name: &str| {
        Error::new(
            Reason::InvalidQuery,
            format!("`{name}` has the wrong form."),
        )
    };
    let mut query = LogQuery {
        from: None,
        until: None,
        size: SIZE,
        ascending: false,
        level: Level::Info,
    };
    for (name, value) in &asked.search {
        match name.as_str() {
            "size" => query.size = value.parse().map_err(|_| wrong(name))?,
            "level" => query.level = Level::of(value).ok_or_else(|| wrong(name))?,
            _ => query.ascending = value == "asc",
        }
    }
    let lines = logs.search(query).await?;
    let lines: Vec<_> = lines.iter().map(of_line).collect();
    Ok(json!({ "lines": lines }).to_string())
}

fn of_line(line: &Value) -> serde_json::Value {
    let fields = line.as_map().into_iter().flatten();
    let fields = fields.map(|(name, value)| {
        let value = match value {
            Value::Bool(b) => json!(b),
            Value::Int(n) => json!(n),
            Value::Double(n) => json!(n),
            Value::String(text) => json!(text),
            _ => serde_json::Value::Null,
        };
        (name.clone(), value)
    });
    serde_json::Value::Object(fields.collect())
}

fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    let field = line.as_map().and_then(|map| map.get(name));
    field.and_then(Value::as_str).unwrap_or_default()
}

/// How much a line matters.
pub(crate) fn level(line: &Value) -> Level {
    Level::of(text(line, "level")).unwrap_or(Level::Info)
}

/// A line as it is printed. Further lines of its message are indented, so that none looks like a
/// line of its own.
pub(crate) fn for_people(line: &Value) -> String {
    let message = text(line, "message").replace('\n', "\n    ");
    format!(
        "{} {:5} {} {message}",
        text(line, "timestamp"),
        text(line, "level"),
        text(line, "requestId")
    )
}
