//! Queries for certain ids.

use crate::{FieldRef, Filter, Projection, Query, Record, Test, eval};
use basalt_base::{Result, Value};

/// Longer lists are left to SQL.
const IDS_MAX: usize = 128;

/// A query for objects with certain ids.
pub struct ById<'q> {
    /// The ids, each once, in order.
    pub ids: Vec<&'q str>,
    parts: &'q [Filter],
    at: usize,
    limit: usize,
}

/// The ids that the query asks for; `None` for any other query, and for one that sorts or leaves
/// out.
pub fn by_id(query: &Query) -> Option<ById<'_>> {
    let plain = query.projection == Projection::All && query.sort.is_empty() && query.skip == 0;
    if !plain {
        return None;
    }
    let parts = match &query.filter {
        Filter::And(parts) => parts.as_slice(),
        part => std::slice::from_ref(part),
    };
    let mut listed = parts.iter().enumerate();
    let (at, mut ids) = listed.find_map(|(at, part)| Some((at, ids(part)?)))?;
    ids.sort_unstable();
    ids.dedup();
    let limit = query.limit.and_then(|n| usize::try_from(n).ok());
    Some(ById {
        ids,
        parts,
        at,
        limit: limit.unwrap_or(usize::MAX),
    })
}

/// The ids that the part asks for, if it is about that.
fn ids(part: &Filter) -> Option<Vec<&str>> {
    match part {
        Filter::Test(path, Test::In(list))
            if path.root == FieldRef::Id && path.rest.is_empty() && list.len() <= IDS_MAX =>
        {
            list.iter().map(Value::as_str).collect()
        }
        _ => None,
    }
}

impl ById<'_> {
    /// Whether an object with one of the ids meets the rest of the filter.
    pub fn fits(&self, record: &Record) -> Result<bool> {
        let rest = self.parts[..self.at].iter();
        for part in rest.chain(&self.parts[self.at + 1..]) {
            if !eval::matches(part, record)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The answer out of the fitting objects, each with the number that orders it.
    pub fn answer(&self, mut found: Vec<(i64, Record)>) -> Vec<Record> {
        found.sort_unstable_by_key(|(number, _)| *number);
        let wanted = found.into_iter().take(self.limit);
        wanted.map(|(_, record)| record).collect()
    }
}
