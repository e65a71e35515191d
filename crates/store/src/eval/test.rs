//! One test on the candidates of one path.

use super::path::{Fields, Root, any_below};
use crate::{Path, Pattern, Test};
use basalt_base::{GeoPoint, Result, Value};
use std::cmp::Ordering;

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
        Test::All(wanted) => any(&mut |v| Ok(holds_all(v, wanted))),
        Test::AllMatch(patterns) => any(&mut |v| all_match(v, patterns)),
        Test::Exists(wanted) => Ok(any(&mut |_| Ok(true))? == *wanted),
        Test::ContainedBy(allowed) => any(&mut |v| Ok(contained(v, allowed))),
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
    let is_wanted = |value: &Value| wanted.iter().any(|w| equal(value, w));
    let mut missing = true;
    let found = any(&mut |value| {
        missing = false;
        Ok(is_wanted(value) || elements(value).iter().any(is_wanted))
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

fn holds_all(value: &Value, wanted: &[Value]) -> bool {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    !wanted.is_empty() && wanted.iter().all(|w| items.iter().any(|v| equal(v, w)))
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

fn contained(value: &Value, allowed: &[Value]) -> bool {
    let holds = |item: &Value| allowed.iter().any(|a| equal(item, a));
    value
        .as_array()
        .is_some_and(|items| items.iter().all(holds))
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
