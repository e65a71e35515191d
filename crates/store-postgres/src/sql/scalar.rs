//! Plain columns in PostgreSQL's words.
//!
//! Its own regular expressions have another syntax and no limit on their steps: a pattern is pushed
//! as the range of its literal prefix or as a search for literal text, and else left to Rust.

use super::binds::Binds;
use super::filter::{exists, explicit_null, some};
use crate::row::{Number, Param};
use crate::schema::{Column, Shape};
use crate::text::stored;
use basalt_base::Value;
use basalt_store::plan::{Condition, Family, Place, is_whole, scalar};
use basalt_store::{Pattern, Test};
use std::sync::Arc;

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
            (Shape::Number, value) => Number::of(value).map(Param::Number),
            (Shape::Text | Shape::Reference(_), Value::String(s)) => Some(self.text(s)),
            (Shape::Boolean, Value::Bool(b)) => Some(Param::Bool(*b)),
            (Shape::Date, Value::Timestamp(at)) if is_whole(*at) => Some(self.millis(at.millis())),
            (Shape::Bytes, Value::Bytes(bytes)) => Some(Param::Bytes(bytes.clone())),
            (Shape::Reference(target), Value::Reference(r)) if **target == *r.collection => {
                Some(self.text(&r.id))
            }
            _ => None,
        }
    }

    fn text(&self, text: &str) -> Param {
        Param::Text(stored(text).into_owned())
    }

    fn millis(&self, millis: i64) -> Param {
        Param::Int(millis)
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
        let n = self.binds.push(param);
        Condition::exact(format!("{} {operator} ${n}", self.column))
    }

    fn among(&mut self, mut params: Vec<Param>) -> Condition {
        if params.len() == 1
            && let Some(param) = params.pop()
        {
            return self.compare("=", param);
        }
        let texts: Vec<String> = params
            .iter()
            .filter_map(|param| match param {
                Param::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        let list = if texts.is_empty() {
            Param::List(params)
        } else {
            Param::Texts(texts)
        };
        let n = self.binds.push(list);
        Condition::exact(format!("{} = ANY(${n})", self.column))
    }

    fn matches(&mut self, pattern: &Arc<Pattern>) -> Condition {
        match pattern
            .literal()
            .filter(|text| !text.contains(|c| c < '\u{3}'))
        {
            Some(text) => {
                let n = self.binds.push(Param::Text(text.to_owned()));
                Condition::exact(format!("strpos({}, ${n}) > 0", self.column))
            }
            None => some(self.column),
        }
    }
}
