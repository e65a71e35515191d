//! Logs of functions and hooks, for the admin API and the command line.

use basalt_api_admin::LogsAsked;
use basalt_base::{Error, Reason, Result, Value};
use basalt_functions::{Level, LogQuery, Logs};
use basalt_store::AppRow;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How long a follower's request waits for lines.
const WAIT: Duration = Duration::from_secs(20);
/// Lines that a search returns when it names no number.
const SIZE: usize = 100;

/// The folder of an app's logs. An app that is made again under the same id has another one.
pub(crate) fn folder(row: &AppRow) -> String {
    format!("{}-{}", row.app_id, row.store_id.0)
}

/// The folder of the app that has an id now, for whoever can't look into the registry: numbers of
/// apps only grow. Without any the app has logged nothing.
pub(crate) fn latest_folder(dir: &Path, id: &str) -> Option<String> {
    let entries = std::fs::read_dir(dir).ok()?;
    let numbers = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let number = name.to_str()?.strip_prefix(id)?.strip_prefix('-')?;
        number.parse::<u64>().ok()
    });
    Some(format!("{id}-{}", numbers.max()?))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_that_was_made_last_has_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(latest_folder(dir.path(), "a"), None);
        for name in ["a-2", "a-10", "a-1-30", "b-40", "a-x"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let latest = |id| latest_folder(dir.path(), id);
        assert_eq!(latest("a").as_deref(), Some("a-10"));
        assert_eq!(latest("a-1").as_deref(), Some("a-1-30"));
    }
}
