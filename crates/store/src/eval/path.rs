//! From a path to its candidates.

use crate::{Access, FieldRef, Path, Principals, Record};
use basalt_base::{Result, Timestamp, Value};
use std::borrow::Cow;

/// What a root field of an object holds.
pub(crate) enum Root<'a> {
    Missing,
    Value(&'a Value),
    Text(&'a str),
    Time(Timestamp),
}

/// Something with fields: a stored object or a pipeline's document.
pub(crate) trait Fields {
    fn root(&self, field: &FieldRef) -> Root<'_>;
    fn allows(&self, access: Access, principals: &Principals) -> bool;
}

/// The position that a step means in an array.
pub(crate) fn array_index(step: &str) -> Option<usize> {
    let canonical = step == "0" || !step.starts_with('0');
    let digits = !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
    (canonical && digits).then(|| step.parse().ok()).flatten()
}

/// Calls `visit` for each candidate below `value` until it says true; says whether it did.
pub(crate) fn any_below<'a>(
    value: &'a Value,
    rest: &[Box<str>],
    visit: &mut dyn FnMut(&'a Value) -> Result<bool>,
) -> Result<bool> {
    let Some((step, rest)) = rest.split_first() else {
        return visit(value);
    };
    match value {
        Value::Map(map) => match map.get(&**step) {
            Some(child) => any_below(child, rest, visit),
            None => Ok(false),
        },
        Value::Array(items) => {
            if let Some(item) = array_index(step).and_then(|at| items.get(at))
                && any_below(item, rest, visit)?
            {
                return Ok(true);
            }
            for item in items {
                if let Value::Map(map) = item
                    && let Some(child) = map.get(&**step)
                    && any_below(child, rest, visit)?
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// The candidates of a path in document order; none when the value is missing.
pub fn candidates<'a>(record: &'a Record, path: &Path) -> Vec<Cow<'a, Value>> {
    let mut found = Vec::new();
    match record.root(&path.root) {
        Root::Value(value) => {
            // The visitor never fails.
            let _ = any_below(value, &path.rest, &mut |value| {
                found.push(Cow::Borrowed(value));
                Ok(false)
            });
        }
        Root::Text(text) if path.rest.is_empty() => found.push(Cow::Owned(text.into())),
        Root::Time(at) if path.rest.is_empty() => found.push(Cow::Owned(Value::Timestamp(at))),
        Root::Missing | Root::Text(_) | Root::Time(_) => {}
    }
    found
}

/// The first candidate of a path in document order.
pub(crate) fn first<'a, F: Fields + ?Sized>(fields: &'a F, path: &Path) -> Option<Cow<'a, Value>> {
    match fields.root(&path.root) {
        Root::Value(value) if path.rest.is_empty() => Some(Cow::Borrowed(value)),
        Root::Value(value) => {
            let mut found = None;
            let _ = any_below(value, &path.rest, &mut |value| {
                found = Some(Cow::Borrowed(value));
                Ok(true)
            });
            found
        }
        Root::Text(text) if path.rest.is_empty() => Some(Cow::Owned(text.into())),
        Root::Time(at) if path.rest.is_empty() => Some(Cow::Owned(Value::Timestamp(at))),
        Root::Missing | Root::Text(_) | Root::Time(_) => None,
    }
}
