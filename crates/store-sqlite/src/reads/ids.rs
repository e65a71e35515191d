//! Reading a short list of objects by their ids.
//!
//! A prepared statement for each id beats one statement for the list: the list would travel as
//! JSON, and its rows would be sorted.

use super::find::by_id;
use crate::connection::Session;
use crate::schema::Layout;
use basalt_base::{Result, Value};
use basalt_store::{FieldRef, Filter, Projection, Query, Record, Test, eval};

/// Longer lists are left to SQL.
const IDS_MAX: usize = 128;

/// The objects that a query for certain ids finds; `None` for any other query.
pub(super) fn find(
    session: &Session,
    layout: &Layout,
    query: &Query,
) -> Option<Result<Vec<Record>>> {
    let plain = query.projection == Projection::All && query.sort.is_empty() && query.skip == 0;
    if !plain {
        return None;
    }
    let parts = match &query.filter {
        Filter::And(parts) => parts.as_slice(),
        part => std::slice::from_ref(part),
    };
    let (at, mut ids) = parts
        .iter()
        .enumerate()
        .find_map(|(at, part)| Some((at, ids(part)?)))?;
    ids.sort_unstable();
    ids.dedup();
    let rest = parts[..at].iter().chain(&parts[at + 1..]);
    Some(look_up(session, layout, &ids, rest).map(|mut found| {
        found.sort_unstable_by_key(|(number, _)| *number);
        let limit = query.limit.and_then(|n| usize::try_from(n).ok());
        let wanted = found.into_iter().take(limit.unwrap_or(usize::MAX));
        wanted.map(|(_, record)| record).collect()
    }))
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

/// The objects with these ids that meet the rest of the filter, with their row numbers.
fn look_up<'q>(
    session: &Session,
    layout: &Layout,
    ids: &[&str],
    rest: impl Iterator<Item = &'q Filter> + Clone,
) -> Result<Vec<(i64, Record)>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let Some((number, record)) = by_id(session, layout, id)? else {
            continue;
        };
        let mut fits = true;
        for part in rest.clone() {
            fits = fits && eval::matches(part, &record)?;
        }
        if fits {
            found.push((number, record));
        }
    }
    Ok(found)
}
