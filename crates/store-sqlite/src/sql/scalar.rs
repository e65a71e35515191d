//! Tests on plain columns: numbers, text, booleans, times, bytes, references, and the columns that
//! every table has. All are exact and in a form that an index on the column serves.

use super::binds::Binds;
use super::condition::Condition;
use super::filter::{exists, explicit_null};
use crate::row::sub_millis;
use crate::schema::{Column, Shape};
use basalt_base::{Timestamp, Value};
use basalt_store::{Pattern, Test, codec};
use rusqlite::types::Value as Param;
use std::sync::Arc;

/// Lists longer than this are bound as one JSON text.
const LIST_SHORT_MAX: usize = 8;

/// A plain column.
pub(super) struct Place<'a> {
    pub(super) column: &'a str,
    pub(super) shape: &'a Shape,
    /// The field; `None` for the columns that every table has, which are never missing or null.
    pub(super) field: Option<&'a Column>,
}

/// The condition of a positive test.
pub(super) fn condition(place: &Place<'_>, test: &Test, binds: &mut Binds) -> Condition {
    let column = place.column;
    match test {
        Test::Eq(value) => equal(place, value, binds),
        Test::In(values) => one_of(place, values, binds),
        Test::Lt(bound) => range(
            place,
            bound,
            Side {
                less: true,
                equal: false,
            },
            binds,
        ),
        Test::Lte(bound) => range(
            place,
            bound,
            Side {
                less: true,
                equal: true,
            },
            binds,
        ),
        Test::Gt(bound) => range(
            place,
            bound,
            Side {
                less: false,
                equal: false,
            },
            binds,
        ),
        Test::Gte(bound) => range(
            place,
            bound,
            Side {
                less: false,
                equal: true,
            },
            binds,
        ),
        Test::Exists(wanted) => match place.field {
            None => Condition::constant(*wanted),
            Some(field) => exists(column, field, *wanted),
        },
        Test::All(values) if values.is_empty() => Condition::constant(false),
        // A value that is no list counts as a list of one.
        Test::All(values) => Condition::all(
            values
                .iter()
                .map(|value| match value {
                    Value::Null => is_explicit_null(place),
                    value => equal(place, value, binds),
                })
                .collect(),
        ),
        Test::Regex(pattern) if *place.shape == Shape::Text => regex(column, pattern, binds),
        Test::Regex(_)
        | Test::AllMatch(_)
        | Test::ContainedBy(_)
        | Test::Near { .. }
        | Test::WithinBox { .. } => Condition::constant(false),
        Test::Ne(_) | Test::NotIn(_) | Test::Not(_) => Condition::unknown(),
    }
}

fn is_explicit_null(place: &Place<'_>) -> Condition {
    match place.field {
        Some(field) => Condition::exact(explicit_null(field)),
        None => Condition::constant(false),
    }
}

/// The parameter that a value of the column's own family is compared as; `None` for values that
/// nothing in the column equals.
fn param(shape: &Shape, value: &Value) -> Option<Param> {
    match (shape, value) {
        (Shape::Number, Value::Int(n)) => Some(Param::Integer(*n)),
        (Shape::Number, Value::Double(n)) => Some(Param::Real(*n)),
        (Shape::Text | Shape::Reference(_), Value::String(s)) => Some(Param::Text(s.clone())),
        (Shape::Boolean, Value::Bool(b)) => Some(Param::Integer(i64::from(*b))),
        (Shape::Date, Value::Timestamp(at)) if !sub_millis(*at) => {
            Some(Param::Integer(at.millis()))
        }
        (Shape::Bytes, Value::Bytes(bytes)) => Some(Param::Blob(bytes.clone())),
        (Shape::Reference(target), Value::Reference(r)) if **target == *r.collection => {
            Some(Param::Text(r.id.clone()))
        }
        _ => None,
    }
}

fn equal(place: &Place<'_>, value: &Value, binds: &mut Binds) -> Condition {
    let column = place.column;
    match (value, param(place.shape, value)) {
        (Value::Null, _) if place.field.is_some() => Condition::exact(format!("{column} IS NULL")),
        (_, Some(param)) => {
            binds.push(param);
            Condition::exact(format!("{column} = ?"))
        }
        _ => Condition::constant(false),
    }
}

