//! What is left to do with rows when SQL does not sort, cut or deduplicate them.

use crate::{Path, Projection, Query, Record, Sort, eval};
use basalt_base::Value;
use std::cmp::Ordering;

/// Sorts objects and keeps the page that a query asks for. Memory follows the page, not the matches.
pub struct Page<'q> {
    sort: &'q [Sort],
    skip: usize,
    limit: Option<usize>,
    bound: usize,
    records: Vec<Record>,
}

impl<'q> Page<'q> {
    /// An empty page.
    pub fn of(query: &'q Query) -> Self {
        let wanted = query.limit.map(|limit| limit.saturating_add(query.skip));
        let bound = wanted.map_or(usize::MAX, |n| {
            usize::try_from(n.saturating_mul(2)).map_or(usize::MAX, |n| n.max(1_024))
        });
        Self {
            sort: &query.sort,
            skip: usize::try_from(query.skip).unwrap_or(usize::MAX),
            limit: query
                .limit
                .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
            bound,
            records: Vec::new(),
        }
    }

    /// Takes an object; they come in the order that breaks ties, so that sorting a part is stable
    /// too.
    pub fn push(&mut self, record: Record) {
        self.records.push(record);
        if self.records.len() >= self.bound {
            eval::sort_records(&mut self.records, self.sort);
            self.records.truncate(self.bound / 2);
        }
    }

    /// The objects of the page, in order.
    pub fn finish(mut self) -> Vec<Record> {
        eval::sort_records(&mut self.records, self.sort);
        self.records.drain(..self.skip.min(self.records.len()));
        if let Some(limit) = self.limit {
            self.records.truncate(limit);
        }
        self.records
    }
}

/// Collects values and drops repeated ones now and then, so that memory follows the distinct ones.
#[derive(Default)]
pub struct Distinct {
    all: Vec<Value>,
    distinct: usize,
}

impl Distinct {
    /// Takes what an object has at a path: the elements of an array count each.
    pub fn add(&mut self, record: &Record, path: &Path) {
        for candidate in eval::candidates(record, path) {
            match candidate.as_ref() {
                Value::Array(items) => items.iter().for_each(|item| self.push(item)),
                value => self.push(value),
            }
        }
    }

    fn push(&mut self, value: &Value) {
        self.all.push(value.clone());
        if self.all.len() > 1_024 + self.distinct * 2 {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let order = |a: &Value, b: &Value| eval::compare_for_sort(Some(a), Some(b));
        self.all.sort_by(order);
        self.all.dedup_by(|a, b| order(a, b) == Ordering::Equal);
        self.distinct = self.all.len();
    }

    /// The distinct values in order.
    pub fn finish(mut self) -> Vec<Value> {
        self.compact();
        self.all
    }
}

/// The same filter with no order, no page and another projection.
pub fn unsliced(query: &Query, projection: Projection) -> Query {
    Query {
        collection: query.collection.clone(),
        filter: query.filter.clone(),
        sort: Vec::new(),
        skip: 0,
        limit: None,
        projection,
    }
}
