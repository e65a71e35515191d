//! Reading a short list of objects by their ids.
//!
//! A prepared statement for each id beats one statement for the list: the list would travel as
//! JSON, and its rows would be sorted.

use super::find::by_id;
use crate::connection::Session;
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
    let mut found = Vec::with_capacity(wanted.ids.len());
    for id in &wanted.ids {
        match by_id(session, layout, id) {
            Ok(None) => {}
            Ok(Some((number, record))) => match wanted.fits(&record) {
                Ok(true) => found.push((number, record)),
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            },
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok(wanted.answer(found)))
}
