//! One stage.

use super::{Budget, expression, filter, invalid, keys, project, unsupported};
use crate::aggregate::{Accumulator, Expr, Stage};
use crate::{Sort, SortKey};
use basalt_base::{Map, Result, Value};

/// Reads a stage and appends what it means.
pub(super) fn parse(
    name: &str,
    spec: &Value,
    budget: &mut Budget<'_>,
    stages: &mut Vec<Stage>,
) -> Result<()> {
    let stage = match name {
        "$match" => Stage::Match(filter::parse(map(name, spec)?, budget)?),
        "$group" => group(map(name, spec)?, budget)?,
        "$project" => Stage::Project(project::parse(map(name, spec)?, budget)?),
        "$addFields" | "$set" => Stage::AddFields(project::added(map(name, spec)?, budget)?),
        "$unset" => Stage::Project(project::unset(spec)?),
        "$sort" => Stage::Sort(sort(map(name, spec)?)?),
        "$limit" => match whole(name, spec)? {
            0 => return Err(invalid("$limit takes a whole number above 0")),
            n => Stage::Limit(n),
        },
        "$skip" => Stage::Skip(whole(name, spec)?),
        "$unwind" => unwind(spec)?,
        "$count" => Stage::Count(field_name(name, spec)?),
        "$sortByCount" => {
            stages.push(Stage::Group {
                id: expression::parse(spec, budget)?,
                fields: vec![count("count")],
            });
            Stage::Sort(vec![Sort {
                key: SortKey::Path(filter::path("count")?),
                descending: true,
            }])
        }
        _ => return Err(unsupported(name)),
    };
    stages.push(stage);
    Ok(())
}

fn count(name: &str) -> (String, Accumulator, Expr) {
    let any = Expr::Literal(Value::Null);
    (name.to_owned(), Accumulator::Count, any)
}

fn map<'a>(name: &str, spec: &'a Value) -> Result<&'a Map> {
    spec.as_map()
        .ok_or_else(|| invalid(format!("{name} takes a map")))
}

fn whole(name: &str, spec: &Value) -> Result<u64> {
    match spec {
        Value::Int(n) if *n >= 0 => Ok(n.cast_unsigned()),
        _ => Err(invalid(format!("{name} takes a whole number"))),
    }
}

/// A plain name for a result's field.
fn field_name(stage: &str, spec: &Value) -> Result<String> {
    match spec.as_str() {
        Some(name) if !name.is_empty() && !name.contains('.') && !name.starts_with('$') => {
            Ok(name.to_owned())
        }
        _ => Err(invalid(format!("{stage} takes the plain name of a field"))),
    }
}

fn group(spec: &Map, budget: &mut Budget<'_>) -> Result<Stage> {
    let Some(id) = spec.get("_id") else {
        return Err(invalid("$group needs an _id"));
    };
    let id = expression::parse(id, budget)?;
    let mut fields = Vec::with_capacity(spec.len());
    for (name, value) in spec.iter().filter(|(name, _)| *name != "_id") {
        let name = field_name("$group", &Value::from(name.as_str()))?;
        let accumulator = match value {
            Value::Map(map) if map.len() == 1 => super::operator(map),
            _ => None,
        };
        let Some((operator, argument)) = accumulator else {
            return Err(invalid(format!("$group: {name} needs one accumulator")));
        };
        let how = match operator {
            "$sum" => Accumulator::Sum,
            "$avg" => Accumulator::Avg,
            "$min" => Accumulator::Min,
            "$max" => Accumulator::Max,
            "$first" => Accumulator::First,
            "$last" => Accumulator::Last,
            "$push" => Accumulator::Push,
            "$addToSet" => Accumulator::AddToSet,
            "$count" => {
                fields.push(count(&name));
                continue;
            }
            _ => return Err(unsupported(operator)),
        };
        fields.push((name, how, expression::parse(argument, budget)?));
    }
    Ok(Stage::Group { id, fields })
}

fn sort(spec: &Map) -> Result<Vec<Sort>> {
    if spec.is_empty() {
        return Err(invalid("$sort needs a field"));
    }
    let level = |(name, direction): (&String, &Value)| {
        let descending = match direction {
            Value::Int(1) => false,
            Value::Int(-1) => true,
            Value::Map(map) => {
                return Err(match super::operator(map) {
                    Some((operator, _)) => unsupported(operator),
                    None => invalid("$sort takes 1 or -1"),
                });
            }
            _ => return Err(invalid("$sort takes 1 or -1")),
        };
        Ok(Sort {
            key: SortKey::Path(filter::path(name)?),
            descending,
        })
    };
    spec.iter().map(level).collect()
}

fn unwind(spec: &Value) -> Result<Stage> {
    let (path, index, preserve) = match spec {
        Value::String(path) => (path.as_str(), None, false),
        Value::Map(map) => {
            let known = ["path", "includeArrayIndex", "preserveNullAndEmptyArrays"];
            if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
                return Err(invalid(format!("$unwind does not know {key}")));
            }
            let index = match map.get(known[1]) {
                None => None,
                Some(Value::String(name)) => Some(keys(name)?),
                Some(_) => return Err(invalid("$unwind: includeArrayIndex is a field's name")),
            };
            let preserve = match map.get(known[2]) {
                None => false,
                Some(Value::Bool(preserve)) => *preserve,
                Some(_) => return Err(invalid("$unwind: preserveNullAndEmptyArrays is a boolean")),
            };
            let path = map.get(known[0]).and_then(Value::as_str);
            (path.unwrap_or_default(), index, preserve)
        }
        _ => ("", None, false),
    };
    let Some(path) = path.strip_prefix('$') else {
        return Err(invalid("$unwind takes a path that starts with $"));
    };
    Ok(Stage::Unwind {
        path: keys(path)?,
        include_array_index: index,
        preserve_null_and_empty: preserve,
    })
}
