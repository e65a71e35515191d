//! What stores with a column for each field keep in the same way.
//!
//! A NULL column is a missing value or an explicit null; which it is stands in a map of the row's
//! own: the ids of the fields that hold an explicit null, and, with a `.` in front, the names that
//! were no fields when they were given one. A file is one text: its name, or name, U+001F and URL.

mod layout;
pub mod words;

pub use layout::{Column, HEAD, HEAD_LEN, Shape};

use crate::{FieldId, Record, codec, keeps_null};
use basalt_base::{Error, FileRef, Reason, Result, Value};
use std::fmt::Write;

/// Before a name that is no field's among the explicit nulls.
const NULL_NAME: char = '.';

/// Between the name and the URL of a file.
const FILE_SEPARATOR: char = '\u{1f}';

/// The key of a null under a name that is no field's; `None` when the name can't have one. Plain
/// letters, so that it stands for itself in SQL and in JSON paths.
pub fn null_key(name: &str) -> Option<String> {
    keeps_null(name).then(|| format!("{NULL_NAME}{name}"))
}

/// The explicit nulls of an object as JSON text; `None` when there are none.
pub fn nulls_text(record: &Record, field: impl Fn(&str) -> Option<FieldId>) -> Option<String> {
    let mut out = String::new();
    let nulls = record.fields.iter();
    for (name, _) in nulls.filter(|(_, value)| matches!(value, Value::Null)) {
        let comma = if out.is_empty() { "{" } else { "," };
        let _ = match (field(name), null_key(name)) {
            (Some(id), _) => write!(out, "{comma}\"{}\":null", id.0),
            (None, Some(key)) => write!(out, "{comma}\"{key}\":null"),
            (None, None) => Ok(()),
        };
    }
    (!out.is_empty()).then(|| out + "}")
}

/// What holds an explicit null: fields by their ids, and names that were no fields when it was
/// written, in their order.
#[derive(Debug, Default)]
pub struct Nulls {
    ids: Vec<u32>,
    /// The names.
    pub names: Vec<String>,
}

impl Nulls {
    /// From the text that [`nulls_text`] made; damage is [`Reason::StoreCorrupt`].
    pub fn parse(text: &str) -> Result<Self> {
        let broken = || {
            Error::new(Reason::StoreCorrupt, "A stored value can't be read.")
                .with_source("the names of explicit nulls".to_owned())
        };
        let Value::Map(map) = codec::decode(text)? else {
            return Err(broken());
        };
        let mut nulls = Self::default();
        for key in map.keys() {
            match (key.strip_prefix(NULL_NAME), key.parse()) {
                (Some(name), _) => nulls.names.push(name.to_owned()),
                (None, Ok(id)) => nulls.ids.push(id),
                (None, Err(_)) => return Err(broken()),
            }
        }
        nulls.names.sort_unstable();
        Ok(nulls)
    }

    /// Whether a field holds one, perhaps from before it was declared. What is a relation now was
    /// no more than a name then.
    pub fn has(&self, id: FieldId, name: &str, has_column: bool) -> bool {
        self.ids.contains(&id.0) || (has_column && self.names.iter().any(|n| **n == *name))
    }
}

/// The text of a file.
pub fn file_text(file: &FileRef) -> String {
    let mut out = file.name.clone();
    if file.url.is_some() || file.name.contains(FILE_SEPARATOR) {
        out.push(FILE_SEPARATOR);
        let url = file.url.as_deref().unwrap_or_default();
        out.extend(url.chars().filter(|c| *c != FILE_SEPARATOR));
    }
    out
}

/// The file from its text.
pub fn file(text: &str) -> FileRef {
    match text.rsplit_once(FILE_SEPARATOR) {
        None => FileRef {
            name: text.to_owned(),
            url: None,
        },
        Some((name, url)) => FileRef {
            name: name.to_owned(),
            url: (!url.is_empty()).then(|| url.to_owned()),
        },
    }
}

/// Whether a column holds the same for both. Stricter than the values' own equality: a file with
/// another URL is another one.
pub fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None | Some(Value::Null), None | Some(Value::Null)) => true,
        (Some(Value::File(a)), Some(Value::File(b))) => a == b,
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_nested(a, b))
        }
        (Some(Value::Map(a)), Some(Value::Map(b))) => {
            let mut pairs = a.iter().zip(b);
            a.len() == b.len() && pairs.all(|((k, a), (l, b))| k == l && same_nested(a, b))
        }
        (Some(Value::Geo(a)), Some(Value::Geo(b))) => {
            a.latitude.to_bits() == b.latitude.to_bits()
                && a.longitude.to_bits() == b.longitude.to_bits()
        }
        (a, b) => a == b,
    }
}

fn same_nested(a: &Value, b: &Value) -> bool {
    let null = |v: &Value| matches!(v, Value::Null);
    null(a) == null(b) && same(Some(a), Some(b))
}

/// The error for a value that a field of that name can't hold.
pub fn misfit(name: &str) -> Error {
    let message = format!("A value does not fit the field {name}.");
    Error::new(Reason::SchemaMismatch, message)
}
