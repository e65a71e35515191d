//! Operations on something within a field's value.

use super::ops::{result, wrong_type};
use crate::eval::array_index;
use crate::{Op, Path};
use basalt_base::{Map, Result, Value};

/// How many nulls a write past the end of an array may put between.
const GAP_MAX: usize = 1_000;

/// Applies an operation at `path.rest` (not empty) below the field's value.
///
/// Removing something that is not there leaves everything as it was.
pub(super) fn apply(root: &mut Option<Value>, path: &Path, op: &Op) -> Result<()> {
    match (op, &root) {
        (Op::Unset, _) => {
            if let Some(root) = root {
                unset(root, &path.rest);
            }
            return Ok(());
        }
        (Op::Remove(_), Some(value)) if !leads_somewhere(value, &path.rest) => return Ok(()),
        (Op::Remove(_), None) => return Ok(()),
        _ => {}
    }
    let value = match root {
        Some(value) => value,
        None => root.insert(Value::Null),
    };
    let Some((last, way)) = path.rest.split_last() else {
        return Ok(());
    };
    let mut place = value;
    for step in way {
        place = enter(place, step, path)?;
    }
    let slot = enter(place, last, path)?;
    // Without `Unset` there is always a value.
    let current = std::mem::replace(slot, Value::Null);
    *slot = result(op, Some(current), path)?.unwrap_or(Value::Null);
    Ok(())
}

fn leads_somewhere(value: &Value, rest: &[Box<str>]) -> bool {
    let Some((step, below)) = rest.split_first() else {
        return true;
    };
    let child = match value {
        Value::Map(map) => map.get(&**step),
        Value::Array(items) => array_index(step).and_then(|at| items.get(at)),
        _ => None,
    };
    child.is_some_and(|child| leads_somewhere(child, below))
}

/// The place below `value`, made when missing. A fresh place holds null.
fn enter<'a>(value: &'a mut Value, step: &str, path: &Path) -> Result<&'a mut Value> {
    if matches!(value, Value::Null) {
        *value = Value::Map(Map::new());
    }
    match value {
        Value::Map(map) => Ok(map.entry(step.to_owned()).or_insert(Value::Null)),
        Value::Array(items) => {
            let at = array_index(step).filter(|at| *at <= items.len() + GAP_MAX);
            let Some(at) = at else {
                return Err(wrong_type(
                    path,
                    "write",
                    "because its array has no such place",
                ));
            };
            if at >= items.len() {
                items.resize(at + 1, Value::Null);
            }
            Ok(&mut items[at])
        }
        _ => Err(wrong_type(
            path,
            "write",
            "because a value on the way is neither a map nor an array",
        )),
    }
}

/// Removes a map's key; an array's element becomes null, so that the others keep their places.
fn unset(value: &mut Value, rest: &[Box<str>]) {
    let Some((step, below)) = rest.split_first() else {
        return;
    };
    match value {
        Value::Map(map) if below.is_empty() => drop(map.shift_remove(&**step)),
        Value::Map(map) => {
            if let Some(child) = map.get_mut(&**step) {
                unset(child, below);
            }
        }
        Value::Array(items) => {
            if let Some(child) = array_index(step).and_then(|at| items.get_mut(at)) {
                if below.is_empty() {
                    *child = Value::Null;
                } else {
                    unset(child, below);
                }
            }
        }
        _ => {}
    }
}
