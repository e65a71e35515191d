//! What each function computes.

use super::date::{self, Civil};
use super::evaluate::{evaluate, value_or_null};
use super::expr::{Expr, Function};
use super::numbers::{self, refuse};
use crate::eval::compare_for_sort;
use basalt_base::{Map, Result, Timestamp, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

type Answer<'a> = Result<Option<Cow<'a, Value>>>;

/// Calls a function on arguments whose number was checked.
pub(super) fn call<'a>(function: Function, arguments: &'a [Expr], doc: &'a Map) -> Answer<'a> {
    use Function as F;
    let get = |at: usize| match arguments.get(at) {
        Some(expr) => evaluate(expr, doc),
        None => Ok(None),
    };
    match function {
        F::Cond => get(if is_true(get(0)?.as_deref()) { 1 } else { 2 }),
        F::IfNull => {
            for at in 0..arguments.len() - 1 {
                let value = get(at)?;
                if !is_null(value.as_deref()) {
                    return Ok(value);
                }
            }
            get(arguments.len() - 1)
        }
        F::And | F::Or => {
            for at in 0..arguments.len() {
                if is_true(get(at)?.as_deref()) == (function == F::Or) {
                    return Ok(Some(Cow::Owned(Value::Bool(function == F::Or))));
                }
            }
            Ok(Some(Cow::Owned(Value::Bool(function == F::And))))
        }
        F::Not => Ok(Some(Cow::Owned(Value::Bool(!is_true(get(0)?.as_deref()))))),
        F::Eq | F::Ne | F::Gt | F::Gte | F::Lt | F::Lte | F::Cmp => {
            let order = compare(get(0)?.as_deref(), get(1)?.as_deref());
            Ok(Some(Cow::Owned(comparison(function, order))))
        }
        F::IsArray => {
            let value = get(0)?;
            Ok(Some(Cow::Owned(Value::Bool(matches!(
                value.as_deref(),
                Some(Value::Array(_))
            )))))
        }
        F::ArrayElemAt => element(arguments, doc),
        F::DateToString => date_to_string(arguments, doc),
        _ => {
            let mut values = Vec::with_capacity(arguments.len());
            for expr in arguments {
                values.push(value_or_null(expr, doc)?);
            }
            strict(function, &values).map(|value| Some(Cow::Owned(value)))
        }
    }
}

fn is_null(value: Option<&Value>) -> bool {
    matches!(value, None | Some(Value::Null))
}

fn is_true(value: Option<&Value>) -> bool {
    !matches!(
        value,
        None | Some(Value::Null | Value::Bool(false) | Value::Int(0))
    )
}

/// The total order, with missing before null.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    compare_for_sort(a, b).then_with(|| a.is_some().cmp(&b.is_some()))
}

fn comparison(function: Function, order: Ordering) -> Value {
    Value::Bool(match function {
        Function::Eq => order.is_eq(),
        Function::Ne => order.is_ne(),
        Function::Gt => order.is_gt(),
        Function::Gte => order.is_ge(),
        Function::Lt => order.is_lt(),
        Function::Lte => order.is_le(),
        _ => return Value::Int(order as i64),
    })
}

/// The functions that look at all their arguments; missing ones came as null.
fn strict(function: Function, values: &[Value]) -> Result<Value> {
    use Function as F;
    let any_null = values.iter().any(|v| matches!(v, Value::Null));
    match (function, values) {
        (F::ToLower | F::ToUpper, [value]) => change_case(function, value),
        (F::Substr | F::SubstrCp, [value, start, count]) => {
            substring(function, value, start, count)
        }
        (F::In, [value, Value::Array(items)]) => Ok(Value::Bool(items.contains(value))),
        (F::In, _) => Err(refuse(function, "looks into arrays only")),
        (F::Size, [Value::Array(items)]) => Ok(Value::Int(items.len() as i64)),
        (F::Size, _) => Err(refuse(function, "works on arrays only")),
        (F::StrLenCp, [Value::String(text)]) => Ok(Value::Int(text.chars().count() as i64)),
        (F::StrLenCp, _) => Err(refuse(function, "works on text only")),
        _ if any_null => Ok(Value::Null),
        (F::Add | F::Multiply, values) => {
            let start = Value::Int(i64::from(function == F::Multiply));
            let mut all = values.iter();
            all.try_fold(start, |sum, value| numbers::combine(function, &sum, value))
        }
        (F::Subtract, [a, b]) => numbers::subtract(a, b),
        (F::Divide, [a, b]) => numbers::divide(a, b),
        (F::Mod, [a, b]) => numbers::modulo(a, b),
        (F::Abs | F::Ceil | F::Floor, [n]) => numbers::whole(function, n),
        (F::Round | F::Trunc, [n]) => numbers::round(function, n, &Value::Int(0)),
        (F::Round | F::Trunc, [n, places]) => numbers::round(function, n, places),
        (F::Concat, values) => {
            let texts = values.iter().map(Value::as_str);
            let joined = texts.collect::<Option<String>>();
            joined
                .map(Value::String)
                .ok_or_else(|| refuse(function, "works on text only"))
        }
        (F::ConcatArrays, values) => {
            let arrays = values.iter().map(Value::as_array);
            let all = arrays.collect::<Option<Vec<_>>>();
            all.map(|all| Value::Array(all.concat()))
                .ok_or_else(|| refuse(function, "works on arrays only"))
        }
        (F::ToString, [value]) => {
            plain_text(function, value).map(|text| Value::String(text.into()))
        }
        (_, [Value::Timestamp(at), offset @ ..]) => {
            let offset = match offset {
                [Value::String(text)] => date::offset_minutes(text)?,
                [] => 0,
                _ => return Err(refuse(function, "takes an offset as text")),
            };
            Ok(Value::Int(date_part(function, &Civil::new(*at, offset))))
        }
        _ => Err(refuse(function, "works on times only")),
    }
}

