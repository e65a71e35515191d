//! Filters as conditions.

use super::binds::Binds;
use super::condition::{Condition, with_binds};
use super::{geo, json, scalar};
use crate::schema::{Column, Layout, Shape};
use basalt_base::Value;
use basalt_store::{Access, FieldRef, Filter, Path, Test};

/// Most parameters of a statement before the rest of the filter is left to Rust.
const PARAMS_MAX: usize = 25_000;

/// The condition of a filter.
pub(crate) fn condition(layout: &Layout, filter: &Filter, binds: &mut Binds) -> Condition {
    if binds.params.len() > PARAMS_MAX {
        return Condition::unknown();
    }
    with_binds(binds, |binds| match filter {
        Filter::Everything => Condition::constant(true),
        Filter::Nothing => Condition::constant(false),
        Filter::And(list) => {
            let parts = list.iter().map(|part| condition(layout, part, binds));
            Condition::all(parts.collect())
        }
        Filter::Or(list) => {
            let parts = list.iter().map(|part| condition(layout, part, binds));
            Condition::any(parts.collect())
        }
        Filter::Not(part) => condition(layout, part, binds).negated(),
        Filter::Test(path, test) => tested(layout, path, test, binds),
        Filter::Allows(access, principals) => {
            let column = match access {
                Access::Read => "_rperm",
                Access::Write => "_wperm",
            };
            binds.principals(principals);
            Condition::exact(format!("({column} IS NULL OR acl_ok({column}, ?))"))
        }
    })
}

fn tested(layout: &Layout, path: &Path, test: &Test, binds: &mut Binds) -> Condition {
    let negative = match test {
        Test::Not(inner) => Some((**inner).clone()),
        Test::Ne(value) => Some(Test::Eq(value.clone())),
        Test::NotIn(values) => Some(Test::In(values.clone())),
        _ => None,
    };
    if let Some(positive) = negative {
        return with_binds(binds, |binds| {
            tested(layout, path, &positive, binds).negated()
        });
    }
    let (name, shape) = match &path.root {
        FieldRef::Id => ("_id", Shape::Text),
        FieldRef::CreatedAt => ("_created", Shape::Date),
        FieldRef::UpdatedAt => ("_updated", Shape::Date),
        FieldRef::Named(name) => {
            return match layout.column(name) {
                Some(column) => on_column(column, path, test, binds),
                None => missing(test),
            };
        }
    };
    if path.rest.is_empty() {
        let place = scalar::Place {
            column: name,
            shape: &shape,
            id: None,
        };
        scalar::condition(&place, test, binds)
    } else {
        missing(test)
    }
}

fn on_column(column: &Column, path: &Path, test: &Test, binds: &mut Binds) -> Condition {
    let nested = !path.rest.is_empty();
    match column.shape {
        Shape::Nothing => missing(test),
        Shape::Json if nested => json::nested(column, &path.rest, test, binds),
        _ if nested => missing(test),
        Shape::Json => json::whole(column, test, binds),
        Shape::Geo => geo::condition(column, test, binds),
        Shape::File => file(column, test),
        _ => {
            let name = column.physical();
            let place = scalar::Place {
                column: &name,
                shape: &column.shape,
                id: Some(column.id),
            };
            scalar::condition(&place, test, binds)
        }
    }
}

/// A test on a value that is never there.
pub(super) fn missing(test: &Test) -> Condition {
    Condition::constant(match test {
        Test::Eq(value) => matches!(value, Value::Null),
        Test::In(values) => values.iter().any(|v| matches!(v, Value::Null)),
        Test::Exists(wanted) => !wanted,
        _ => false,
    })
}

fn file(column: &Column, test: &Test) -> Condition {
    let name = column.physical();
    match test {
        Test::Eq(Value::Null) => Condition::exact(format!("{name} IS NULL")),
        Test::Eq(Value::File(_)) => Condition::superset(format!("{name} IS NOT NULL")),
        Test::Eq(_) | Test::Regex(_) | Test::Near { .. } | Test::WithinBox { .. } => {
            Condition::constant(false)
        }
        Test::Exists(wanted) => exists(&name, column, *wanted),
        _ => Condition::unknown(),
    }
}

/// Whether there is a value, explicit null included.
pub(super) fn exists(name: &str, column: &Column, wanted: bool) -> Condition {
    let null = explicit_null(column.id.0);
    let there = Condition::exact(format!("({name} IS NOT NULL OR {null})"));
    if wanted { there } else { there.negated() }
}

/// Whether the field holds an explicit null.
pub(super) fn explicit_null(field: u32) -> String {
    format!("(_x IS NOT NULL AND json_type(_x, '$.\"{field}\"') IS NOT NULL)")
}
