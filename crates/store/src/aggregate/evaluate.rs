//! The value of an expression.

use super::expr::Expr;
use super::functions;
use basalt_base::{Map, Result, Value};
use std::borrow::Cow;

/// The value of an expression over a document; `None` when it is missing.
///
/// Fails with [`basalt_base::Reason::InvalidQuery`] where a function gets what it can't work on.
pub(super) fn evaluate<'a>(expr: &'a Expr, doc: &'a Map) -> Result<Option<Cow<'a, Value>>> {
    Ok(match expr {
        Expr::Literal(value) => Some(Cow::Borrowed(value)),
        Expr::Path(path) => at_path(doc, path),
        Expr::Root => Some(Cow::Owned(Value::Map(doc.clone()))),
        Expr::Map(entries) => {
            let mut map = Map::with_capacity(entries.len());
            for (key, expr) in entries {
                if let Some(value) = evaluate(expr, doc)? {
                    map.insert(key.clone(), value.into_owned());
                }
            }
            Some(Cow::Owned(Value::Map(map)))
        }
        Expr::Array(items) => {
            let items = items.iter().map(|expr| value_or_null(expr, doc));
            Some(Cow::Owned(Value::Array(items.collect::<Result<_>>()?)))
        }
        Expr::Call(function, arguments) => functions::call(*function, arguments, doc)?,
    })
}

/// The value of an expression, null when missing.
pub(super) fn value_or_null(expr: &Expr, doc: &Map) -> Result<Value> {
    Ok(evaluate(expr, doc)?.map_or(Value::Null, Cow::into_owned))
}

fn at_path<'a>(doc: &'a Map, path: &[Box<str>]) -> Option<Cow<'a, Value>> {
    let (step, rest) = path.split_first()?;
    below(doc.get(&**step)?, rest)
}

fn below<'a>(value: &'a Value, rest: &[Box<str>]) -> Option<Cow<'a, Value>> {
    let Some((step, after)) = rest.split_first() else {
        return Some(Cow::Borrowed(value));
    };
    match value {
        Value::Map(map) => below(map.get(&**step)?, after),
        Value::Array(items) => {
            let found = items.iter().filter(|item| matches!(item, Value::Map(_)));
            let found = found.filter_map(|item| below(item, rest));
            Some(Cow::Owned(Value::Array(
                found.map(Cow::into_owned).collect(),
            )))
        }
        _ => None,
    }
}
