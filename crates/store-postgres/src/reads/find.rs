//! Reading objects: by id, by query, as a stream.

use super::rows::{Session, matching};
use super::run::{self, Ask, Reading, STAMP_LEN, View};
use crate::error::Typed;
use crate::row::{self, Param};
use crate::schema::{Layout, Shape};
use crate::shared::Shared;
use crate::sql;
use crate::text;
use basalt_base::Result;
use basalt_store::plan::{Page, narrowed};
use basalt_store::{Found, Position, Query, Record};
use std::ops::ControlFlow;
use tokio_postgres::Row;

/// The row number and object of a row of [`Layout::get_sql`], from column `at` on; `None` for NULLs.
pub(crate) fn whole(row: &Row, at: usize, layout: &Layout) -> Result<Option<(i64, Record)>> {
    let Some(number) = row.try_get::<_, Option<i64>>(at).typed()? else {
        return Ok(None);
    };
    let columns = layout.columns.iter();
    let record = row::record(row, at + 1, columns, |name| layout.column(name).is_none())?;
    Ok(Some((number, record)))
}

fn id_param(id: &str) -> Param {
    Param::Text(text::stored(id).into_owned())
}

/// The object of that id, at the latest state.
pub(crate) async fn latest_by_id(
    shared: &Shared,
    collection: &str,
    id: &str,
) -> Result<Option<Record>> {
    let ask = |schema: &crate::schema::Schema| {
        Ok(match schema.layout(collection) {
            Some(layout) => Ask::Statement(layout.get_sql.clone(), vec![id_param(id)]),
            None => Ask::Nothing,
        })
    };
    let (rows, view) = run::single(shared, ask).await?;
    match (view.schema.layout(collection), rows.first()) {
        (Some(layout), Some(row)) => Ok(whole(row, STAMP_LEN, layout)?.map(|(_, r)| r)),
        _ => Ok(None),
    }
}

/// The objects that match at the latest state, in order.
pub(crate) async fn latest(shared: &Shared, query: &Query) -> Result<Found> {
    let mut in_rust = false;
    let ask = |schema: &crate::schema::Schema| {
        let Some(layout) = schema.layout(&query.collection) else {
            return Ok((Ask::Nothing, false));
        };
        let plan = sql::plan(layout, query);
        let rust = plan.rechecks()
            || plan.sorts_in_rust()
            || narrowed(query, |name| is_geo(layout, name))
                .next()
                .is_some();
        Ok::<_, basalt_base::Error>((Ask::Statement(plan.sql, plan.params), rust))
    };
    if let (_, true) = ask(&shared.schema.load())? {
        in_rust = true;
    }
    if in_rust {
        return in_rust_now(shared, query).await;
    }
    let (rows, view) = run::single(shared, |schema| Ok(ask(schema)?.0)).await?;
    let position = Position(view.position);
    let mut records = Vec::new();
    if let Some(layout) = view.schema.layout(&query.collection) {
        let plan = sql::plan(layout, query);
        if plan.rechecks() || plan.sorts_in_rust() {
            // Only with the newest catalogue it turned out that Rust has to look at the rows.
            return in_rust_now(shared, query).await;
        }
        records.reserve(rows.len());
        for row in &rows {
            if row.try_get::<_, Option<i64>>(STAMP_LEN).typed()?.is_none() {
                break;
            }
            if let Some((_, mut record)) = matching(row, STAMP_LEN, query, &plan)? {
                plan.strip(&mut record);
                records.push(record);
            }
        }
    }
    Ok(Found { records, position })
}

async fn in_rust_now(shared: &Shared, query: &Query) -> Result<Found> {
    let reading = Reading::begin(shared).await?;
    let found = find(&reading.session(), &reading.view, query).await;
    reading.finish(found).await
}

/// The object of that id in a collection.
pub(crate) async fn by_id_in(
    session: &Session<'_>,
    view: &View,
    collection: &str,
    id: &str,
) -> Result<Option<Record>> {
    let Some(layout) = view.schema.layout(collection) else {
        return Ok(None);
    };
    Ok(by_id(session, layout, id).await?.map(|(_, record)| record))
}

/// The object of that id and its row number.
pub(crate) async fn by_id(
    session: &Session<'_>,
    layout: &Layout,
    id: &str,
) -> Result<Option<(i64, Record)>> {
    let rows = session.all(&layout.get_sql, &[id_param(id)]).await?;
    match rows.first() {
        Some(row) => whole(row, 0, layout),
        None => Ok(None),
    }
}

/// The objects that match, in order.
pub(crate) async fn find(session: &Session<'_>, view: &View, query: &Query) -> Result<Found> {
    let mut found = Found {
        records: Vec::new(),
        position: Position(view.position),
    };
    let Some(layout) = view.schema.layout(&query.collection) else {
        return Ok(found);
    };
    let narrower: Vec<Query> = narrowed(query, |name| is_geo(layout, name)).collect();
    for query in narrower {
        let records = find_planned(session, layout, &query).await?;
        if Some(records.len() as u64) == query.limit {
            found.records = records;
            return Ok(found);
        }
    }
    found.records = find_planned(session, layout, query).await?;
    Ok(found)
}

fn is_geo(layout: &Layout, name: &str) -> bool {
    layout.column(name).is_some_and(|c| c.shape == Shape::Geo)
}

async fn find_planned(
    session: &Session<'_>,
    layout: &Layout,
    query: &Query,
) -> Result<Vec<Record>> {
    let plan = sql::plan(layout, query);
    let mut records = Vec::new();
    if !plan.sorts_in_rust() {
        let collect = |record| {
            records.push(record);
            Ok(ControlFlow::Continue(()))
        };
        each(session, query, &plan, collect).await?;
        return Ok(records);
    }
    let mut page = Page::of(query);
    let collect = |_, record| {
        page.push(record);
        Ok(ControlFlow::Continue(()))
    };
    session.each_match(query, &plan, collect).await?;
    records = page.finish();
    for record in &mut records {
        plan.strip(record);
    }
    Ok(records)
}

/// Hands each object to `sink` until it breaks.
pub(crate) async fn scan(
    session: &Session<'_>,
    view: &View,
    query: &Query,
    sink: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send),
) -> Result<()> {
    let Some(layout) = view.schema.layout(&query.collection) else {
        return Ok(());
    };
    let plan = sql::plan(layout, query);
    if plan.sorts_in_rust() {
        let mut records = find(session, view, query).await?.records.into_iter();
        let _ = records.try_for_each(sink);
        return Ok(());
    }
    each(session, query, &plan, |record| Ok(sink(record))).await
}

/// Hands each object that a plan without a sort in Rust yields to `sink`, in order.
pub(crate) async fn each(
    session: &Session<'_>,
    query: &Query,
    plan: &sql::Plan<'_>,
    mut sink: impl FnMut(Record) -> Result<ControlFlow<()>> + Send,
) -> Result<()> {
    let (mut skip, mut left) = if plan.slices_in_sql() {
        (0, u64::MAX)
    } else {
        (query.skip, query.limit.unwrap_or(u64::MAX))
    };
    if left == 0 {
        return Ok(());
    }
    let one = |_, mut record| {
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
    };
    session.each_match(query, plan, one).await
}
