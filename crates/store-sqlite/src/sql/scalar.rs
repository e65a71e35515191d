//! Plain columns in SQLite's words.

use super::binds::Binds;
use super::filter::{exists, explicit_null};
use crate::functions::value_key;
use crate::schema::{Column, Shape};
use basalt_base::Value;
use basalt_store::plan::{Condition, Family, Place, is_whole, scalar};
use basalt_store::{Pattern, Test, codec};
use rusqlite::types::{Value as Param, ValueRef};
use std::sync::Arc;

/// Lists longer than this are bound as one JSON text.
const LIST_SHORT_MAX: usize = 8;
/// Lists of what JSON does not keep exactly are, beyond this, compared by keys made of it.
const LIST_BOUND_MAX: usize = 1_000;

/// The condition of a positive test on a plain column; `field` is `None` for the columns that every
/// table has.
pub(super) fn condition(
    column: &str,
    shape: &Shape,
    field: Option<&Column>,
    test: &Test,
    binds: &mut Binds,
) -> Condition {
    let mut place = Plain {
        column,
        shape,
        field,
        binds,
    };
    scalar(&mut place, test)
}

struct Plain<'a> {
    column: &'a str,
    shape: &'a Shape,
    field: Option<&'a Column>,
    binds: &'a mut Binds,
}

impl Place for Plain<'_> {
    type Param = Param;

    fn family(&self) -> Family<'_> {
        match self.shape {
            Shape::Text => Family::Text,
            Shape::Date => Family::Date,
            Shape::Reference(target) => Family::Reference(target),
            _ => Family::Other,
        }
    }

    fn is_field(&self) -> bool {
        self.field.is_some()
    }

    fn param(&self, value: &Value) -> Option<Param> {
        match (self.shape, value) {
            (Shape::Number, Value::Int(n)) => Some(Param::Integer(*n)),
            (Shape::Number, Value::Double(n)) => Some(Param::Real(*n)),
            (Shape::Text | Shape::Reference(_), Value::String(s)) => Some(self.text(s)),
            (Shape::Boolean, Value::Bool(b)) => Some(Param::Integer(i64::from(*b))),
            (Shape::Date, Value::Timestamp(at)) if is_whole(*at) => Some(self.millis(at.millis())),
            (Shape::Bytes, Value::Bytes(bytes)) => Some(Param::Blob(bytes.clone())),
            (Shape::Reference(target), Value::Reference(r)) if **target == *r.collection => {
                Some(self.text(&r.id))
            }
            _ => None,
        }
    }

    fn text(&self, text: &str) -> Param {
        Param::Text(text.to_owned())
    }

    fn millis(&self, millis: i64) -> Param {
        Param::Integer(millis)
    }

    fn is_null(&self) -> Condition {
        Condition::exact(format!("{} IS NULL", self.column))
    }

    fn explicit_null(&self) -> Condition {
        match self.field {
            Some(field) => Condition::exact(explicit_null(field)),
            None => Condition::constant(false),
        }
    }

    fn exists(&self, wanted: bool) -> Condition {
        match self.field {
            Some(field) => exists(self.column, field, wanted),
            None => Condition::constant(wanted),
        }
    }

    fn compare(&mut self, operator: &'static str, param: Param) -> Condition {
        self.binds.push(param);
        Condition::exact(format!("{} {operator} ?", self.column))
    }

    fn among(&mut self, params: Vec<Param>) -> Condition {
        let column = self.column;
        if let Some(list) = as_json(&params) {
            self.binds.push(list);
            return Condition::exact(format!("{column} IN (SELECT value FROM json_each(?))"));
        }
        if params.len() > LIST_BOUND_MAX
            && let Some(list) = as_keys(&params)
        {
            self.binds.push(list);
            let among = format!("value_key({column}) IN (SELECT value FROM json_each(?))");
            return Condition::exact(among);
        }
        let marks = vec!["?"; params.len()].join(", ");
        for param in params {
            self.binds.push(param);
        }
        Condition::exact(format!("{column} IN ({marks})"))
    }

    fn matches(&mut self, pattern: &Arc<Pattern>) -> Condition {
        self.binds.pattern(pattern);
        Condition::exact(format!("matches({}, ?)", self.column))
    }
}

/// A list of numbers or bytes as one JSON text of their keys.
fn as_keys(params: &[Param]) -> Option<Param> {
    let key = |param| value_key(ValueRef::from(param)).map(Value::String);
    let list: Option<Vec<Value>> = params.iter().map(key).collect();
    list.map(|list| Param::Text(codec::encode_to_string(&Value::Array(list))))
}

/// A long list of texts or whole numbers as one JSON text. Doubles would lose digits in it.
fn as_json(params: &[Param]) -> Option<Param> {
    if params.len() <= LIST_SHORT_MAX {
        return None;
    }
    let value = |param: &Param| match param {
        Param::Text(text) => Some(Value::String(text.clone())),
        Param::Integer(n) => Some(Value::Int(*n)),
        _ => None,
    };
    let list: Option<Vec<Value>> = params.iter().map(value).collect();
    list.map(|list| Param::Text(codec::encode_to_string(&Value::Array(list))))
}
