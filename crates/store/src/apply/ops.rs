//! What an operation makes of one value.

use crate::{FieldRef, Op, Path};
use basalt_base::{Error, Members, Reason, Result, Value};
use std::collections::HashSet;

/// The value after the operation; `None` when there is none.
pub(super) fn result(op: &Op, current: Option<Value>, path: &Path) -> Result<Option<Value>> {
    if matches!(op, Op::Remove(_)) && matches!(current, None | Some(Value::Null)) {
        return Ok(current);
    }
    let current = current.filter(|value| !matches!(value, Value::Null));
    Ok(match op {
        Op::Set(value) | Op::SetOnInsert(value) => Some(value.clone()),
        Op::Unset => None,
        Op::Increment(by) => Some(sum(current.unwrap_or(Value::Int(0)), by, path)?),
        Op::Append(items) => {
            let mut list = list(current, path)?;
            list.extend_from_slice(items);
            Some(Value::Array(list))
        }
        Op::AddUnique(items) => {
            let mut list = list(current, path)?;
            let mut present = Members::of(&list);
            let missing: Vec<&Value> = items.iter().filter(|i| !present.contains(i)).collect();
            let mut seen = HashSet::new();
            let added = missing.into_iter().filter(|item| seen.insert(*item));
            let added: Vec<Value> = added.cloned().collect();
            list.extend(added);
            Some(Value::Array(list))
        }
        Op::Remove(items) => {
            let mut list = list(current, path)?;
            let mut removed = Members::of(items);
            list.retain(|value| !removed.contains(value));
            Some(Value::Array(list))
        }
    })
}

/// Exact while both are whole and the sum fits int64.
fn sum(current: Value, by: &Value, path: &Path) -> Result<Value> {
    if let (Value::Int(a), Value::Int(b)) = (&current, by)
        && let Some(sum) = a.checked_add(*b)
    {
        return Ok(Value::Int(sum));
    }
    let (Some(a), Some(b)) = (current.as_f64(), by.as_f64()) else {
        let what = if by.as_f64().is_none() {
            "by something that is no number"
        } else {
            "because its value is no number"
        };
        return Err(wrong_type(path, "increment", what));
    };
    let sum = a + b;
    if sum.is_finite() {
        Ok(Value::number(sum))
    } else {
        Err(wrong_type(path, "increment", "past the largest number"))
    }
}

fn list(current: Option<Value>, path: &Path) -> Result<Vec<Value>> {
    match current {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(wrong_type(
            path,
            "add to or remove from",
            "because its value is no array",
        )),
    }
}

/// An `IncorrectType` that names the field.
pub(super) fn wrong_type(path: &Path, action: &str, why: &str) -> Error {
    Error::new(
        Reason::IncorrectType,
        format!("Cannot {action} the field {} {why}.", dotted(path)),
    )
}

fn dotted(path: &Path) -> String {
    let root = match &path.root {
        FieldRef::Named(name) => name,
        FieldRef::Id => "id",
        FieldRef::CreatedAt => "created_at",
        FieldRef::UpdatedAt => "updated_at",
    };
    path.rest.iter().fold(root.to_owned(), |mut text, step| {
        text.push('.');
        text.push_str(step);
        text
    })
}
