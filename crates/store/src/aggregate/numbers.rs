//! Arithmetic: whole numbers stay exact until int64 overflows.

use super::expr::Function;
use basalt_base::{Error, Reason, Result, Timestamp, Value};

/// An `InvalidQuery` that names the function.
pub(super) fn refuse(function: Function, what: &str) -> Error {
    let name = function.name();
    Error::new(Reason::InvalidQuery, format!("{name} {what}"))
}

fn double(function: Function, value: &Value) -> Result<f64> {
    value
        .as_f64()
        .ok_or_else(|| refuse(function, "works on numbers only"))
}

/// A finite number, or `InvalidQuery`.
fn finite(function: Function, n: f64) -> Result<Value> {
    if n.is_finite() {
        Ok(Value::number(n))
    } else {
        Err(refuse(function, "passes the range of numbers"))
    }
}

fn shift(function: Function, at: Timestamp, by: &Value, sign: f64) -> Result<Value> {
    let ms = double(function, by)? * sign;
    let moved = at.millis().saturating_add(ms.round() as i64);
    Ok(Value::Timestamp(Timestamp::from_millis(moved)))
}

/// `$add` and `$multiply` of two.
pub(super) fn combine(function: Function, a: &Value, b: &Value) -> Result<Value> {
    if function == Function::Add
        && let (Value::Timestamp(at), by) | (by, Value::Timestamp(at)) = (a, b)
    {
        return shift(function, *at, by, 1.0);
    }
    let is_sum = function == Function::Add;
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        let exact = if is_sum {
            a.checked_add(*b)
        } else {
            a.checked_mul(*b)
        };
        if let Some(exact) = exact {
            return Ok(Value::Int(exact));
        }
    }
    let (a, b) = (double(function, a)?, double(function, b)?);
    finite(function, if is_sum { a + b } else { a * b })
}

/// `$subtract`.
pub(super) fn subtract(a: &Value, b: &Value) -> Result<Value> {
    let function = Function::Subtract;
    match (a, b) {
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            Ok(Value::Int(a.millis().saturating_sub(b.millis())))
        }
        (Value::Timestamp(at), by) => shift(function, *at, by, -1.0),
        (Value::Int(a), Value::Int(b)) if a.checked_sub(*b).is_some() => Ok(Value::Int(a - b)),
        _ => finite(function, double(function, a)? - double(function, b)?),
    }
}

/// `$divide`.
pub(super) fn divide(a: &Value, b: &Value) -> Result<Value> {
    let function = Function::Divide;
    if let (Value::Int(a), Value::Int(b)) = (a, b)
        && a.checked_rem(*b) == Some(0)
    {
        return Ok(Value::Int(a / b));
    }
    let (a, b) = (double(function, a)?, double(function, b)?);
    if b == 0.0 {
        return Err(refuse(function, "can't divide by zero"));
    }
    finite(function, a / b)
}

/// `$mod`.
pub(super) fn modulo(a: &Value, b: &Value) -> Result<Value> {
    let function = Function::Mod;
    let zero = || refuse(function, "can't divide by zero");
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        if *b == 0 {
            return Err(zero());
        }
        // The only overflow is of i64::MIN by -1, whose remainder is 0.
        return Ok(Value::Int(a.checked_rem(*b).unwrap_or(0)));
    }
    let (a, b) = (double(function, a)?, double(function, b)?);
    if b == 0.0 {
        Err(zero())
    } else {
        finite(function, a % b)
    }
}

/// `$abs`, `$ceil`, `$floor`.
pub(super) fn whole(function: Function, n: &Value) -> Result<Value> {
    if let Value::Int(n) = n {
        return Ok(match (function, n.checked_abs()) {
            (Function::Abs, Some(abs)) => Value::Int(abs),
            (Function::Abs, None) => Value::number((*n as f64).abs()),
            _ => Value::Int(*n),
        });
    }
    let n = double(function, n)?;
    finite(
        function,
        match function {
            Function::Abs => n.abs(),
            Function::Ceil => n.ceil(),
            _ => n.floor(),
        },
    )
}

/// `$round` and `$trunc` to `places` decimals, -20 to 100; a negative number means tens.
pub(super) fn round(function: Function, n: &Value, places: &Value) -> Result<Value> {
    let Value::Int(places @ -20..=100) = places else {
        return Err(refuse(function, "takes -20 to 100 decimals"));
    };
    if matches!(n, Value::Int(_)) && *places >= 0 {
        return Ok(n.clone());
    }
    let n = double(function, n)?;
    let cut = |n: f64| {
        if function == Function::Round {
            n.round_ties_even()
        } else {
            n.trunc()
        }
    };
    let scale = 10_f64.powi(i32::try_from(places.abs()).unwrap_or(0));
    let rounded = if *places >= 0 {
        let scaled = n * scale;
        // Past 2^53 there is nothing behind the point any more.
        if scaled.abs() < 9_007_199_254_740_992.0 {
            cut(scaled) / scale
        } else {
            n
        }
    } else {
        cut(n / scale) * scale
    };
    finite(function, rounded)
}
