//! Reading objects: by id, by query, as a stream.

use super::run::View;
use crate::connection::Session;
use crate::error::{Typed, corrupt};
use crate::row;
use crate::schema::{Layout, Shape};
use crate::sql::{self, Plan};
use basalt_base::{Error, Reason, Result};
use basalt_store::plan::{Page, narrowed};
use basalt_store::{Found, Position, Query, Record, eval};
use rusqlite::Statement;
use std::ops::ControlFlow;

/// Longer statements hold long lists and are not worth keeping.
const CACHED_BYTES_MAX: usize = 16 * 1024;

/// The object of that id and its row number.
pub(crate) fn by_id(session: &Session, layout: &Layout, id: &str) -> Result<Option<(i64, Record)>> {
    let mut statement = session.conn.prepare_cached(&layout.get_sql).typed()?;
    one(&mut statement, layout, id)
}

/// What a layout's statement for one object finds.
pub(super) fn one(
    statement: &mut Statement<'_>,
    layout: &Layout,
    id: &str,
) -> Result<Option<(i64, Record)>> {
    statement.raw_bind_parameter(1, id).typed()?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next().typed()? else {
        return Ok(None);
    };
    let number = row.get(0).typed()?;
    let record = row::record(row, 1, layout.columns.iter(), |name| {
        layout.column(name).is_none()
    })?;
    Ok(Some((number, record)))
}

/// The object of that id in a collection.
pub(crate) fn by_id_in(
    session: &Session,
    view: &View,
    collection: &str,
    id: &str,
) -> Result<Option<Record>> {
    match view.schema.layout(collection) {
        Some(layout) => Ok(by_id(session, layout, id)?.map(|(_, record)| record)),
        None => Ok(None),
    }
}

/// The objects that match, in order.
pub(crate) fn find(session: &Session, view: &View, query: &Query) -> Result<Found> {
    let mut found = Found {
        records: Vec::new(),
        position: Position(view.position),
    };
    let Some(layout) = view.schema.layout(&query.collection) else {
        return Ok(found);
    };
    if let Some(records) = super::ids::find(session, layout, query) {
        found.records = records?;
        return Ok(found);
    }
    for narrower in narrowed(query, |name| is_geo(layout, name)) {
        let records = find_planned(session, layout, &narrower)?;
        if Some(records.len() as u64) == query.limit {
            found.records = records;
            return Ok(found);
        }
    }
    found.records = find_planned(session, layout, query)?;
    Ok(found)
}

fn is_geo(layout: &Layout, name: &str) -> bool {
    layout.column(name).is_some_and(|c| c.shape == Shape::Geo)
}

fn find_planned(session: &Session, layout: &Layout, query: &Query) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let plan = sql::plan(layout, query);
    if !plan.sorts_in_rust() {
        let result = each(session, query, &plan, |record| {
            records.push(record);
            Ok(ControlFlow::Continue(()))
        });
        return result.map(|()| records);
    }
    let mut page = Page::of(query);
    each_match(session, query, &plan, |_, record| {
        page.push(record);
        Ok(ControlFlow::Continue(()))
    })?;
    records = page.finish();
    for record in &mut records {
        plan.strip(record);
    }
    Ok(records)
}

/// Hands each object to `sink` until it breaks.
pub(crate) fn scan(
    session: &Session,
    view: &View,
    query: &Query,
    sink: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send),
) -> Result<()> {
    let Some(layout) = view.schema.layout(&query.collection) else {
        return Ok(());
    };
    let plan = sql::plan(layout, query);
    if plan.sorts_in_rust() {
        let mut records = find(session, view, query)?.records.into_iter();
        let _ = records.try_for_each(sink);
        return Ok(());
    }
    each(session, query, &plan, |record| Ok(sink(record)))
}

/// Hands each object that a plan without a sort in Rust yields to `sink`, in order.
pub(crate) fn each(
    session: &Session,
    query: &Query,
    plan: &Plan<'_>,
    mut sink: impl FnMut(Record) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let (mut skip, mut left) = if plan.slices_in_sql() {
        (0, u64::MAX)
    } else {
        (query.skip, query.limit.unwrap_or(u64::MAX))
    };
    if left == 0 {
        return Ok(());
    }
    each_match(session, query, plan, |_, mut record| {
        if skip > 0 {
            skip -= 1;
            return Ok(ControlFlow::Continue(()));
        }
        plan.strip(&mut record);
        left -= 1;
        let flow = sink(record)?;
        Ok(if left == 0 {
            ControlFlow::Break(())
        } else {
            flow
        })
    })
}

/// Hands each match and its row number to `sink`, before skip and limit unless SQL applied them.
pub(crate) fn each_match(
    session: &Session,
    query: &Query,
    plan: &Plan<'_>,
    mut sink: impl FnMut(i64, Record) -> Result<ControlFlow<()>>,
) -> Result<()> {
    session.slots.lock().clone_from(&plan.slots);
    let mut statement = session.conn.prepare_cached(&plan.sql).typed()?;
    plan.bind(&mut statement)?;
    each_row(&mut statement, query, plan, &mut sink)?;
    if plan.sql.len() > CACHED_BYTES_MAX {
        statement.discard();
    }
    Ok(())
}

fn each_row(
    statement: &mut Statement<'_>,
    query: &Query,
    plan: &Plan<'_>,
    sink: &mut impl FnMut(i64, Record) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(function_error)? {
        let record = row::record(row, 1, plan.columns.iter().copied(), |name| {
            plan.reads_null(name)
        })?;
        if plan.rechecks() && !eval::matches(&query.filter, &record)? {
            continue;
        }
        let number = row.get(0).typed()?;
        if sink(number, record)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// An error of one of our functions is ours, such as a pattern that takes too long.
pub(crate) fn function_error(error: rusqlite::Error) -> Error {
    if let rusqlite::Error::SqliteFailure(_, Some(message)) = &error
        && message.contains("regular expression")
    {
        return Error::new(
            Reason::QueryTooComplex,
            "A regular expression takes too long to match.",
        );
    }
    crate::error::sqlite(error)
}

/// The only value of a statement's only row.
pub(crate) fn single(session: &Session, plan: &Plan<'_>, sql: &str) -> Result<i64> {
    session.slots.lock().clone_from(&plan.slots);
    let mut statement = session.conn.prepare_cached(sql).typed()?;
    plan.bind(&mut statement)?;
    let mut rows = statement.raw_query();
    match rows.next().map_err(function_error)? {
        Some(row) => row.get(0).typed(),
        None => Err(corrupt("a count without a row")),
    }
}
