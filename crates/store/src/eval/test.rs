//! One test on the candidates of one path.

use super::path::{Fields, Root, any_below};
use crate::{Path, Pattern, Test};
use basalt_base::{GeoPoint, Members, Result, Value};
use std::cmp::Ordering;
use std::collections::HashSet;

/// Whether the test holds for the candidates of `path` in `fields`.
pub(super) fn holds<F: Fields + ?Sized>(test: &Test, fields: &F, path: &Path) -> Result<bool> {
    match fields.root(&path.root) {
        Root::Missing => holds_for(test, None, &[]),
        Root::Value(value) => holds_for(test, Some(value), &path.rest),
        Root::Time(_) | Root::Text(_) if !path.rest.is_empty() => holds_for(test, None, &[]),
        Root::Time(at) => holds_for(test, Some(&Value::Timestamp(at)), &[]),
        Root::Text(text) => match plain_text(test, text) {
            Some(answer) => Ok(answer),
            None => holds_for(test, Some(&Value::String(text.to_owned())), &[]),
        },
    }
}

/// The common tests on an id, without making a value of it.
fn plain_text(test: &Test, text: &str) -> Option<bool> {
    let is = |value: &Value| value.as_str() == Some(text);
    match test {
        Test::Eq(value) => Some(is(value)),
        Test::Ne(value) => Some(!is(value)),
        Test::In(values) => Some(values.iter().any(is)),
        Test::NotIn(values) => Some(!values.iter().any(is)),
        _ => None,
    }
}

/// Whether the test holds for the candidates of `rest` below `root`.
fn holds_for(test: &Test, root: Option<&Value>, rest: &[Box<str>]) -> Result<bool> {
    let any = |visit: &mut dyn FnMut(&Value) -> Result<bool>| match root {
        Some(value) => any_below(value, rest, visit),
        None => Ok(false),
    };
    match test {
        Test::Eq(wanted) => equals_any(&any, std::slice::from_ref(wanted)),
        Test::Ne(wanted) => Ok(!equals_any(&any, std::slice::from_ref(wanted))?),
        Test::In(wanted) => equals_any(&any, wanted),
        Test::NotIn(wanted) => Ok(!equals_any(&any, wanted)?),
        Test::Lt(bound) => any(&mut |v| Ok(in_range(v, bound, Ordering::is_lt))),
        Test::Lte(bound) => any(&mut |v| Ok(in_range(v, bound, Ordering::is_le))),
        Test::Gt(bound) => any(&mut |v| Ok(in_range(v, bound, Ordering::is_gt))),
        Test::Gte(bound) => any(&mut |v| Ok(in_range(v, bound, Ordering::is_ge))),
        Test::All(wanted) => {
            let mut all = All::of(wanted);
            any(&mut |v| Ok(all.holds(v)))
        }
        Test::AllMatch(patterns) => any(&mut |v| all_match(v, patterns)),
        Test::Exists(wanted) => Ok(any(&mut |_| Ok(true))? == *wanted),
        Test::ContainedBy(allowed) => {
            let mut allowed = Members::of(allowed);
            any(&mut |v| Ok(contained(v, &mut allowed)))
        }
        Test::Regex(pattern) => any(&mut |v| match v {
            Value::Array(items) => any_text(items, pattern),
            Value::String(text) => pattern.is_match(text),
            _ => Ok(false),
        }),
        Test::Near {
            center,
            radians_max,
        } => any(&mut |v| Ok(near(v, *center, *radians_max))),
        Test::WithinBox {
            south_west,
            north_east,
        } => any(&mut |v| Ok(in_box(v, *south_west, *north_east))),
        Test::Not(inner) => Ok(!holds_for(inner, root, rest)?),
    }
}

type Any<'a> = dyn Fn(&mut dyn FnMut(&Value) -> Result<bool>) -> Result<bool> + 'a;

