//! Reading a short list of objects by their ids.
//!
//! A prepared statement for each id beats one statement for the list: the list would travel as
//! JSON, and its rows would be sorted.

use super::find::one;
use crate::connection::Session;
use crate::error::Typed;
use crate::schema::Layout;
use basalt_base::Result;
use basalt_store::{Query, Record, plan};

/// The objects that a query for certain ids finds; `None` for any other query.
pub(super) fn find(
    session: &Session,
    layout: &Layout,
    query: &Query,
) -> Option<Result<Vec<Record>>> {
    let wanted = plan::by_id(query)?;
    let read = || {
        let mut found = Vec::with_capacity(wanted.ids.len());
        let mut statement = session.conn.prepare_cached(&layout.get_sql).typed()?;
        for id in &wanted.ids {
            if let Some((number, record)) = one(&mut statement, layout, id)?
                && wanted.fits(&record)?
            {
                found.push((number, record));
            }
        }
        Ok(found)
    };
    Some(read().map(|found| wanted.answer(found)))
}
