//! `$match`: a plain Mongo filter.

use super::{Budget, invalid, operator, too_complex, unsupported};
use crate::{FieldRef, Filter, Path, Pattern, PatternOptions, Test};
use basalt_base::{Limits, Map, Result, Value};
use std::sync::Arc;

/// Reads a filter as `$match` has it, under the default limits. The fields that every object has
/// go by `_id`, `_created_at` and `_updated_at`.
///
/// Errors are those of [`super::parse`].
pub fn parse_filter(filter: &Map) -> Result<Filter> {
    parse_filter_with(filter, &Limits::default())
}

/// The same under given limits.
pub fn parse_filter_with(filter: &Map, limits: &Limits) -> Result<Filter> {
    parse(filter, &mut Budget::new(limits))
}

pub(super) fn parse(filter: &Map, budget: &mut Budget<'_>) -> Result<Filter> {
    let mut all = Filter::Everything;
    for (key, value) in filter {
        let part = match key.as_str() {
            "$and" => Filter::And(branches(key, value, budget)?),
            "$or" => Filter::Or(branches(key, value, budget)?),
            "$nor" => Filter::Not(Box::new(Filter::Or(branches(key, value, budget)?))),
            "$comment" => continue,
            _ if key.starts_with('$') => return Err(unsupported(key)),
            _ => field(key, value, budget)?,
        };
        all = all.and(part);
    }
    Ok(all)
}

fn branches(key: &str, value: &Value, budget: &mut Budget<'_>) -> Result<Vec<Filter>> {
    budget.node()?;
    let wrong = || invalid(format!("{key} takes an array of filters"));
    let items = value.as_array().filter(|items| !items.is_empty());
    let items = items.ok_or_else(wrong)?;
    budget.deeper(|budget| {
        let branch = |item: &Value| parse(item.as_map().ok_or_else(wrong)?, budget);
        items.iter().map(branch).collect()
    })
}

/// The path of a dotted name.
pub(super) fn path(name: &str) -> Result<Path> {
    if name.split('.').any(|s| s.is_empty() || s.starts_with('$')) {
        return Err(invalid("a field path has an empty or forbidden step"));
    }
    let mut path = Path::dotted(name);
    let system = match &path.root {
        FieldRef::Named(root) => match &**root {
            "_id" => Some(FieldRef::Id),
            "_created_at" => Some(FieldRef::CreatedAt),
            "_updated_at" => Some(FieldRef::UpdatedAt),
            _ => None,
        },
        _ => None,
    };
    path.root = system.unwrap_or(path.root);
    Ok(path)
}

fn field(name: &str, value: &Value, budget: &mut Budget<'_>) -> Result<Filter> {
    let path = path(name)?;
    let Value::Map(map) = value else {
        budget.node()?;
        return Ok(Filter::Test(path, Test::Eq(value.clone())));
    };
    if operator(map).is_none() {
        budget.node()?;
        return Ok(Filter::Test(path, Test::Eq(value.clone())));
    }
    tests(&path, map, budget)
}

/// All the operators on one field.
fn tests(path: &Path, map: &Map, budget: &mut Budget<'_>) -> Result<Filter> {
    let mut all = Filter::Everything;
    for (key, value) in map {
        budget.node()?;
        let test = match key.as_str() {
            "$eq" => Test::Eq(value.clone()),
            "$ne" => Test::Ne(value.clone()),
            "$gt" => Test::Gt(value.clone()),
            "$gte" => Test::Gte(value.clone()),
            "$lt" => Test::Lt(value.clone()),
            "$lte" => Test::Lte(value.clone()),
            "$in" => Test::In(list(key, value, budget)?),
            "$nin" => Test::NotIn(list(key, value, budget)?),
            "$all" => Test::All(list(key, value, budget)?),
            "$exists" => Test::Exists(match value {
                Value::Bool(wanted) => *wanted,
                Value::Int(n) => *n != 0,
                _ => return Err(invalid("$exists takes a boolean")),
            }),
            "$regex" => regex(value, map.get("$options"), budget)?,
            "$options" if map.contains_key("$regex") => continue,
            "$not" => {
                let inner = match value {
                    Value::Map(inner) if operator(inner).is_some() => inner,
                    _ => return Err(invalid("$not takes a map of operators")),
                };
                let inner = budget.deeper(|budget| tests(path, inner, budget))?;
                all = all.and(Filter::Not(Box::new(inner)));
                continue;
            }
            _ => return Err(unsupported(key)),
        };
        all = all.and(Filter::Test(path.clone(), test));
    }
    Ok(all)
}

fn list(key: &str, value: &Value, budget: &Budget<'_>) -> Result<Vec<Value>> {
    let Value::Array(items) = value else {
        return Err(invalid(format!("{key} takes an array")));
    };
    if items.len() > budget.limits.list_values_max {
        return Err(too_complex("a list of values is too long"));
    }
    Ok(items.clone())
}

fn regex(source: &Value, options: Option<&Value>, budget: &mut Budget<'_>) -> Result<Test> {
    let options = match options {
        None => PatternOptions::default(),
        Some(Value::String(letters)) => PatternOptions::parse(letters)?,
        Some(_) => return Err(invalid("$options takes text")),
    };
    let Some(source) = source.as_str() else {
        return Err(invalid("$regex takes text"));
    };
    let bytes_max = budget.limits.regex_bytes_max;
    let pattern = Pattern::one_of_many(source, options, bytes_max, budget.patterns)?;
    budget.patterns += 1;
    Ok(Test::Regex(Arc::new(pattern)))
}
