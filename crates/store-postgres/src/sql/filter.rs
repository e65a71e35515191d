//! Filters as conditions.

use super::binds::Binds;
use super::{geo, json, scalar};
use crate::row::{Param, null_key, principals};
use crate::schema::{Column, Layout, Shape};
use basalt_base::Value;
use basalt_store::plan::{self, Condition, Dialect, missing};
use basalt_store::{Access, FieldRef, Filter, Path, Principals, Test};
use std::sync::Arc;

/// Most parameters of a statement before the rest of the filter is left to Rust; the protocol has
/// room for 65,535.
const PARAMS_MAX: usize = 25_000;

/// The condition of a filter.
pub(super) fn condition(layout: &Layout, filter: &Filter, binds: &mut Binds) -> Condition {
    plan::condition(&mut Postgres { layout, binds }, filter)
}

struct Postgres<'a> {
    layout: &'a Layout,
    binds: &'a mut Binds,
}

impl Dialect for Postgres<'_> {
    type Mark = usize;

    fn mark(&self) -> usize {
        self.binds.params.len()
    }

    fn back_to(&mut self, mark: usize) {
        self.binds.params.truncate(mark);
    }

    fn is_full(&self) -> bool {
        self.binds.params.len() > PARAMS_MAX
    }

    fn allows(&mut self, access: Access, who: &Arc<Principals>) -> Condition {
        let column = match access {
            Access::Read => "_rperm",
            Access::Write => "_wperm",
        };
        let n = self.binds.push(principals(who));
        Condition::exact(format!("({column} IS NULL OR {column} && ${n})"))
    }

    fn on_system(&mut self, field: &FieldRef, test: &Test) -> Condition {
        let (name, shape) = match field {
            FieldRef::CreatedAt => ("_created", Shape::Date),
            FieldRef::UpdatedAt => ("_updated", Shape::Date),
            FieldRef::Id | FieldRef::Named(_) => ("_id", Shape::Text),
        };
        scalar::condition(name, &shape, None, test, self.binds)
    }

    fn on_named(&mut self, name: &Arc<str>, path: &Path, test: &Test) -> Condition {
        match self.layout.column(name) {
            Some(column) => on_column(column, path, test, self.binds),
            None => without_column(path, name, test),
        }
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
        _ => scalar::condition(&column.physical(), &column.shape, Some(column), test, binds),
    }
}

/// A test on a name that is no field's: there is null or nothing.
fn without_column(path: &Path, name: &str, test: &Test) -> Condition {
    let Some(null) = null_by_name(name).filter(|_| path.rest.is_empty()) else {
        return missing(test);
    };
    let null = || Condition::exact(null.clone());
    match test {
        Test::Exists(true) | Test::Lte(Value::Null) | Test::Gte(Value::Null) => null(),
        Test::Exists(false) => null().negated(),
        Test::All(list) if !list.is_empty() && list.iter().all(|v| matches!(v, Value::Null)) => {
            null()
        }
        _ => missing(test),
    }
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
    let null = explicit_null(column);
    let there = Condition::exact(format!("({name} IS NOT NULL OR {null})"));
    if wanted { there } else { there.negated() }
}

/// Whether the field holds an explicit null, perhaps one from before it was declared.
pub(super) fn explicit_null(column: &Column) -> String {
    let by_id = format!("_x ? '{}'", column.id.0);
    match null_by_name(&column.name) {
        Some(by_name) => format!("({by_id} OR {by_name})"),
        None => by_id,
    }
}

/// Whether null is kept under a name; `None` for names under which nothing is.
fn null_by_name(name: &str) -> Option<String> {
    // Plain letters, so that they stand for themselves in SQL.
    let key = null_key(name)?;
    Some(format!("_x ? '{key}'"))
}

/// A test that every object with a value may pass.
pub(super) fn some(name: &str) -> Condition {
    Condition::superset(format!("{name} IS NOT NULL"))
}

/// A parameter behind its `$`.
pub(super) fn bound(binds: &mut Binds, param: Param) -> String {
    format!("${}", binds.push(param))
}
