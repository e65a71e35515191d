//! A query, its options and its answer.

use crate::{Filter, Path, Record};
use basalt_base::GeoPoint;
use std::sync::Arc;
use std::time::Duration;

/// A position in an app's change log: dense, in commit order, starting at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// What to sort by.
#[derive(Clone, Debug, PartialEq)]
pub enum SortKey {
    /// The value at a path. Order across families: missing and null, numbers, text, maps, arrays,
    /// bytes, references, booleans, times, geo points. Text sorts by its bytes.
    Path(Path),
    /// The distance of a geo point field from a centre; objects without a point come last.
    Distance(Path, GeoPoint),
}

/// One level of order.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// What to sort by.
    pub key: SortKey,
    /// Largest first.
    pub descending: bool,
}

/// Which named fields to read; id, times and ACL always come along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Projection {
    /// Every field.
    #[default]
    All,
    /// These fields; names that don't exist are ignored.
    Only(Vec<Arc<str>>),
}

/// A query of one collection. An unknown collection or field holds no values.
#[derive(Clone, Debug)]
pub struct Query {
    /// The collection's name.
    pub collection: Arc<str>,
    /// Which objects.
    pub filter: Filter,
    /// In which order; ties, and everything when this is empty, come in order of creation in this
    /// store (rowid), which is stable; ties below a descending last level in the reverse order, so
    /// that an index read backwards has all of it.
    pub sort: Vec<Sort>,
    /// How many to leave out first.
    pub skip: u64,
    /// How many to return at most; `None` for all.
    pub limit: Option<u64>,
    /// Which fields.
    pub projection: Projection,
}

impl Query {
    /// All objects of a collection, unsorted.
    pub fn all(collection: impl Into<Arc<str>>) -> Self {
        Self {
            collection: collection.into(),
            filter: Filter::Everything,
            sort: Vec::new(),
            skip: 0,
            limit: None,
            projection: Projection::All,
        }
    }

    /// The same with another filter.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Whether ties come in the reverse order of creation.
    pub fn reverses_ties(&self) -> bool {
        self.sort.last().is_some_and(|level| level.descending)
    }

    /// The same with a limit.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// How a read may run.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// The read is stopped with [`basalt_base::Reason::Timeout`] after this long.
    pub time_max: Duration,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            time_max: Duration::from_secs(30),
        }
    }
}

/// The answer of a query.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The objects in order.
    pub records: Vec<Record>,
    /// The position at which the answer is valid.
    pub position: Position,
}