fn date_part(function: Function, civil: &Civil) -> i64 {
    match function {
        Function::Year => civil.year,
        Function::Month => civil.month,
        Function::DayOfMonth => civil.day,
        Function::DayOfWeek => civil.day_of_week(),
        Function::DayOfYear => civil.day_of_year(),
        Function::Week => civil.week(),
        Function::IsoWeek => civil.iso_week().1,
        Function::IsoWeekYear => civil.iso_week().0,
        Function::IsoDayOfWeek => civil.iso_day_of_week(),
        Function::Hour => civil.hour,
        Function::Minute => civil.minute,
        Function::Second => civil.second,
        _ => civil.millisecond,
    }
}

/// Text of what has an obvious one.
fn plain_text(function: Function, value: &Value) -> Result<Cow<'_, str>> {
    Ok(match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
        Value::Decimal(digits) => Cow::Borrowed(digits),
        Value::Int(_) | Value::Double(_) => Cow::Owned(crate::codec::encode_to_string(value)),
        Value::Timestamp(at) => Cow::Owned(iso(*at)?),
        Value::Reference(reference) => Cow::Borrowed(&reference.id),
        _ => return Err(refuse(function, "can't make text of this value")),
    })
}

fn iso(at: Timestamp) -> Result<String> {
    date::format(at, 0, date::ISO_FORMAT)
}

fn change_case(function: Function, value: &Value) -> Result<Value> {
    let text = plain_text(function, value)?;
    Ok(Value::String(if function == Function::ToLower {
        text.to_lowercase()
    } else {
        text.to_uppercase()
    }))
}

fn substring(function: Function, value: &Value, start: &Value, count: &Value) -> Result<Value> {
    let (Some(start), Some(count)) = (start.as_f64(), count.as_f64()) else {
        return Err(refuse(function, "takes numbers as start and length"));
    };
    let text = plain_text(function, value)?;
    if start < 0.0 {
        return Ok(Value::String(String::new()));
    }
    let count = if count < 0.0 {
        usize::MAX
    } else {
        count as usize
    };
    let part = text.chars().skip(start as usize).take(count);
    Ok(Value::String(part.collect()))
}

fn element<'a>(arguments: &'a [Expr], doc: &'a Map) -> Answer<'a> {
    let function = Function::ArrayElemAt;
    let array = value_or_null(&arguments[0], doc)?;
    match (array, value_or_null(&arguments[1], doc)?) {
        (Value::Null, _) | (_, Value::Null) => Ok(Some(Cow::Owned(Value::Null))),
        (Value::Array(mut items), Value::Int(at)) => {
            let from_end = (items.len() as i64).saturating_add(at);
            let at = usize::try_from(if at < 0 { from_end } else { at }).ok();
            let found = at.filter(|at| *at < items.len());
            Ok(found.map(|at| Cow::Owned(items.swap_remove(at))))
        }
        _ => Err(refuse(function, "takes an array and a whole number")),
    }
}

fn date_to_string<'a>(arguments: &'a [Expr], doc: &'a Map) -> Answer<'a> {
    let function = Function::DateToString;
    let mut values = Vec::with_capacity(3);
    for expr in &arguments[..3] {
        values.push(value_or_null(expr, doc)?);
    }
    match values.as_slice() {
        [_, Value::Null, _] => evaluate(&arguments[3], doc),
        [
            Value::String(format),
            Value::Timestamp(at),
            Value::String(offset),
        ] => Ok(Some(Cow::Owned(Value::String(date::format(
            *at,
            date::offset_minutes(offset)?,
            format,
        )?)))),
        _ => Err(refuse(function, "takes a format, a time and an offset")),
    }
}
