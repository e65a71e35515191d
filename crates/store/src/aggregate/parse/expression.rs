//! Expressions.

use super::{Budget, invalid, keys, operator, unsupported};
use crate::aggregate::{Expr, Function};
use basalt_base::{Map, Result, Value};

/// Reads an expression: `"$a.b"` is a path, a map of one `$operator` a call, other maps and arrays
/// build values, everything else is a constant.
pub(super) fn parse(value: &Value, budget: &mut Budget<'_>) -> Result<Expr> {
    budget.node()?;
    match value {
        Value::String(text) if text.starts_with('$') => path(text),
        Value::Array(items) => list(items, budget).map(Expr::Array),
        Value::Map(map) => match operator(map) {
            Some(("$literal", value)) if map.len() == 1 => Ok(Expr::Literal(value.clone())),
            Some((name, argument)) if map.len() == 1 => {
                budget.deeper(|budget| call(name, argument, budget))
            }
            Some(_) => Err(invalid("an expression is a map of one operator")),
            None => budget.deeper(|budget| {
                let entry = |(key, value): (&String, &Value)| {
                    if key.contains('.') || key.starts_with('$') {
                        return Err(invalid("a computed map has a forbidden key"));
                    }
                    Ok((key.clone(), parse(value, budget)?))
                };
                map.iter().map(entry).collect::<Result<_>>().map(Expr::Map)
            }),
        },
        constant => Ok(Expr::Literal(constant.clone())),
    }
}

fn path(text: &str) -> Result<Expr> {
    let Some(variable) = text.strip_prefix("$$") else {
        return Ok(Expr::Path(keys(&text[1..])?));
    };
    match variable.split_once('.') {
        None if matches!(variable, "ROOT" | "CURRENT") => Ok(Expr::Root),
        Some(("ROOT" | "CURRENT", rest)) => Ok(Expr::Path(keys(rest)?)),
        _ => Err(unsupported(text)),
    }
}

fn list(items: &[Value], budget: &mut Budget<'_>) -> Result<Vec<Expr>> {
    budget.deeper(|budget| items.iter().map(|item| parse(item, budget)).collect())
}

fn call(name: &str, argument: &Value, budget: &mut Budget<'_>) -> Result<Expr> {
    let Some(function) = Function::from_name(name) else {
        return Err(unsupported(name));
    };
    let arguments = match (function, argument) {
        (Function::Cond, Value::Map(map)) => {
            let defaults = [("if", None), ("then", None), ("else", None)];
            named(name, map, &defaults, budget)?
        }
        (Function::DateToString, Value::Map(map)) => {
            let defaults = [
                ("format", Some("%Y-%m-%dT%H:%M:%S.%LZ".into())),
                ("date", None),
                ("timezone", Some("UTC".into())),
                ("onNull", Some(Value::Null)),
            ];
            named(name, map, &defaults, budget)?
        }
        (Function::DateToString, _) => return Err(invalid("$dateToString takes a map")),
        (_, Value::Map(map)) if takes_time(function) && map.contains_key("date") => {
            let defaults = [("date", None), ("timezone", Some("UTC".into()))];
            named(name, map, &defaults, budget)?
        }
        (_, Value::Array(items)) => list(items, budget)?,
        (_, one) => vec![parse(one, budget)?],
    };
    let (least, most) = function.arguments();
    if (least..=most).contains(&arguments.len()) {
        Ok(Expr::Call(function, arguments))
    } else {
        Err(invalid(format!("{name} takes another number of arguments")))
    }
}

/// Whether the function takes a time and an offset.
fn takes_time(function: Function) -> bool {
    use Function as F;
    matches!(
        function,
        F::Year
            | F::Month
            | F::DayOfMonth
            | F::DayOfWeek
            | F::DayOfYear
            | F::Week
            | F::IsoWeek
            | F::IsoWeekYear
            | F::IsoDayOfWeek
            | F::Hour
            | F::Minute
            | F::Second
            | F::Millisecond
    )
}

/// Arguments by name, in the order of `defaults`; one without a default is needed.
fn named(
    function: &str,
    map: &Map,
    defaults: &[(&str, Option<Value>)],
    budget: &mut Budget<'_>,
) -> Result<Vec<Expr>> {
    if let Some(key) = map
        .keys()
        .find(|key| !defaults.iter().any(|(d, _)| d == key))
    {
        return Err(invalid(format!("{function} does not know {key}")));
    }
    let argument = |(name, default): &(&str, Option<Value>)| match (map.get(*name), default) {
        (Some(value), _) => parse(value, budget),
        (None, Some(default)) => Ok(Expr::Literal(default.clone())),
        (None, None) => Err(invalid(format!("{function} needs {name}"))),
    };
    defaults.iter().map(argument).collect()
}
