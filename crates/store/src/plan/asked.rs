//! Which fields a query's rows carry.

use crate::{FieldRef, Filter, Path, Projection, Query, Record, SortKey};
use std::collections::HashSet;
use std::sync::Arc;

/// The names that a query reads.
pub struct Asked<'q> {
    /// Those of its projection; `None` for every one.
    names: Option<&'q [Arc<str>]>,
    /// Those that Rust's part needs besides.
    also: HashSet<&'q str>,
}

impl<'q> Asked<'q> {
    /// The projected fields, those of the filter when Rust checks it, those of the sort when Rust
    /// sorts.
    pub fn of(query: &'q Query, rechecks: bool, sorts: bool) -> Self {
        let names = match &query.projection {
            Projection::All => None,
            Projection::Only(names) => Some(names.as_slice()),
        };
        let mut also = HashSet::new();
        if names.is_some() {
            if rechecks {
                filter_fields(&query.filter, &mut also);
            }
            if sorts {
                for level in &query.sort {
                    let (SortKey::Path(path) | SortKey::Distance(path, _)) = &level.key;
                    path_field(path, &mut also);
                }
            }
        }
        Self { names, also }
    }

    /// Whether the field of that name is read.
    pub fn reads(&self, name: &str) -> bool {
        self.is_asked(name) || self.also.contains(name)
    }

    /// Whether the field of that name is part of the answer.
    pub fn is_asked(&self, name: &str) -> bool {
        self.names
            .is_none_or(|names| names.iter().any(|n| **n == *name))
    }

    /// Removes the fields that were read for Rust's part only.
    pub fn strip(&self, record: &mut Record) {
        if !self.also.is_empty() {
            record.fields.retain(|(name, _)| self.is_asked(name));
        }
    }
}

fn path_field<'q>(path: &'q Path, out: &mut HashSet<&'q str>) {
    if let FieldRef::Named(name) = &path.root {
        out.insert(name);
    }
}

/// The fields that the evaluator looks at.
fn filter_fields<'q>(filter: &'q Filter, out: &mut HashSet<&'q str>) {
    match filter {
        Filter::And(list) | Filter::Or(list) => {
            for part in list {
                filter_fields(part, out);
            }
        }
        Filter::Not(part) => filter_fields(part, out),
        Filter::Test(path, _) => path_field(path, out),
        Filter::Everything | Filter::Nothing | Filter::Allows(..) => {}
    }
}
