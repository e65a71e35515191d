//! `Project` and `AddFields`: choosing and computing fields.

use super::Keys;
use super::evaluate::evaluate;
use super::expr::Expr;
use basalt_base::{Map, Result, Value};
use indexmap::IndexMap;
use std::borrow::Cow;

/// What a projection leaves of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// These fields, those kept first and in the document's order. Unless told otherwise `_id` is
    /// one of them: the parser adds it.
    Include(IndexMap<Box<str>, Projected>),
    /// All fields but these.
    Exclude(IndexMap<Box<str>, Projected>),
}

/// What a projection does with a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Projected {
    /// Named: kept by an `Include`, left out by an `Exclude`.
    Named,
    /// Replaced by a computed value; left out when that is missing. Only in an `Include`.
    Computed(Expr),
    /// Something within it is meant: in a map, or in every map of an array.
    Within(IndexMap<Box<str>, Projected>),
}

type Fields = IndexMap<Box<str>, Projected>;

impl Shape {
    pub(super) fn apply(&self, doc: Map) -> Result<Map> {
        match self {
            Self::Exclude(fields) => Ok(exclude(doc, fields)),
            Self::Include(fields) => {
                let mut out = include(&doc, fields);
                compute(fields, &mut Vec::new(), &doc, &mut out)?;
                Ok(out)
            }
        }
    }
}

fn exclude(mut map: Map, fields: &Fields) -> Map {
    map.retain(|key, value| match fields.get(key.as_str()) {
        Some(Projected::Named) => false,
        Some(Projected::Within(fields)) => {
            exclude_within(value, fields);
            true
        }
        Some(Projected::Computed(_)) | None => true,
    });
    map
}

fn exclude_within(value: &mut Value, fields: &Fields) {
    match value {
        Value::Map(map) => *map = exclude(std::mem::take(map), fields),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| exclude_within(item, fields)),
        _ => {}
    }
}

fn include(map: &Map, fields: &Fields) -> Map {
    let kept = map.iter().filter_map(|(key, value)| {
        let value = match fields.get(key.as_str())? {
            Projected::Named => value.clone(),
            Projected::Within(fields) => include_within(value, fields)?,
            Projected::Computed(_) => return None,
        };
        Some((key.clone(), value))
    });
    kept.collect()
}

/// What is kept of something nested; nothing of a plain value.
fn include_within(value: &Value, fields: &Fields) -> Option<Value> {
    match value {
        Value::Map(map) => Some(Value::Map(include(map, fields))),
        Value::Array(items) => {
            let kept = items.iter().filter_map(|item| include_within(item, fields));
            Some(Value::Array(kept.collect()))
        }
        _ => None,
    }
}

/// Sets the computed fields, outermost first.
fn compute<'a>(fields: &'a Fields, way: &mut Vec<&'a str>, doc: &Map, out: &mut Map) -> Result<()> {
    for (key, projected) in fields {
        way.push(key);
        match projected {
            Projected::Computed(expr) => {
                if let Some(value) = evaluate(expr, doc)? {
                    set(out, way, value.into_owned());
                }
            }
            Projected::Within(fields) => compute(fields, way, doc, out)?,
            Projected::Named => {}
        }
        way.pop();
    }
    Ok(())
}

/// Adds or replaces fields by values computed from the document as it was.
pub(super) fn add_fields(doc: &mut Map, fields: &[(Keys, Expr)]) -> Result<()> {
    let values: Vec<Option<Value>> = fields
        .iter()
        .map(|(_, expr)| Ok(evaluate(expr, doc)?.map(Cow::into_owned)))
        .collect::<Result<_>>()?;
    for ((path, _), value) in fields.iter().zip(values) {
        if let Some(value) = value {
            set(doc, path, value);
        }
    }
    Ok(())
}

/// Sets the value at a path; in every map of an array on the way. Plain values on the way give way
/// to maps.
pub(super) fn set<S: AsRef<str>>(map: &mut Map, way: &[S], value: Value) {
    let Some((step, rest)) = way.split_first() else {
        return;
    };
    if rest.is_empty() {
        map.insert(step.as_ref().to_owned(), value);
        return;
    }
    let slot = map.entry(step.as_ref().to_owned()).or_insert(Value::Null);
    set_below(slot, rest, value);
}

fn set_below<S: AsRef<str>>(slot: &mut Value, rest: &[S], value: Value) {
    match slot {
        Value::Map(map) => set(map, rest, value),
        Value::Array(items) => {
            for item in items {
                set_below(item, rest, value.clone());
            }
        }
        plain => {
            let mut map = Map::new();
            set(&mut map, rest, value);
            *plain = Value::Map(map);
        }
    }
}