/// Whether a candidate, or an element of one, equals one of the wanted; null equals missing.
fn equals_any(any: &Any<'_>, wanted: &[Value]) -> Result<bool> {
    let mut members = Members::of(wanted);
    let mut missing = true;
    let found = any(&mut |value| {
        missing = false;
        let here = equals_one(value, &mut members);
        Ok(here || elements(value).iter().any(|v| equals_one(v, &mut members)))
    })?;
    Ok(found || (missing && wanted.iter().any(|w| matches!(w, Value::Null))))
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().unwrap_or(&[])
}

/// Equality as tests see it: text given for a reference means its id.
pub(super) fn equal(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Reference(reference), Value::String(id)) => reference.id == *id,
        _ => value == wanted,
    }
}

/// Whether the value equals one of the wanted.
fn equals_one(value: &Value, wanted: &mut Members<'_, Value>) -> bool {
    let list = wanted.list();
    let Some(set) = wanted.set() else {
        return list.iter().any(|w| equal(value, w));
    };
    let by_id = || match value {
        Value::Reference(reference) => set.contains(&Value::String(reference.id.clone())),
        _ => false,
    };
    set.contains(value) || by_id()
}

fn in_range(value: &Value, bound: &Value, wanted: fn(Ordering) -> bool) -> bool {
    let one = |value: &Value| match (value, bound) {
        (Value::Reference(reference), Value::String(id)) => wanted(reference.id.cmp(id)),
        _ => value.compare(bound).is_some_and(wanted),
    };
    match value {
        Value::Array(items) => items.iter().any(one),
        _ => one(value),
    }
}

/// "Holds all of these", for one list after the other.
struct All<'a> {
    wanted: &'a [Value],
    /// The different ones, once there is much to compare.
    distinct: Option<HashSet<&'a Value>>,
}

impl<'a> All<'a> {
    /// Up to this many comparisons are cheaper than hashing.
    const LINEAR_MAX: usize = 1_024;

    fn of(wanted: &'a [Value]) -> Self {
        Self {
            wanted,
            distinct: None,
        }
    }

    fn holds(&mut self, value: &Value) -> bool {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let there = |w: &Value| items.iter().any(|v| equal(v, w));
        if self.wanted.len().saturating_mul(items.len()) <= Self::LINEAR_MAX {
            return !self.wanted.is_empty() && self.wanted.iter().all(there);
        }
        // Most lists lack something that is looked for first.
        if !self.wanted.first().is_some_and(there) {
            return false;
        }
        let distinct = self
            .distinct
            .get_or_insert_with(|| self.wanted.iter().collect());
        // An item equals itself, and a reference the text of its id.
        if distinct.len() > items.len().saturating_mul(2) {
            return false;
        }
        let present: HashSet<&Value> = items.iter().collect();
        let ids = items.iter().filter_map(|item| match item {
            Value::Reference(reference) => Some(reference.id.as_str()),
            _ => None,
        });
        let ids: HashSet<&str> = ids.collect();
        let mut wanted = distinct.iter();
        wanted.all(|w| present.contains(w) || w.as_str().is_some_and(|id| ids.contains(id)))
    }
}

fn all_match(value: &Value, patterns: &[std::sync::Arc<Pattern>]) -> Result<bool> {
    let Value::Array(items) = value else {
        return Ok(false);
    };
    for pattern in patterns {
        if !any_text(items, pattern)? {
            return Ok(false);
        }
    }
    Ok(!patterns.is_empty())
}

fn any_text(items: &[Value], pattern: &Pattern) -> Result<bool> {
    for text in items.iter().filter_map(Value::as_str) {
        if pattern.is_match(text)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn contained(value: &Value, allowed: &mut Members<'_, Value>) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().all(|item| equals_one(item, allowed)))
}

fn near(value: &Value, center: GeoPoint, radians_max: Option<f64>) -> bool {
    match (value, radians_max) {
        (Value::Geo(_), None) => true,
        (Value::Geo(point), Some(max)) => point.radians_to(center) <= max,
        _ => false,
    }
}

fn in_box(value: &Value, south_west: GeoPoint, north_east: GeoPoint) -> bool {
    match value {
        Value::Geo(point) => {
            (south_west.latitude..=north_east.latitude).contains(&point.latitude)
                && (south_west.longitude..=north_east.longitude).contains(&point.longitude)
        }
        _ => false,
    }
}
