//! `$project`, `$addFields` and `$unset`.

use super::{Budget, expression, invalid, keys, operator};
use crate::aggregate::{Expr, Keys, Projected, Shape};
use basalt_base::{Map, Result, Value};
use indexmap::IndexMap;

type Fields = IndexMap<Box<str>, Projected>;

/// Whether the fields seen so far are kept or left out.
#[derive(Clone, Copy, Default)]
struct Seen {
    kept: bool,
    left_out: bool,
}

/// Reads the argument of `$project`.
pub(super) fn parse(spec: &Map, budget: &mut Budget<'_>) -> Result<Shape> {
    if spec.is_empty() {
        return Err(invalid("$project needs a field"));
    }
    let mut fields = Fields::new();
    let mut seen = Seen::default();
    let mut id = None;
    for (name, value) in spec {
        if name == "_id"
            && let Some(keep) = flag(value)
        {
            // Leaving out the id goes with both kinds.
            id = Some(keep);
            continue;
        }
        entry(name, value, &mut fields, &mut seen, budget)?;
    }
    match (seen.kept, seen.left_out, id) {
        (true, true, _) => Err(invalid("$project can't both keep and leave out fields")),
        (false, true, Some(true)) | (true, false, Some(false)) => Ok(if seen.kept {
            Shape::Include(fields)
        } else {
            Shape::Exclude(fields)
        }),
        (false, true, _) | (false, false, Some(false)) => {
            if id == Some(false) {
                fields.insert("_id".into(), Projected::Named);
            }
            Ok(Shape::Exclude(fields))
        }
        _ => {
            fields.entry("_id".into()).or_insert(Projected::Named);
            Ok(Shape::Include(fields))
        }
    }
}

/// Whether the value just keeps or leaves out a field.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(keep) => Some(*keep),
        Value::Int(n) => Some(*n != 0),
        Value::Double(n) => Some(*n != 0.0),
        _ => None,
    }
}

fn entry(
    name: &str,
    value: &Value,
    fields: &mut Fields,
    seen: &mut Seen,
    budget: &mut Budget<'_>,
) -> Result<()> {
    budget.node()?;
    let projected = match (flag(value), value) {
        (Some(keep), _) => {
            seen.kept |= keep;
            seen.left_out |= !keep;
            Projected::Named
        }
        (None, Value::Map(map)) if operator(map).is_none() && !map.is_empty() => {
            let mut within = Fields::new();
            budget.deeper(|budget| {
                let mut entries = map.iter();
                entries.try_for_each(|(name, value)| entry(name, value, &mut within, seen, budget))
            })?;
            Projected::Within(within)
        }
        _ => {
            seen.kept = true;
            Projected::Computed(expression::parse(value, budget)?)
        }
    };
    place(&keys(name)?, projected, fields)
}

/// Puts something at a path of the tree; two that overlap are refused.
fn place(path: &[Box<str>], projected: Projected, fields: &mut Fields) -> Result<()> {
    let collision = || invalid("$project names a field twice");
    let Some((step, rest)) = path.split_first() else {
        return Ok(());
    };
    if rest.is_empty() {
        return match (fields.get_mut(step), projected) {
            (None, projected) => {
                fields.insert(step.clone(), projected);
                Ok(())
            }
            (Some(Projected::Within(fields)), Projected::Within(more)) => {
                let mut more = more.into_iter();
                more.try_for_each(|(step, projected)| place(&[step], projected, fields))
            }
            (Some(_), _) => Err(collision()),
        };
    }
    let empty = || Projected::Within(Fields::new());
    match fields.entry(step.clone()).or_insert_with(empty) {
        Projected::Within(fields) => place(rest, projected, fields),
        _ => Err(collision()),
    }
}

/// Reads the argument of `$addFields`.
pub(super) fn added(spec: &Map, budget: &mut Budget<'_>) -> Result<Vec<(Keys, Expr)>> {
    let field = |(name, value): (&String, &Value)| {
        budget.node()?;
        Ok((keys(name)?, expression::parse(value, budget)?))
    };
    spec.iter().map(field).collect()
}

/// Reads the argument of `$unset`: a field or an array of fields.
pub(super) fn unset(spec: &Value) -> Result<Shape> {
    let names = match spec {
        Value::Array(names) => names.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut fields = Fields::new();
    for name in names {
        let Some(name) = name.as_str() else {
            return Err(invalid("$unset takes names of fields"));
        };
        place(&keys(name)?, Projected::Named, &mut fields)?;
    }
    Ok(Shape::Exclude(fields))
}
