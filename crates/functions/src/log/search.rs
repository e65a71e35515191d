//! Reading lines.

use super::Level;
use super::line::iso;
use super::writer::{path, segments};
use basalt_base::{Map, Timestamp, Value};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Most lines of one answer.
const LINES_MAX: usize = 1_000;
/// Most bytes that one look at the end takes.
const TAIL_BYTES_MAX: u64 = 1024 * 1024;

/// Which lines.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Not after this.
    pub until: Option<Timestamp>,
    /// How many; at most 1,000 come.
    pub size: usize,
    /// Oldest first.
    pub ascending: bool,
    /// Only lines that matter this much or more.
    pub level: Level,
}

impl LogQuery {
    fn takes(&self, line: &Map) -> bool {
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        // Times are written so that texts are in their order.
        let at = text("timestamp");
        let late = self.from.is_none_or(|from| at >= iso(from).as_str());
        let early = self.until.is_none_or(|until| at <= iso(until).as_str());
        let level = Level::of(text("level")).unwrap_or(Level::Info);
        late && early && level >= self.level
    }
}

/// Lines after a point.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// The lines, oldest first, each a map.
    pub lines: Vec<Value>,
    /// The point after them.
    pub next: String,
}

/// The lines that a query asks for.
pub(super) fn search(dir: &Path, query: &LogQuery) -> io::Result<Vec<Value>> {
    let size = query.size.min(LINES_MAX);
    let mut numbers = segments(dir)?;
    if !query.ascending {
        numbers.reverse();
    }
    let mut found = Vec::new();
    for number in numbers {
        let text = match std::fs::read(path(dir, number)) {
            // Removed to make room, meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<&str> = text.lines().collect();
        if !query.ascending {
            lines.reverse();
        }
        for line in lines {
            if found.len() >= size {
                return Ok(found);
            }
            // A line that a crash has cut is no line.
            found.extend(parsed(line).filter(|l| query.takes(l)).map(Value::Map));
        }
    }
    Ok(found)
}

/// The lines after a point.
pub(super) fn tail(dir: &Path, after: &str) -> io::Result<Tail> {
    let numbers = segments(dir)?;
    let now = || -> io::Result<(u64, u64)> {
        match numbers.last() {
            Some(last) => Ok((*last, std::fs::metadata(path(dir, *last))?.len())),
            None => Ok((1, 0)),
        }
    };
    let mut point = match after.split_once('-') {
        Some((number, offset)) => match (number.parse(), offset.parse()) {
            (Ok(number), Ok(offset)) => (number, offset),
            _ => now()?,
        },
        None => now()?,
    };
    if let Some(first) = numbers.first().filter(|first| **first > point.0) {
        point = (*first, 0);
    }
    let mut lines = Vec::new();
    let from = point.0;
    for number in numbers.iter().copied().filter(|n| *n >= from) {
        if number > point.0 {
            point = (number, 0);
        }
        let mut file = File::open(path(dir, number))?;
        file.seek(SeekFrom::Start(point.1))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        let whole = bytes
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        lines.extend(text.lines().filter_map(parsed).map(Value::Map));
        point.1 += whole as u64;
        if lines.len() >= LINES_MAX || bytes.len() as u64 >= TAIL_BYTES_MAX {
            break;
        }
    }
    Ok(Tail {
        lines,
        next: format!("{}-{}", point.0, point.1),
    })
}

fn parsed(line: &str) -> Option<Map> {
    let serde_json::Value::Object(object) = serde_json::from_str(line).ok()? else {
        return None;
    };
    let value = |value: serde_json::Value| match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(n) => n
            .as_i64()
            .map_or_else(|| Value::Double(n.as_f64().unwrap_or_default()), Value::Int),
        serde_json::Value::String(text) => Value::String(text),
        other => Value::String(other.to_string()),
    };
    Some(
        object
            .into_iter()
            .map(|(name, v)| (name, value(v)))
            .collect(),
    )
}
