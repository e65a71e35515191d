//! Tests on columns that hold JSON, and on what is nested in them.

use super::binds::Binds;
use super::filter::exists;
use crate::schema::Column;
use basalt_base::Value;
use basalt_store::plan::Condition;
use basalt_store::{FieldType, Test};

/// Lists of wanted values longer than this are left to Rust.
const WANTED_MAX: usize = 20;

/// A positive test on a whole list, map or polygon.
pub(super) fn whole(column: &Column, test: &Test, binds: &mut Binds) -> Condition {
    let name = column.physical();
    let some = || Condition::superset(format!("{name} IS NOT NULL"));
    let list = column.ty == FieldType::Array;
    match test {
        Test::Exists(wanted) => exists(&name, column, *wanted),
        Test::Eq(value) if list => holds(&name, value, binds),
        Test::Eq(Value::Null) => Condition::exact(format!("{name} IS NULL")),
        Test::Eq(Value::Map(_) | Value::Polygon(_)) => some(),
        Test::Eq(_) => Condition::constant(false),
        Test::In(values) if values.len() <= WANTED_MAX => Condition::any(
            values
                .iter()
                .map(|value| whole(column, &Test::Eq(value.clone()), binds))
                .collect(),
        ),
        Test::In(values) if values.iter().any(|v| matches!(v, Value::Null)) => Condition::unknown(),
        Test::In(_) => some(),
        Test::All(values) if values.is_empty() => Condition::constant(false),
        Test::All(values) if list && values.len() <= WANTED_MAX => {
            let wanted = values.iter().filter(|v| !matches!(v, Value::Null));
            let mut parts: Vec<_> = wanted.map(|value| element(&name, value, binds)).collect();
            if parts.len() < values.len() {
                parts.push(Condition::unknown());
            }
            Condition::all(parts)
        }
        Test::Regex(pattern) if list => {
            binds.pattern(pattern);
            Condition::exact(format!(
                "EXISTS (SELECT 1 FROM json_each({name}) WHERE type = 'text' AND matches(value, ?))"
            ))
        }
        Test::AllMatch(_) | Test::ContainedBy(_) if list => some(),
        Test::Regex(_) | Test::AllMatch(_) | Test::ContainedBy(_) => Condition::constant(false),
        Test::Near { .. } | Test::WithinBox { .. } => Condition::constant(false),
        Test::Lt(bound) | Test::Lte(bound) | Test::Gt(bound) | Test::Gte(bound) => match bound {
            Value::Null => Condition::unknown(),
            _ if list => some(),
            // Maps and polygons are in no range.
            _ => Condition::constant(false),
        },
        Test::All(_) | Test::Ne(_) | Test::NotIn(_) | Test::Not(_) => Condition::unknown(),
    }
}

/// Whether the list is, or holds, the value; null also stands for a missing list.
fn holds(name: &str, value: &Value, binds: &mut Binds) -> Condition {
    match value {
        Value::Null => Condition::exact(format!(
            "({name} IS NULL OR EXISTS (SELECT 1 FROM json_each({name}) WHERE type = 'null'))"
        )),
        value => element(name, value, binds),
    }
}

/// Whether an element equals the value. A superset for values that SQL can't compare exactly.
fn element(name: &str, value: &Value, binds: &mut Binds) -> Condition {
    let test = match value {
        Value::Int(n) => {
            binds.push(*n);
            "type IN ('integer', 'real') AND value = ?"
        }
        Value::Bool(true) => "type = 'true'",
        Value::Bool(false) => "type = 'false'",
        Value::String(text) => {
            // Text given for a reference means its id.
            binds.push(text.clone());
            binds.push(text.clone());
            "(type = 'text' AND value = ?) OR \
             (type = 'object' AND json_extract(value, '$.\"$r\"[1]') = ?)"
        }
        Value::Reference(r) => {
            binds.push(r.id.clone());
            binds.push(r.collection.clone());
            "type = 'object' AND json_extract(value, '$.\"$r\"[1]') = ? \
             AND json_extract(value, '$.\"$r\"[0]') = ?"
        }
        _ => return Condition::superset(format!("{name} IS NOT NULL")),
    };
    Condition::exact(format!(
        "EXISTS (SELECT 1 FROM json_each({name}) WHERE {test})"
    ))
}

/// A positive test on something nested. Never exact, as a path may go through lists.
pub(super) fn nested(
    column: &Column,
    rest: &[Box<str>],
    test: &Test,
    binds: &mut Binds,
) -> Condition {
    let name = column.physical();
    let wanted = match test {
        Test::Eq(value) => std::slice::from_ref(value),
        Test::In(values) if values.len() <= WANTED_MAX => values,
        Test::Exists(false) => return Condition::unknown(),
        Test::Lte(Value::Null) | Test::Gte(Value::Null) => {
            return Condition::superset(format!("{name} IS NOT NULL"));
        }
        Test::In(values) if values.iter().any(|v| matches!(v, Value::Null)) => {
            return Condition::unknown();
        }
        Test::Ne(_) | Test::NotIn(_) | Test::Not(_) => return Condition::unknown(),
        _ => return Condition::superset(format!("{name} IS NOT NULL")),
    };
    if wanted.iter().any(|v| matches!(v, Value::Null)) {
        return Condition::unknown();
    }
    let parts = wanted.iter().map(|v| nested_equal(column, rest, v, binds));
    let mut any = Condition::any(parts.collect());
    any.exact = false;
    any
}

/// Where the path meets no list, the value is where the path says; where it does, Rust looks.
fn nested_equal(column: &Column, rest: &[Box<str>], value: &Value, binds: &mut Binds) -> Condition {
    let name = column.physical();
    let some = || Condition::superset(format!("{name} IS NOT NULL"));
    let plain = |key: &str| !key.starts_with('$') && !key.contains(['"', '\\', '\'']);
    if column.ty != FieldType::Object || !rest.iter().all(|key| plain(key)) {
        return some();
    }
    let mut path = "$".to_owned();
    let mut texts = Vec::new();
    for key in rest {
        path.push_str(".\"");
        path.push_str(key);
        path.push('"');
        texts.push(format!("json_type({name}, '{path}') = 'array'"));
    }
    let id = format!("json_extract({name}, '{path}.\"$r\"[1]') = ?");
    match value {
        Value::Int(n) => {
            texts.push(format!("json_extract({name}, '{path}') = ?"));
            binds.push(*n);
        }
        Value::Bool(b) => {
            let word = if *b { "true" } else { "false" };
            texts.push(format!("json_type({name}, '{path}') = '{word}'"));
        }
        Value::String(text) => {
            texts.push(format!("json_extract({name}, '{path}') = ?"));
            texts.push(id);
            binds.push(text.clone());
            binds.push(text.clone());
        }
        Value::Reference(r) => {
            texts.push(id);
            binds.push(r.id.clone());
        }
        _ => return some(),
    }
    Condition::superset(format!("({})", texts.join(" OR ")))
}
