//! Aggregate pipelines: typed stages, a parser from Mongo's text and a streaming executor.
//!
//! Documents are maps. Those of stored objects come from [`record_to_doc`]: the fields that every
//! object has go by `_id`, `_created_at` and `_updated_at`. Values are compared and sorted by
//! [`crate::eval::compare_for_sort`]; whole results of arithmetic are whole numbers.

mod date;
mod evaluate;
mod executor;
mod expr;
mod functions;
mod group;
mod numbers;
mod parse;
mod project;
mod size;
mod unwind;

pub use executor::{Check, Executor};
pub use expr::{Expr, Function};
pub use group::Accumulator;
pub use parse::{parse, parse_filter, parse_filter_with, parse_with};
pub use project::{Projected, Shape};

use crate::{Filter, Record, Sort};
use basalt_base::{Map, Value};

/// A path of map keys.
pub type Keys = Box<[Box<str>]>;

/// One stage of a pipeline.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Lets matching documents through.
    Match(Filter),
    /// Collects documents by a key; the results hold it as `_id`, in order of first appearance.
    Group {
        /// The key. A map expression makes a compound key; a null literal makes one group.
        id: Expr,
        /// The other fields of the results.
        fields: Vec<(String, Accumulator, Expr)>,
    },
    /// Chooses and computes fields.
    Project(Shape),
    /// Adds or replaces fields.
    AddFields(Vec<(Keys, Expr)>),
    /// Sorts all documents.
    Sort(Vec<Sort>),
    /// Lets that many documents through.
    Limit(u64),
    /// Leaves out that many documents.
    Skip(u64),
    /// Makes a document of each element of an array.
    Unwind {
        /// Where the array is.
        path: Keys,
        /// The field that receives the element's index, if any.
        include_array_index: Option<Keys>,
        /// Whether documents without elements are let through.
        preserve_null_and_empty: bool,
    },
    /// One document with the number of documents under this name; none when there are none.
    Count(String),
}

/// The document of a stored object: `_id`, its named fields, `_created_at`, `_updated_at`.
pub fn record_to_doc(record: &Record) -> Map {
    let mut doc = Map::with_capacity(record.fields.len() + 3);
    doc.insert("_id".to_owned(), Value::String(record.id.to_string()));
    for (name, value) in &record.fields {
        doc.insert(name.to_string(), value.clone());
    }
    let times = [
        ("_created_at", record.created_at),
        ("_updated_at", record.updated_at),
    ];
    for (name, at) in times {
        doc.insert(name.to_owned(), Value::Timestamp(at));
    }
    doc
}

/// Splits off the `Match` stages at the start, which a store can run as a query on its objects.
pub fn split_leading_match(stages: Vec<Stage>) -> (Option<Filter>, Vec<Stage>) {
    let mut filter: Option<Filter> = None;
    let mut rest = stages.into_iter().peekable();
    while let Some(Stage::Match(_)) = rest.peek() {
        if let Some(Stage::Match(part)) = rest.next() {
            filter = Some(match filter {
                Some(filter) => filter.and(part),
                None => part,
            });
        }
    }
    (filter, rest.collect())
}
