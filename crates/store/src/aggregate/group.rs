//! `Group`: documents collected by a key.

use super::evaluate::{evaluate, value_or_null};
use super::expr::Expr;
use super::size;
use crate::codec;
use crate::eval::compare_for_sort;
use basalt_base::{Map, Result, Value};
use indexmap::IndexMap;
use std::borrow::Cow;
use std::collections::HashSet;

/// What a group keeps of an expression's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulator {
    /// The sum of the numbers; 0 when there are none.
    Sum,
    /// The mean of the numbers; null when there are none.
    Avg,
    /// The smallest that is neither null nor missing, by the total order.
    Min,
    /// The largest that is neither null nor missing, by the total order.
    Max,
    /// The first document's.
    First,
    /// The last document's.
    Last,
    /// All that are not missing, in order.
    Push,
    /// The distinct ones that are not missing, in order of appearance.
    AddToSet,
    /// The number of documents; the expression doesn't matter.
    Count,
}

/// The groups so far.
pub(super) struct Groups {
    id: Expr,
    fields: Vec<(String, Accumulator, Expr)>,
    by_key: IndexMap<String, Group>,
}

struct Group {
    id: Value,
    states: Vec<State>,
}

enum State {
    Sum(Sum),
    Avg(Sum, u64),
    Extreme(Option<Value>),
    Edge(Option<Value>),
    List(Vec<Value>),
    Set(HashSet<String>, Vec<Value>),
    Count(i64),
}

/// Exact while all are whole.
#[derive(Default)]
struct Sum {
    whole: i128,
    rest: f64,
    has_rest: bool,
}

impl Sum {
    fn add(&mut self, value: &Value) -> bool {
        match value {
            Value::Int(n) => self.whole += i128::from(*n),
            Value::Double(n) => {
                self.rest += n;
                self.has_rest = true;
            }
            _ => return false,
        }
        true
    }

    fn double(&self) -> f64 {
        self.whole as f64 + self.rest
    }

    fn value(&self) -> Value {
        match i64::try_from(self.whole) {
            Ok(n) if !self.has_rest => Value::Int(n),
            _ => finite(self.double()),
        }
    }
}

/// Sums of finite numbers can pass the range; then there is no number to give.
fn finite(n: f64) -> Value {
    if n.is_finite() {
        Value::number(n)
    } else {
        Value::Null
    }
}

impl Groups {
    pub(super) fn new(id: Expr, fields: Vec<(String, Accumulator, Expr)>) -> Self {
        Self {
            id,
            fields,
            by_key: IndexMap::new(),
        }
    }

    /// Adds a document; returns by how many bytes the groups grew.
    pub(super) fn add(&mut self, doc: &Map) -> Result<usize> {
        let id = value_or_null(&self.id, doc)?;
        let key = codec::encode_to_string(&id);
        let mut grown = 0;
        let group = match self.by_key.entry(key) {
            indexmap::map::Entry::Occupied(entry) => entry.into_mut(),
            indexmap::map::Entry::Vacant(entry) => {
                grown += entry.key().len() + size::of_value(&id) + 64 * (1 + self.fields.len());
                let states = self.fields.iter().map(|(_, how, _)| how.start());
                let states = states.collect();
                entry.insert(Group { id, states })
            }
        };
        for ((_, how, expr), state) in self.fields.iter().zip(&mut group.states) {
            grown += state.add(*how, evaluate(expr, doc)?);
        }
        Ok(grown)
    }

    /// The results, in order of first appearance.
    pub(super) fn finish(self) -> impl Iterator<Item = Map> {
        let Self { fields, by_key, .. } = self;
        by_key.into_values().map(move |group| {
            let mut doc = Map::with_capacity(fields.len() + 1);
            doc.insert("_id".to_owned(), group.id);
            for ((name, ..), state) in fields.iter().zip(group.states) {
                doc.insert(name.clone(), state.finish());
            }
            doc
        })
    }
}

impl Accumulator {
    fn start(self) -> State {
        match self {
            Self::Sum => State::Sum(Sum::default()),
            Self::Avg => State::Avg(Sum::default(), 0),
            Self::Min | Self::Max => State::Extreme(None),
            Self::First | Self::Last => State::Edge(None),
            Self::Push => State::List(Vec::new()),
            Self::AddToSet => State::Set(HashSet::new(), Vec::new()),
            Self::Count => State::Count(0),
        }
    }
}

impl State {
    /// Adds a value; returns by how many bytes the state grew.
    fn add(&mut self, how: Accumulator, value: Option<Cow<'_, Value>>) -> usize {
        match (self, value) {
            (Self::Count(n), _) => *n += 1,
            (Self::Sum(sum), Some(value)) => {
                sum.add(&value);
            }
            (Self::Avg(sum, n), Some(value)) => *n += u64::from(sum.add(&value)),
            (Self::Extreme(best), Some(value)) if !matches!(*value, Value::Null) => {
                let wins = best.as_ref().is_none_or(|best| {
                    let order = compare_for_sort(Some(&value), Some(best));
                    if how == Accumulator::Min {
                        order.is_lt()
                    } else {
                        order.is_gt()
                    }
                });
                if wins {
                    return keep(best, value.into_owned());
                }
            }
            (Self::Edge(kept), value) if kept.is_none() || how == Accumulator::Last => {
                return keep(kept, value.map_or(Value::Null, Cow::into_owned));
            }
            (Self::List(list), Some(value)) => {
                list.push(value.into_owned());
                return list.last().map_or(0, size::of_value);
            }
            (Self::Set(seen, list), Some(value)) => {
                let key = codec::encode_to_string(&value);
                if !seen.contains(&key) {
                    let grown = key.len() + 48 + size::of_value(&value);
                    seen.insert(key);
                    list.push(value.into_owned());
                    return grown;
                }
            }
            _ => {}
        }
        0
    }

    fn finish(self) -> Value {
        match self {
            Self::Sum(sum) => sum.value(),
            Self::Avg(_, 0) => Value::Null,
            Self::Avg(sum, n) => finite(sum.double() / n as f64),
            Self::Extreme(value) | Self::Edge(value) => value.unwrap_or(Value::Null),
            Self::List(list) | Self::Set(_, list) => Value::Array(list),
            Self::Count(n) => Value::Int(n),
        }
    }
}

fn keep(slot: &mut Option<Value>, value: Value) -> usize {
    let before = slot.as_ref().map_or(0, size::of_value);
    let after = size::of_value(&value);
    *slot = Some(value);
    after.saturating_sub(before)
}
