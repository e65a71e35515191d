//! Walking a filter.

use super::Condition;
use crate::{Access, FieldRef, Filter, Path, Principals, Test};
use basalt_base::Value;
use std::sync::Arc;

/// What a store knows: how its columns are tested.
///
/// The tests that it gets are never `Ne`, `NotIn` or `Not`: those are the negations of others.
pub trait Dialect {
    /// Where the statement's parameters stand.
    type Mark;

    /// Where they stand now.
    fn mark(&self) -> Self::Mark;

    /// Forgets the parameters after a mark.
    fn back_to(&mut self, mark: Self::Mark);

    /// Whether the statement has so many parameters that the rest of the filter is left to Rust.
    fn is_full(&self) -> bool;

    /// Whether the object's ACL lets one of the principals in.
    fn allows(&mut self, access: Access, principals: &Arc<Principals>) -> Condition;

    /// A test on a whole field that every object has.
    fn on_system(&mut self, field: &FieldRef, test: &Test) -> Condition;

    /// A test on a named field or on something nested in it.
    fn on_named(&mut self, name: &Arc<str>, path: &Path, test: &Test) -> Condition;
}

/// The condition of a filter.
pub fn condition<D: Dialect>(dialect: &mut D, filter: &Filter) -> Condition {
    if dialect.is_full() {
        return Condition::unknown();
    }
    with_mark(dialect, |dialect| match filter {
        Filter::Everything => Condition::constant(true),
        Filter::Nothing => Condition::constant(false),
        Filter::And(list) => {
            let parts = list.iter().map(|part| condition(dialect, part));
            Condition::all(parts.collect())
        }
        Filter::Or(list) => {
            let parts = list.iter().map(|part| condition(dialect, part));
            Condition::any(parts.collect())
        }
        Filter::Not(part) => condition(dialect, part).negated(),
        Filter::Test(path, test) => tested(dialect, path, test),
        Filter::Allows(access, principals) => dialect.allows(*access, principals),
    })
}

fn tested<D: Dialect>(dialect: &mut D, path: &Path, test: &Test) -> Condition {
    let negative = match test {
        Test::Not(inner) => Some((**inner).clone()),
        Test::Ne(value) => Some(Test::Eq(value.clone())),
        Test::NotIn(values) => Some(Test::In(values.clone())),
        _ => None,
    };
    if let Some(positive) = negative {
        return with_mark(dialect, |dialect| {
            tested(dialect, path, &positive).negated()
        });
    }
    match &path.root {
        FieldRef::Named(name) => dialect.on_named(name, path, test),
        field if path.rest.is_empty() => dialect.on_system(field, test),
        // The fields that every object has hold nothing nested.
        _ => missing(test),
    }
}

/// Compiles with `compile`, and takes the parameters back when the text does not use them.
pub fn with_mark<D: Dialect>(
    dialect: &mut D,
    compile: impl FnOnce(&mut D) -> Condition,
) -> Condition {
    let mark = dialect.mark();
    let condition = compile(dialect);
    if condition.is_constant(true) || condition.is_constant(false) {
        dialect.back_to(mark);
    }
    condition
}

/// A test on a value that is never there.
pub fn missing(test: &Test) -> Condition {
    Condition::constant(match test {
        Test::Eq(value) => matches!(value, Value::Null),
        Test::In(values) => values.iter().any(|v| matches!(v, Value::Null)),
        Test::Exists(wanted) => !wanted,
        _ => false,
    })
}