fn one_of(place: &Place<'_>, values: &[Value], binds: &mut Binds) -> Condition {
    let column = place.column;
    let null = place.field.is_some() && values.iter().any(|v| matches!(v, Value::Null));
    let params: Vec<Param> = values
        .iter()
        .filter_map(|v| param(place.shape, v))
        .collect();
    let among = if params.is_empty() {
        Condition::constant(false)
    } else if let Some(list) = as_json(&params) {
        binds.push(list);
        Condition::exact(format!("{column} IN (SELECT value FROM json_each(?))"))
    } else {
        let marks = vec!["?"; params.len()].join(", ");
        for param in params {
            binds.push(param);
        }
        Condition::exact(format!("{column} IN ({marks})"))
    };
    if !null {
        return among;
    }
    Condition::any(vec![among, Condition::exact(format!("{column} IS NULL"))])
}

/// A long list of texts or whole numbers as one JSON text. Doubles would lose digits in it.
fn as_json(params: &[Param]) -> Option<Param> {
    if params.len() <= LIST_SHORT_MAX {
        return None;
    }
    let value = |param: &Param| match param {
        Param::Text(text) => Some(Value::String(text.clone())),
        Param::Integer(n) => Some(Value::Int(*n)),
        _ => None,
    };
    let list: Option<Vec<Value>> = params.iter().map(value).collect();
    list.map(|list| Param::Text(codec::encode_to_string(&Value::Array(list))))
}

/// Which side of a bound is meant, and whether the bound itself is.
#[derive(Clone, Copy)]
struct Side {
    less: bool,
    equal: bool,
}

impl Side {
    fn operator(self) -> &'static str {
        match (self.less, self.equal) {
            (true, false) => "<",
            (true, true) => "<=",
            (false, false) => ">",
            (false, true) => ">=",
        }
    }
}

fn range(place: &Place<'_>, bound: &Value, side: Side, binds: &mut Binds) -> Condition {
    let (param, side) = match (place.shape, bound) {
        // An explicit null equals null; a missing value is in no range.
        (_, Value::Null) if side.equal => return is_explicit_null(place),
        (Shape::Date, Value::Timestamp(at)) => date_bound(*at, side),
        (Shape::Reference(target), Value::Reference(r)) => {
            // References compare by id, then by collection.
            let order = (**target).cmp(r.collection.as_str());
            let equal = if side.less {
                order.is_lt() || (side.equal && order.is_eq())
            } else {
                order.is_gt() || (side.equal && order.is_eq())
            };
            (Param::Text(r.id.clone()), Side { equal, ..side })
        }
        (shape, bound) => match param(shape, bound) {
            Some(param) => (param, side),
            None => return Condition::constant(false),
        },
    };
    binds.push(param);
    Condition::exact(format!("{} {} ?", place.column, side.operator()))
}

/// The column keeps milliseconds. A bound within a millisecond lies above that millisecond.
fn date_bound(at: Timestamp, side: Side) -> (Param, Side) {
    let equal = if sub_millis(at) {
        side.less
    } else {
        side.equal
    };
    (Param::Integer(at.millis()), Side { equal, ..side })
}

/// A pattern on text; one with a literal prefix also as a range, which an index serves.
pub(super) fn regex(column: &str, pattern: &Arc<Pattern>, binds: &mut Binds) -> Condition {
    let mut parts = Vec::new();
    if let Some(prefix) = pattern.literal_prefix().filter(|p| !p.is_empty()) {
        binds.push(prefix.to_owned());
        parts.push(format!("{column} >= ?"));
        if let Some(end) = after_prefix(prefix) {
            binds.push(end);
            parts.push(format!("{column} < ?"));
        }
        if pattern.is_pure_prefix() {
            return Condition::exact(format!("({})", parts.join(" AND ")));
        }
    }
    binds.pattern(pattern);
    parts.push(format!("matches({column}, ?)"));
    Condition::exact(format!("({})", parts.join(" AND ")))
}

/// The least text that is greater than every text with the prefix.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            c => char::from_u32(c as u32 + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_text_that_lacks_it() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
    }
}
