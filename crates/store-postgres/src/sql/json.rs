//! Tests on columns that hold JSON, and on what is nested in them.
//!
//! Containment (`@>`) and paths (`@?`) are what an index on the column serves. Where they hold for
//! more than the evaluator says, a second condition on the elements makes them exact, or Rust looks.

use super::binds::Binds;
use super::filter::{bound, exists, explicit_null, some};
use crate::row::{Number, Param};
use crate::schema::Column;
use crate::text::stored;
use basalt_base::Value;
use basalt_store::plan::{Condition, missing};
use basalt_store::{FieldType, Test, codec};
use std::fmt::Write;

/// Lists of wanted values longer than this are left to Rust.
const WANTED_MAX: usize = 20;

/// A positive test on a whole list, map or polygon.
pub(super) fn whole(column: &Column, test: &Test, binds: &mut Binds) -> Condition {
    let name = column.physical();
    let list = column.ty == FieldType::Array;
    match test {
        Test::Exists(wanted) => exists(&name, column, *wanted),
        Test::Eq(value) if list => holds(&name, value, binds),
        Test::Eq(Value::Null) => Condition::exact(format!("{name} IS NULL")),
        Test::Eq(value @ (Value::Map(_) | Value::Polygon(_))) => contains(&name, value, binds),
        Test::Eq(_) => Condition::constant(false),
        Test::In(values) if values.len() <= WANTED_MAX => Condition::any(
            values
                .iter()
                .map(|value| whole(column, &Test::Eq(value.clone()), binds))
                .collect(),
        ),
        Test::In(values) if values.iter().any(|v| matches!(v, Value::Null)) => Condition::unknown(),
        Test::In(_) => some(&name),
        Test::All(values) if values.is_empty() => Condition::constant(false),
        Test::All(values) if list && values.len() <= WANTED_MAX => Condition::all(
            values
                .iter()
                .map(|value| match value {
                    // A null instead of a list counts as a list of one.
                    Value::Null => {
                        let null = explicit_null(column);
                        Condition::exact(format!("({name} @> '[null]' OR {null})"))
                    }
                    value => element(&name, value, binds),
                })
                .collect(),
        ),
        Test::AllMatch(_) | Test::ContainedBy(_) | Test::Regex(_) if list => some(&name),
        Test::Regex(_) | Test::AllMatch(_) | Test::ContainedBy(_) => Condition::constant(false),
        Test::Near { .. } | Test::WithinBox { .. } => Condition::constant(false),
        Test::Lt(bound) | Test::Lte(bound) | Test::Gt(bound) | Test::Gte(bound) => match bound {
            Value::Null => Condition::unknown(),
            _ if list => some(&name),
            // Maps and polygons are in no range.
            _ => Condition::constant(false),
        },
        Test::All(_) | Test::Ne(_) | Test::NotIn(_) | Test::Not(_) => Condition::unknown(),
    }
}

/// Whether the list is, or holds, the value; null also stands for a missing list.
fn holds(name: &str, value: &Value, binds: &mut Binds) -> Condition {
    match value {
        Value::Null => Condition::exact(format!("({name} IS NULL OR {name} @> '[null]')")),
        Value::Array(_) => Condition::any(vec![
            contains(name, value, binds),
            element(name, value, binds),
        ]),
        value => element(name, value, binds),
    }
}

/// Whether the column holds at least what the value has.
fn contains(name: &str, value: &Value, binds: &mut Binds) -> Condition {
    let mut json = String::new();
    push_part(value, &mut json);
    let part = bound(binds, Param::Json(json));
    Condition::superset(format!("{name} @> {part}"))
}

/// Whether an element equals the value. A superset for values that SQL can't compare exactly.
fn element(name: &str, value: &Value, binds: &mut Binds) -> Condition {
    let mut listed = "[".to_owned();
    match value {
        // The collection would match nearly everything, which costs an index much.
        Value::Reference(r) => listed.push_str(&tagged(&r.id)),
        value => push_part(value, &mut listed),
    }
    listed.push(']');
    let listed = bound(binds, Param::Json(listed));
    let contains = format!("{name} @> {listed}");
    let any = |test: &str| {
        format!("EXISTS (SELECT 1 FROM jsonb_array_elements({name}) AS e(v) WHERE {test})")
    };
    match value {
        Value::Int(_) | Value::Double(_) | Value::Bool(_) | Value::Null => {
            Condition::exact(contains)
        }
        // Text given for a reference means its id.
        Value::String(text) => {
            let tagged = bound(binds, Param::Json(format!("[{}]", tagged(text))));
            let id = bound(binds, Param::Text(stored(text).into_owned()));
            let exact = any(&format!("v->'$r'->>1 = {id}"));
            Condition::exact(format!("({contains} OR ({name} @> {tagged} AND {exact}))"))
        }
        // A list contains another one in any order.
        Value::Reference(_) => {
            let mut json = String::new();
            push_part(value, &mut json);
            let whole = bound(binds, Param::Json(json));
            let exact = any(&format!("v = {whole}"));
            Condition::exact(format!("({contains} AND {exact})"))
        }
        _ => Condition::superset(contains),
    }
}

/// JSON that every reference with that id contains.
fn tagged(id: &str) -> String {
    format!("{{\"$r\":[{}]}}", quoted(id))
}

