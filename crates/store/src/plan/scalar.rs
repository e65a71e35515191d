//! Tests on plain columns: numbers, text, booleans, times, bytes, references, and the columns that
//! every table has. All are exact, but for patterns in some dialects, and in a form that an index on
//! the column serves.

use super::Condition;
use crate::{Pattern, Test};
use basalt_base::{Timestamp, Value};
use std::sync::Arc;

/// What a plain column holds, as far as its tests depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family<'a> {
    /// Text.
    Text,
    /// Milliseconds.
    Date,
    /// Ids of objects of that collection.
    Reference(&'a str),
    /// Anything else.
    Other,
}

/// A plain column in a dialect.
pub trait Place {
    /// A bound parameter.
    type Param;

    /// What the column holds.
    fn family(&self) -> Family<'_>;

    /// Whether the column can be NULL: those that every table has never are.
    fn is_field(&self) -> bool;

    /// The parameter that a value of the column's own family is compared as; `None` for values that
    /// nothing in the column equals.
    fn param(&self, value: &Value) -> Option<Self::Param>;

    /// Text as a parameter.
    fn text(&self, text: &str) -> Self::Param;

    /// Milliseconds as a parameter.
    fn millis(&self, millis: i64) -> Self::Param;

    /// The column is NULL.
    fn is_null(&self) -> Condition;

    /// The field holds an explicit null.
    fn explicit_null(&self) -> Condition;

    /// There is a value, explicit null included, or there is none.
    fn exists(&self, wanted: bool) -> Condition;

    /// `column operator parameter`.
    fn compare(&mut self, operator: &'static str, param: Self::Param) -> Condition;

    /// The column equals one of the parameters, of which there is at least one.
    fn among(&mut self, params: Vec<Self::Param>) -> Condition;

    /// The pattern matches the text.
    fn matches(&mut self, pattern: &Arc<Pattern>) -> Condition;
}

/// The condition of a test that is no negation.
pub fn scalar<P: Place>(place: &mut P, test: &Test) -> Condition {
    match test {
        Test::Eq(value) => equal(place, value),
        Test::In(values) => one_of(place, values),
        Test::Lt(bound) => range(place, bound, Side::LESS),
        Test::Lte(bound) => range(place, bound, Side::LESS.or_equal(true)),
        Test::Gt(bound) => range(place, bound, Side::GREATER),
        Test::Gte(bound) => range(place, bound, Side::GREATER.or_equal(true)),
        Test::Exists(wanted) => {
            if place.is_field() {
                place.exists(*wanted)
            } else {
                Condition::constant(*wanted)
            }
        }
        Test::All(values) if values.is_empty() => Condition::constant(false),
        // A value that is no list counts as a list of one.
        Test::All(values) => Condition::all(
            values
                .iter()
                .map(|value| match value {
                    Value::Null => is_explicit_null(place),
                    value => equal(place, value),
                })
                .collect(),
        ),
        Test::Regex(pattern) if place.family() == Family::Text => regex(place, pattern),
        Test::Regex(_)
        | Test::AllMatch(_)
        | Test::ContainedBy(_)
        | Test::Near { .. }
        | Test::WithinBox { .. } => Condition::constant(false),
        Test::Ne(_) | Test::NotIn(_) | Test::Not(_) => Condition::unknown(),
    }
}

fn is_explicit_null<P: Place>(place: &P) -> Condition {
    if place.is_field() {
        place.explicit_null()
    } else {
        Condition::constant(false)
    }
}

fn equal<P: Place>(place: &mut P, value: &Value) -> Condition {
    if matches!(value, Value::Null) && place.is_field() {
        return place.is_null();
    }
    match place.param(value) {
        Some(param) => place.compare("=", param),
        None => Condition::constant(false),
    }
}

fn one_of<P: Place>(place: &mut P, values: &[Value]) -> Condition {
    let null = place.is_field() && values.iter().any(|v| matches!(v, Value::Null));
    let params: Vec<P::Param> = values.iter().filter_map(|v| place.param(v)).collect();
    let among = if params.is_empty() {
        Condition::constant(false)
    } else {
        place.among(params)
    };
    if !null {
        return among;
    }
    Condition::any(vec![among, place.is_null()])
}

/// Which side of a bound is meant, and whether the bound itself is.
#[derive(Clone, Copy)]
struct Side {
    less: bool,
    equal: bool,
}

impl Side {
    const LESS: Self = Self {
        less: true,
        equal: false,
    };
    const GREATER: Self = Self {
        less: false,
        equal: false,
    };

    fn or_equal(self, equal: bool) -> Self {
        Self { equal, ..self }
    }

    fn operator(self) -> &'static str {
        match (self.less, self.equal) {
            (true, false) => "<",
            (true, true) => "<=",
            (false, false) => ">",
            (false, true) => ">=",
        }
    }
}

fn range<P: Place>(place: &mut P, bound: &Value, side: Side) -> Condition {
    let (param, side) = match (place.family(), bound) {
        // An explicit null equals null; a missing value is in no range.
        (_, Value::Null) if side.equal => return is_explicit_null(place),
        // The column keeps milliseconds. A bound within one lies above it.
        (Family::Date, Value::Timestamp(at)) => {
            let equal = if is_whole(*at) { side.equal } else { side.less };
            (place.millis(at.millis()), side.or_equal(equal))
        }
        // References compare by id, then by collection.
        (Family::Reference(target), Value::Reference(r)) => {
            let order = target.cmp(r.collection.as_str());
            let beyond = if side.less {
                order.is_lt()
            } else {
                order.is_gt()
            };
            let equal = beyond || (side.equal && order.is_eq());
            (place.text(&r.id), side.or_equal(equal))
        }
        (_, bound) => match place.param(bound) {
            Some(param) => (param, side),
            None => return Condition::constant(false),
        },
    };
    place.compare(side.operator(), param)
}

/// Whether a time has no part below the milliseconds that columns keep.
pub fn is_whole(at: Timestamp) -> bool {
    at.nanos().is_multiple_of(1_000_000)
}

/// A pattern on text; one with a literal prefix also as a range, which an index serves.
pub fn regex<P: Place>(place: &mut P, pattern: &Arc<Pattern>) -> Condition {
    let mut parts = Vec::new();
    if let Some(prefix) = pattern.literal_prefix().filter(|p| !p.is_empty()) {
        let start = place.text(prefix);
        parts.push(place.compare(">=", start));
        if let Some(end) = after_prefix(prefix) {
            let end = place.text(&end);
            parts.push(place.compare("<", end));
        }
        if pattern.is_pure_prefix() {
            return Condition::all(parts);
        }
    }
    parts.push(place.matches(pattern));
    Condition::all(parts)
}

/// The least text that is greater than every text with the prefix.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            c => char::from_u32(c as u32 + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_text_that_lacks_it() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
    }
}