/// Appends JSON that every equal value contains: files are equal by their names alone, and the order
/// of a map's keys does not matter.
fn push_part(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_part(item, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&quoted_key(key));
                out.push(':');
                push_part(value, out);
            }
            out.push('}');
        }
        Value::File(file) => {
            let name = quoted(&file.name);
            let _ = write!(out, "{{\"$f\":[{name}]}}");
        }
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Reference(r) => {
            let (collection, id) = (quoted(&r.collection), quoted(&r.id));
            let _ = write!(out, "{{\"$r\":[{collection},{id}]}}");
        }
        other => codec::encode(other, out),
    }
}

/// Text as JSON has it; PostgreSQL's paths have it too.
fn quoted(text: &str) -> String {
    codec::encode_to_string(&Value::String(stored(text).into_owned()))
}

/// A key as storage JSON has it.
fn quoted_key(key: &str) -> String {
    if key.starts_with('$') {
        quoted(&format!("${key}"))
    } else {
        quoted(key)
    }
}

/// A positive test on something nested.
///
/// PostgreSQL's paths step through lists as ours do, but for numeric steps. Their comparisons look
/// into lists within lists too, so that only existence is exact.
pub(super) fn nested(
    column: &Column,
    rest: &[Box<str>],
    test: &Test,
    binds: &mut Binds,
) -> Condition {
    let name = column.physical();
    if column.ty == FieldType::Polygon {
        return missing(test);
    }
    let Some(path) = json_path(rest) else {
        return match test {
            Test::Exists(false) => Condition::unknown(),
            Test::Eq(Value::Null) => Condition::unknown(),
            Test::In(values) if values.iter().any(|v| matches!(v, Value::Null)) => {
                Condition::unknown()
            }
            Test::Ne(_) | Test::NotIn(_) | Test::Not(_) => Condition::unknown(),
            _ => some(&name),
        };
    };
    let leads = |binds: &mut Binds, path: &str| {
        let n = binds.push(Param::Text(path.to_owned()));
        format!("{name} @? ${n}::text::jsonpath")
    };
    let tests: Option<Vec<String>> = match test {
        Test::Exists(wanted) => {
            let there = Condition::exact(leads(binds, &path));
            return if *wanted { there } else { there.negated() };
        }
        Test::Eq(value) => item_equals(value).map(|one| vec![one]),
        Test::In(values) if values.len() <= WANTED_MAX => values.iter().map(item_equals).collect(),
        Test::In(values) if values.iter().any(|v| matches!(v, Value::Null)) => {
            return Condition::unknown();
        }
        Test::Lt(bound) => item_range("<", bound),
        Test::Lte(bound) => item_range("<=", bound),
        Test::Gt(bound) => item_range(">", bound),
        Test::Gte(bound) => item_range(">=", bound),
        Test::Ne(_) | Test::NotIn(_) | Test::Not(_) => return Condition::unknown(),
        _ => None,
    };
    let null = match test {
        Test::Eq(value) => matches!(value, Value::Null),
        Test::In(values) => values.iter().any(|v| matches!(v, Value::Null)),
        _ => false,
    };
    let mut found = match tests {
        Some(tests) if tests.is_empty() => return Condition::constant(false),
        Some(tests) => leads(binds, &format!("{path} ? ({})", tests.join(" || "))),
        None => leads(binds, &path),
    };
    if null {
        // Missing counts as null.
        let there = leads(binds, &path);
        found = format!("({found} OR ({there}) IS NOT TRUE)");
    }
    Condition::superset(found)
}

/// The path as PostgreSQL has it; `None` for one with a step that may be a place in a list.
fn json_path(rest: &[Box<str>]) -> Option<String> {
    let mut path = "$".to_owned();
    for step in rest {
        if step.bytes().all(|b| b.is_ascii_digit()) && !step.is_empty() {
            return None;
        }
        path.push('.');
        path.push_str(&quoted_key(step));
    }
    Some(path)
}

/// Whether the item of a path equals the value; `None` when paths can't tell.
fn item_equals(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "@ == null".to_owned(),
        Value::Bool(_) => format!("@ == {}", codec::encode_to_string(value)),
        Value::Int(_) | Value::Double(_) => {
            Number::of(value)?;
            format!("@ == {}", codec::encode_to_string(value))
        }
        Value::String(text) => {
            let text = quoted(text);
            format!("@ == {text} || @.\"$r\"[1] == {text}")
        }
        Value::Reference(r) => {
            let (collection, id) = (quoted(&r.collection), quoted(&r.id));
            format!("(@.\"$r\"[1] == {id} && @.\"$r\"[0] == {collection})")
        }
        _ => return None,
    })
}

/// Whether the item of a path is in a range; `None` when paths can't tell.
fn item_range(operator: &str, bound: &Value) -> Option<Vec<String>> {
    let one = match bound {
        Value::Int(_) | Value::Double(_) => {
            let number = codec::encode_to_string(bound);
            format!("@ {operator} {number}")
        }
        Value::String(text) => {
            let text = quoted(text);
            format!("@ {operator} {text} || @.\"$r\"[1] {operator} {text}")
        }
        _ => return None,
    };
    Some(vec![one])
}
